"""How a large picture is cut into overlapping windows, and how their results are blended back. NumPy only.

Each window fades out towards its borders, where a network sees the least context. The fades are divided by their sum
over all windows, so that the shares of a pixel add up to one, however much its windows overlap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels; `y`, `x` is its top-left corner."""

    y: int
    x: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns: `image[window.slices]`."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def windows(height: int, width: int, *, tile: int, overlap: int) -> list[Window]:
    """Windows of one size that cover a picture of (height, width), row by row, each at most `tile` by `tile`.

    Neighbours share at least `overlap` pixels. A side no longer than `tile` is covered by one window of its own length.
    Raises `ConfigError` when overlap is not below tile, `ValueError` for an empty picture.
    """
    if height < 1 or width < 1:
        raise ValueError(f"A picture of {height} by {width} has no pixels.")
    if tile < 1 or not 0 <= overlap < tile:
        raise ConfigError(f"Overlap must be from 0 to below the tile size, not {overlap} with tiles of {tile}.")
    rows, columns = _starts(height, tile, overlap), _starts(width, tile, overlap)
    tall, wide = min(tile, height), min(tile, width)
    return [Window(y, x, tall, wide) for y in rows for x in columns]


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where windows begin along one side: as few as will do, spread evenly."""
    if length <= tile:
        return [0]
    gaps = -(-(length - tile) // (tile - overlap))
    return [round(index * (length - tile) / gaps) for index in range(gaps + 1)]


def blend_weights(height: int, width: int, overlap: int) -> NDArray[np.float32]:
    """The fade of one window: 1 inside, falling linearly to almost 0 over `overlap` pixels at each border.

    (height, width). Always above 0, so that a pixel which a single window covers can be divided by its weight.
    """
    return np.outer(_ramp(height, overlap), _ramp(width, overlap)).astype(np.float32)


def _ramp(length: int, overlap: int) -> NDArray[np.float64]:
    inward = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.minimum(inward / max(overlap, 0.5), 1.0)


def shares(placed: Sequence[Window], height: int, width: int, *, overlap: int) -> Iterator[NDArray[np.float32]]:
    """For each window in turn, its share in each of its pixels, (h, w): the shares of a pixel sum to one."""
    total = np.zeros((height, width), np.float32)
    for window in placed:
        total[window.slices] += blend_weights(window.height, window.width, overlap)
    for window in placed:
        yield blend_weights(window.height, window.width, overlap) / total[window.slices]


def axis_shares(length: int, *, tile: int, overlap: int) -> list[tuple[int, NDArray[np.float32]]]:
    """Windows along one side: where each begins, and its share in each of its pixels; the shares of a pixel sum to one.

    A window of a grid has the product of its two: the fades are products already, and so are the sums of a whole grid.
    """
    starts, tall = _starts(length, tile, overlap), min(tile, length)
    ramp = _ramp(tall, overlap)
    total = np.zeros(length)
    for start in starts:
        total[start : start + tall] += ramp
    return [(start, (ramp / total[start : start + tall]).astype(np.float32)) for start in starts]
