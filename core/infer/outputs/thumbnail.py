"""A small picture of a large one, put together from the windows that are read anyway. NumPy only."""

import numpy as np
from numpy.typing import NDArray

from core.infer.tiling import Window

LARGEST_SIDE = 2048


class Thumbnail:
    """Every `step`-th pixel of a picture (H, W), each the mean of its block where a window held the whole block."""

    def __init__(self, height: int, width: int, largest: int = LARGEST_SIDE) -> None:
        self.step = -(-max(height, width) // largest)
        shape = (-(-height // self.step), -(-width // self.step))
        self.picture = np.zeros((*shape, 3), np.uint8)
        self._whole = np.zeros(shape, np.bool_)

    def add(self, window: Window, rgb: NDArray[np.uint8]) -> None:
        """Take in one window.

        Args:
            window: Where it lies in the picture.
            rgb: Its colours (h, w, 3), 0 to 255.
        """
        step = self.step
        top, left = -window.y % step, -window.x % step
        part = rgb[top:, left:]
        if not part.size:
            return
        y, x = (window.y + top) // step, (window.x + left) // step
        nearest = part[::step, ::step]
        place = np.s_[y : y + nearest.shape[0], x : x + nearest.shape[1]]
        open_ones = ~self._whole[place]
        self.picture[place][open_ones] = nearest[open_ones]
        tall, wide = part.shape[0] // step, part.shape[1] // step
        if step == 1 or not tall or not wide:
            return
        blocks = part[: tall * step, : wide * step].reshape(tall, step, wide, step, 3)
        self.picture[y : y + tall, x : x + wide] = blocks.mean(axis=(1, 3), dtype=np.float32)
        self._whole[y : y + tall, x : x + wide] = True
