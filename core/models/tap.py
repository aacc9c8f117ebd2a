"""What a module inside a model gives, by the module's name, for losses on features."""

from difflib import get_close_matches
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import ModelError
from core.models.compact import Compact
from core.models.smp import SmpModel
from core.models.unet import UNet

DEFAULT_LAYERS: dict[type[nn.Module], str] = {Compact: "encoder.3", UNet: "encoder.4", SmpModel: "network.encoder"}
"""The deepest features of the encoder, unless somebody names another module."""


class Tap:
    """Keeps what `layer` of `model` last gave (B, C, H, W), from entering the `with` block to leaving it.

    A module that gives a list, as encoders do, is read at its last entry. Raises `ModelError` for a name that the
    model does not have, with the nearest that it has.
    """

    def __init__(self, model: nn.Module, layer: str | None = None) -> None:
        if getattr(model, "logits_only", False):
            raise ModelError(
                "This teacher offers its logits alone, for it runs in a process of its own or as an ONNX file: choose "
                "losses on logits."
            )
        self.layer = layer or DEFAULT_LAYERS.get(type(model), "")
        self._module = _find(model, self.layer)
        self._held: Tensor | None = None

    def take(self) -> Tensor:
        """The features of the last forward pass; they are given once, so that no graph is held longer than needed.

        Returns:
            (B, C, H, W).
        """
        assert self._held is not None, "there was no forward pass since the last take"
        held: Any = self._held
        self._held = None
        if not isinstance(held, Tensor) or held.ndim != 4:
            raise ModelError(f"{self.layer} gives no features (B, C, H, W): name another module of the model.")
        return held

    def __enter__(self) -> "Tap":
        self._handle = self._module.register_forward_hook(self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.remove()
        self._held = None

    def _keep(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        # Models of transformers give objects that are dictionaries.
        output = output.get("last_hidden_state") if isinstance(output, dict) else output
        self._held = output[-1] if isinstance(output, (list, tuple)) else output


def channels(model: nn.Module, layer: str | None = None) -> int:
    """How many channels that module gives."""
    return feature_shape(model, layer, size=64)[0]


@torch.no_grad()
def feature_shape(model: nn.Module, layer: str | None = None, *, size: int) -> tuple[int, int, int]:
    """Channels, height and width of what that module gives for one picture of `size` x `size` pixels."""
    training = model.training
    with Tap(model, layer) as tap:
        device = next(model.parameters()).device
        model.eval()(torch.zeros(1, getattr(model, "in_channels", 3), size, size, device=device))
        model.train(training)
        found = tap.take().shape
    return found[1], found[2], found[3]


def _find(model: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = {key: module for key, module in model.named_modules() if key}
    if not name or name not in modules:
        near = get_close_matches(name, modules, n=5) or list(modules)[:5]
        such = f", such as {', '.join(near)}" if near else ""
        if not name:
            raise ModelError(
                "It is not known which module of this model holds its features: choose losses on logits, or name the "
                f"module (--teacher-layer){such}."
            )
        raise ModelError(f"The model has no module {name}: name another one{such}.")
    return modules[name]
