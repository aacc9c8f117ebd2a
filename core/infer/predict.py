"""A model and a picture of any size → class probabilities for every pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.infer.forward import WindowModel, evaluating, likeliest
from core.infer.tiling import OVERLAP, TILE, Tiling, Window, shares, windows
from core.normalise import Normaliser


@dataclass(frozen=True)
class Prediction:
    """A model's output for one picture. `probabilities` float32 (C, H, W), summing to one over C."""

    probabilities: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The likeliest class of each pixel.

        Returns:
            Class indices (H, W).
        """
        return likeliest(self.probabilities)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of that class.

        Returns:
            (H, W) from 1/C to 1.
        """
        highest: NDArray[np.float32] = self.probabilities.max(axis=0)
        return highest

    @property
    def entropy(self) -> NDArray[np.float32]:
        """How undecided the model is: the entropy of its probabilities, divided by ln C.

        Returns:
            (H, W) from 0 (one class is certain) to 1 (all C classes are alike).
        """
        classes = self.probabilities.shape[0]
        result = np.zeros(self.probabilities.shape[1:], np.float32)
        for channel in self.probabilities:
            result -= channel * np.log(np.maximum(channel, np.finfo(np.float32).tiny))
        share: NDArray[np.float32] = np.clip(result / np.float32(np.log(max(classes, 2))), 0, 1)
        return share


def predict(
    model: nn.Module,
    image: NDArray[Any],
    *,
    normaliser: Normaliser,
    tile: int = TILE,
    overlap: int = OVERLAP,
    batch: int = 4,
    full: bool = True,
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> Prediction:
    """Segment a picture, in float32 and in eval mode.

    Args:
        model: Maps (B, bands, h, w) to logits (B, C, h, w).
        image: (H, W, D) of the bands that `normaliser` takes; colours are uint8 (H, W, 3).
        normaliser: What the model's input is made with; the model runs on its device.
        tile: Side of a window in pixels. A picture no larger goes whole, a larger one in blended windows.
        overlap: Pixels that neighbours share, from 0 to below `tile`.
        batch: Windows of one forward pass.
        full: Every window is `tile` large, where the picture is, and neighbours share more than `overlap`.
        progress: Called after each batch with the windows that are done.
        cancelled: Asked before each batch.

    Returns:
        Probabilities (C, H, W).

    Raises:
        ImageError: The picture has another shape or type.
        DeviceError: The memory of the device is full.
        CancelledError: `cancelled` said so.
    """
    normaliser.check(image)
    height, width = image.shape[:2]
    placed = sorted(windows(height, width, tile=tile, overlap=overlap, full=full), key=_size_of)
    weights = shares(placed, height, width, overlap=overlap)
    window_model = WindowModel(model, normaliser, Tiling())
    result: NDArray[np.float32] | None = None
    with evaluating(model), torch.inference_mode():
        model.to(normaliser.device)
        for group in _alike(placed, batch):
            if cancelled is not None and cancelled():
                raise CancelledError
            found = _probabilities(window_model, image, group)
            result = _blended(result, found, group, weights, (height, width))
            if progress is not None:
                progress(Progress(placed.index(group[-1]) + 1, len(placed)))
    assert result is not None
    return Prediction(result)


def windows_of(height: int, width: int) -> list[Window]:
    """The windows in which `predict` cuts a picture of this size by default."""
    return windows(height, width, tile=TILE, overlap=OVERLAP, full=True)


def _alike(placed: Sequence[Window], batch: int) -> Iterator[Sequence[Window]]:
    """Batches of neighbours in `placed` that have one size; there are few sizes."""
    for _, windows_of_a_size in groupby(placed, key=_size_of):
        group = list(windows_of_a_size)
        yield from (group[first : first + batch] for first in range(0, len(group), batch))


def _size_of(window: Window) -> tuple[int, int]:
    return window.height, window.width


def _probabilities(window_model: WindowModel, image: NDArray[Any], group: Sequence[Window]) -> NDArray[np.float32]:
    """Class probabilities of each window of `group`, (B, C, h, w)."""
    logits = window_model(window_model.prepare([image[window.slices] for window in group]))
    found: NDArray[np.float32] = logits.softmax(dim=1).contiguous().cpu().numpy()
    return found


def _blended(
    result: NDArray[np.float32] | None,
    found: NDArray[np.float32],
    group: Sequence[Window],
    weights: Iterator[NDArray[np.float32]],
    size: tuple[int, int],
) -> NDArray[np.float32]:
    """`result` (C, H, W), or zeros of this `size`, and what was found in a group of windows, (B, C, h, w), added."""
    if found.shape[2:] == size:
        whole: NDArray[np.float32] = found[0]
        return whole
    if result is None:
        result = np.zeros((found.shape[1], *size), np.float32)
    for window, probabilities in zip(group, found, strict=True):
        rows, columns = window.slices
        result[:, rows, columns] += probabilities * next(weights)
    return result
