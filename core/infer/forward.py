"""The forward pass over windows of a picture, and the class of the highest score.

Input is prepared, resampled to the model's ground resolution and back. The class is found several times as fast as by
an argmax over channels (docs/LOG.md).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.infer.tiling import Tiling
from core.normalise import Normaliser
from core.out_of_memory import device_full, out_of_memory_as

_ROWS = 32
"""So many rows at a time stay in the processor's cache."""


class WindowModel:
    """A model, and how the windows that it is given are prepared."""

    def __init__(self, model: nn.Module, normaliser: Normaliser, tiling: Tiling) -> None:
        self._model, self._normaliser, self._tiling = model, normaliser, tiling

    def prepare(self, group: Sequence[NDArray[Any]]) -> Tensor:
        """The model's input for windows of one size.

        Args:
            group: (h, w, D) of each window, as its picture holds it, all of one shape.

        Returns:
            (B, bands, h, w), normalised, channels last in memory, on the model's device.
        """
        return self._normaliser(group[0][None] if len(group) == 1 else np.stack(group))

    def __call__(self, views: Tensor) -> Tensor:
        """One forward pass.

        Args:
            views: Input (B, bands, h, w), normalised.

        Returns:
            Logits (B, C, h, w), or the logarithms of averaged or resampled probabilities. The softmax of either is the
            probability of each class.

        Raises:
            DeviceError: The memory of the device is full.
        """
        with out_of_memory_as(device_full(self._normaliser.device)):
            if not self._tiling.flips and self._tiling.ground_ratio == 1:
                logits: Tensor = self._model(views).float()
                return logits
            size = views.shape[-2:]
            found = self._averaged(self._resampled(views))
            if found.shape[-2:] != size:
                found = F.interpolate(found, size=size, mode="bilinear")
            return found.clamp_min(torch.finfo(found.dtype).tiny).log()

    def _resampled(self, views: Tensor) -> Tensor:
        if self._tiling.ground_ratio == 1:
            return views
        smaller = [max(1, round(side / self._tiling.ground_ratio)) for side in views.shape[-2:]]
        return F.interpolate(views, size=smaller, mode="bilinear", antialias=True)

    def _averaged(self, views: Tensor) -> Tensor:
        """Over the picture and its mirror images, where these are asked for."""
        found: Tensor = self._model(views).float().softmax(dim=1)
        if not self._tiling.flips:
            return found
        for axes in ((-1,), (-2,), (-2, -1)):
            found = found + self._model(views.flip(axes)).float().softmax(dim=1).flip(axes)
        return found / 4


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside the block, and afterwards every module back in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def likeliest(scores: Tensor | NDArray[np.float32]) -> NDArray[np.uint8]:
    """The class of the highest score for every pixel; the first of equal ones, as argmax gives it.

    Args:
        scores: (C, H, W) in any layout and of any range, on any device, C at most 256.

    Returns:
        Class indices (H, W).
    """
    if isinstance(scores, Tensor):
        if scores.device.type != "cpu":
            return _on_device(scores).cpu().numpy()
        scores = scores.detach().numpy()
    classes = np.zeros(scores.shape[1:], np.uint8)
    for y in range(0, len(classes), _ROWS):
        _fill(classes[y : y + _ROWS], np.ascontiguousarray(scores[:, y : y + _ROWS]))
    return classes


def _fill(classes: NDArray[np.uint8], scores: NDArray[np.float32]) -> None:
    """Channel by channel against the best so far. A later class has a higher number, so a maximum keeps it."""
    best, higher = scores[0].copy(), np.empty(classes.shape, np.bool_)
    for index in range(1, len(scores)):
        np.greater(scores[index], best, out=higher)
        numbered = higher.view(np.uint8)
        numbered *= np.uint8(index)
        np.maximum(classes, numbered, out=classes)
        np.maximum(best, scores[index], out=best)


def _on_device(scores: Tensor) -> Tensor:
    best = scores[0].clone()
    classes = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for index in range(1, len(scores)):
        classes.masked_fill_(scores[index] > best, index)
        torch.maximum(best, scores[index], out=best)
    return classes
