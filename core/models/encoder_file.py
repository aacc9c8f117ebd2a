"""Weights of an encoder from a local safetensors file: timm's own, or those of other libraries under timm's names.

Reference: timm adapts the first convolution to other bands by repeating its weights and scaling them
(github.com/huggingface/pytorch-image-models, `adapt_input_conv`).
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import ModelError
from core.files import size_text
from core.models.pretrained import adapted

ENDING = ".safetensors"
MOST_BYTES = 8 * 10**9
_PREFIXES = (
    *("", "model.", "encoder.", "backbone.", "module.", "encoder.model.", "network.encoder.model."),
    *("model.encoder.", "model.encoder.model.", "model.backbone.", "model.model."),
)
"""What libraries write before timm's names; the second line is of checkpoints that torchgeo's trainers save."""
_CONVERT = (
    "holds pickled weights or none, and is never opened: load it where you trust it, and save its state_dict with "
    "safetensors.torch.save_file."
)


def load_encoder(encoder: nn.Module, path: Path, name: str) -> None:
    """Fill an encoder from a file, its first convolution adapted where that is for other bands.

    Args:
        encoder: Of segmentation-models-pytorch; its weights are replaced.
        path: A safetensors file with the names of timm, or those of the encoder; what it holds besides (the classifier)
            is left.
        name: Of the encoder, for messages.

    Raises:
        ModelError: There is no such file, or it holds the weights of another network.
    """
    given = _by_name(_read(path))
    target = encoder.state_dict()
    wanted = {key: _plain(key.removeprefix("model.")) for key in target}
    prefix = max(_PREFIXES, key=lambda each: sum(_plain(each) + plain in given for plain in wanted.values()))
    for key, old in target.items():
        new = given.get(_plain(prefix) + wanted[key])
        if new is None and key.endswith("num_batches_tracked"):
            continue
        if new is None:
            raise ModelError(f"{path.name} has no {key[:80]}: it holds the weights of another network than {name}.")
        target[key] = _fitting(new, old, key, path, name)
    encoder.load_state_dict(target)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix.lower() != ENDING:
        raise ModelError(f"{path.name[:80]} {_CONVERT}")
    if not path.is_file():
        raise ModelError(f"There is no file {path.name[:80]}: give the weights of an encoder as a safetensors file.")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ModelError(f"{path.name} has {size_text(size)}: the weights of an encoder have 8 GB at most.")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path.name} is no whole safetensors file: save the weights anew.") from error


def _by_name(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {_plain(key): tensor for key, tensor in tensors.items()}


def _plain(key: str) -> str:
    """timm writes `stages.0` in a model and `stages_0` in its encoder."""
    return key.replace(".", "_")


def _fitting(new: Tensor, old: Tensor, key: str, path: Path, name: str) -> Tensor:
    if new.is_floating_point() and not torch.isfinite(new).all():
        raise ModelError(f"{path.name} holds values that are no numbers in {key[:80]}: use another file.")
    if new.shape == old.shape:
        return new
    same = old.ndim == new.ndim == 4 and old.shape[0] == new.shape[0] and old.shape[2:] == new.shape[2:]
    if same and new.shape[1] == 3:
        return adapted(new.float(), old.shape[1])
    if same:
        raise ModelError(
            f"The encoder of {path.name} sees {new.shape[1]} bands and the pictures have {old.shape[1]}: only one of 3 "
            "is adapted to others."
        )
    raise ModelError(
        f"The weights of {path.name} do not fit {name}: {key[:80]} is {tuple(new.shape)}, not {tuple(old.shape)}."
    )
