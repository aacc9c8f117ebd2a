"""Folders of Hugging Face transformers as networks: the library's own classes, local files, no code of the folder."""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from core.brought.model_folder import LOGITS, QUERIES
from core.errors import ModelError

_REFUSALS = (
    *(OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ImportError, AssertionError),
    *(ArithmeticError, SafetensorError),
)
_MASK_SIDE = 384
"""Mask2Former's own pipeline brings masks to this side before it takes their sigmoid."""


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=image).logits
        return logits


class _Queries(nn.Module):
    """Masks and their classes as scores for each class: how the library itself makes a semantic mask of them."""

    def __init__(self, model: nn.Module, tokens: Tensor | None, side: int | None) -> None:
        super().__init__()
        self.model, self._side = model, side
        self.tokens: Tensor | None
        self.register_buffer("tokens", tokens, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        more = {} if self.tokens is None else {"task_inputs": self.tokens.expand(len(image), -1)}
        found = self.model(pixel_values=image, **more)
        masks = found.masks_queries_logits.float()
        if self._side is not None:
            masks = functional.interpolate(masks, size=(self._side, self._side), mode="bilinear", align_corners=False)
        shares = found.class_queries_logits.float().softmax(dim=-1)[..., :-1]
        scores = torch.einsum("bqc,bqhw->bchw", shares, masks.sigmoid())
        return functional.interpolate(scores, size=image.shape[-2:], mode="bilinear", align_corners=False)


def require_transformers() -> Any:
    """The library, imported when a model needs it. Raises `ModelError` where it is not installed."""
    try:
        with _quietly():
            return importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError("This model needs transformers: pip install 'terrastill[transformers]'.") from error


def build_transformers(folder: Path, network: dict[str, Any]) -> nn.Module:
    """The network of a folder that `save_pretrained` wrote.

    Args:
        folder: With config.json and safetensors.
        network: `architecture`, one of `LOGITS` or `QUERIES`.

    Raises:
        ModelError: The library is missing, or cannot build it from these files.
    """
    architecture = network["architecture"]
    if architecture not in LOGITS | QUERIES:
        raise ModelError(f"transformers has no architecture {architecture[:60]!r} for semantic segmentation.")
    library = require_transformers()
    try:
        with _quietly():
            config = library.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            config.use_pretrained_backbone = False
            model, told = getattr(library, architecture).from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
            tokens = _task(library, folder, config) if architecture.startswith("OneFormer") else None
    except (*_REFUSALS, _odd_settings()) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        words = " ".join(word for word in line.split() if "/" not in word)[:160].rstrip(".: ")
        raise ModelError(
            f"transformers cannot build this model ({words}): save it anew with save_pretrained."
        ) from error
    if lacking := sorted(map(str, told["missing_keys"])):
        raise ModelError(f"The weights of {lacking[0][:80]} are missing: save the whole model with save_pretrained.")
    if architecture in LOGITS:
        return _Logits(model)
    return _Queries(model, tokens, None if tokens is not None else _MASK_SIDE)


def _odd_settings() -> type[Exception]:
    """What transformers raises for settings of another type: an exception of a package that it brings."""
    found: type[Exception] = importlib.import_module("huggingface_hub.errors").StrictDataclassError
    return found


def _task(library: Any, folder: Path, config: Any) -> Tensor:
    """The words that ask a OneFormer for classes, as its tokens, (1, N)."""
    tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    length = int(getattr(config, "task_seq_len", 77))
    told = tokenizer(["the task is semantic"], padding="max_length", max_length=length, truncation=True)
    return torch.tensor(told["input_ids"])


@contextmanager
def _quietly() -> Iterator[None]:
    """The library warns of its own deprecations, and draws bars of progress."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
