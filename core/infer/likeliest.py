"""The class of the highest score for every pixel, several times as fast as an argmax over channels (docs/LOG.md)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ROWS = 32
"""So many rows at a time stay in the processor's cache."""


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
