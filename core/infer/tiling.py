"""How a large picture is cut into overlapping windows, and how their results are blended back. NumPy only.

Each window fades out towards its borders, where a network sees the least context. The fades are divided by their sum
over all windows, so that the shares of a pixel add up to one, however much its windows overlap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError

GRAIN = 32
"""The stride that every model's own divides: 16 for ours, 32 for encoders of the usual kind."""
_FEWEST_GRAINS = 4
"""Small windows cannot be rounded to so coarse a grain and still be alike."""


TILE, OVERLAP = 512, 64
"""Side and overlap, in pixels, of the windows of a picture in memory (`predict`). All of them are full windows: a pixel
that several of them see is judged better, by 0.2 points of mIoU-5 (docs/LOG.md). The overlap is also that of the
teacher's cache and of a browser."""
STREAM_TILE, STREAM_OVERLAP = 1536, 32
"""The same for a file of any size (`stream`), where time counts: such windows have a third as many seams as those of
512, and an overlap of 64 would take another 4 % of the time (docs/LOG.md)."""
WHOLE = 1280
"""Side of the windows of the app's pages, of a browser and of the teacher's cache: most pictures there go through the
model in one piece."""

NO_DATA = 255
"""In a mask: the picture holds no data here. No class has this index (`ClassMap`)."""


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut. `tile` and `overlap` are in its pixels; `flips` averages over the four mirror images.

    `ground_ratio` is how many pixels of the picture are one pixel of what the model was trained on: 3 for a picture of
    0.1 m and a model of 0.3 m.
    """

    tile: int = STREAM_TILE
    overlap: int = STREAM_OVERLAP
    batch: int = 1
    flips: bool = False
    ground_ratio: float = 1.0


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


def windows(height: int, width: int, *, tile: int, overlap: int, full: bool = False) -> list[Window]:
    """Windows that cover a picture of (height, width), row by row, each at most `tile` by `tile`.

    Neighbours share `overlap` pixels. A side no longer than `tile` is covered by one window of its own length. With
    `full` every window is as large as may be: neighbours share more, and a pixel that several see is judged better.
    Raises `ConfigError` when overlap is not below tile, `ValueError` for an empty picture.
    """
    if height < 1 or width < 1:
        raise ValueError(f"A picture of {height} by {width} has no pixels.")
    if tile < 1 or not 0 <= overlap < tile:
        raise ConfigError(f"Overlap must be from 0 to below the tile size, not {overlap} with tiles of {tile}.")
    cut = _full_spans if full else spans
    rows, columns = cut(height, tile=tile, overlap=overlap), cut(width, tile=tile, overlap=overlap)
    return [Window(y, x, tall, wide) for y, tall in rows for x, wide in columns]


def spans(length: int, *, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Windows along one side, as (start, length): as few as will do, spread evenly, next to no pixel seen in vain.

    They begin at multiples of `GRAIN` where `tile` leaves room for that, so that the poolings of a network fall on the
    same pixels in every window as in the whole picture.
    """
    if length <= tile:
        return [(0, length)]
    grain = GRAIN if tile - overlap >= _FEWEST_GRAINS * GRAIN else 1
    units = -(-(length - overlap) // grain)
    count = -(-units // ((tile - overlap) // grain))
    starts = [grain * (index * units // count) for index in range(count)]
    ends = [start + overlap for start in starts[1:]] + [length]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _full_spans(length: int, *, tile: int, overlap: int) -> list[tuple[int, int]]:
    """The same number of windows or one more, each `tile` long, spread evenly."""
    if length <= tile:
        return [(0, length)]
    gaps = -(-(length - tile) // (tile - overlap))
    return [(round(index * (length - tile) / gaps), tile) for index in range(gaps + 1)]


def blend_weights(height: int, width: int, overlap: int) -> NDArray[np.float32]:
    """The fade of one window: 1 inside, falling linearly to almost 0 over `overlap` pixels at each border.

    Args:
        height: H, of the window in pixels.
        width: W, of the window in pixels.
        overlap: In pixels, at least 0.

    Returns:
        (H, W), above 0 and at most 1, so that a pixel which a single window covers can be divided by its weight.
    """
    return np.outer(_ramp(height, overlap), _ramp(width, overlap)).astype(np.float32)


def _ramp(length: int, overlap: int) -> NDArray[np.float64]:
    inward = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.minimum(inward / max(overlap, 0.5), 1.0)


def shares(placed: Sequence[Window], height: int, width: int, *, overlap: int) -> Iterator[NDArray[np.float32]]:
    """For each window in turn its share in each of its pixels.

    Args:
        placed: The windows of a picture, which together cover it.
        height: Of the picture in pixels.
        width: Of the picture in pixels.
        overlap: In pixels, at least 0.

    Yields:
        (h, w) of a window, above 0 and at most 1; the shares of a pixel sum to one.
    """
    total = np.zeros((height, width), np.float32)
    for window in placed:
        total[window.slices] += blend_weights(window.height, window.width, overlap)
    for window in placed:
        yield blend_weights(window.height, window.width, overlap) / total[window.slices]


def axis_shares(length: int, *, tile: int, overlap: int) -> list[tuple[int, NDArray[np.float32]]]:
    """Windows along one side of a picture.

    A window of a grid has the product of its two: the fades are products already, and so are the sums of a whole grid.

    Args:
        length: Of the side in pixels.
        tile: Side of a window in pixels.
        overlap: Pixels that neighbours share, from 0 to below `tile`.

    Returns:
        Where each window begins, and its share (L,) in each of its L pixels, above 0 and at most 1; the shares of a
        pixel sum to one.
    """
    placed = [(start, _ramp(long, overlap)) for start, long in spans(length, tile=tile, overlap=overlap)]
    total = np.zeros(length)
    for start, ramp in placed:
        total[start : start + len(ramp)] += ramp
    return [(start, (ramp / total[start : start + len(ramp)]).astype(np.float32)) for start, ramp in placed]
