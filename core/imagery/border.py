"""A border of a picture that holds one value in every band and is not declared as no data: the wedges of a turned one.

It is what a straight line along a row or a column reaches from an edge without meeting another value. So four arrays of
a side describe it, whatever the size of the picture, and it is found in one pass. JPEG changes values beside an edge
within blocks of up to 16 pixels: where most lines end in values close to that of the border, these belong to it too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 0.01
"""Of the pixels; a smaller border is none."""
_CORNER = 4
_BLOCK, _CLOSE = 16, 15
"""Pixels along a line that JPEG may have changed, and by how much of 255."""
_STRIP_VALUES = 24_000_000
Read = Callable[[int, int, int, int], NDArray[Any]]
"""A window as it is stored, from its first row and column, height and width: (H, W, C)."""


@dataclass(frozen=True)
class Border:
    """The border of a picture (H, W).

    Attributes:
        colour: `black` or `white`: 0, or the largest value, in every band.
        share: of the pixels, from 0 to 1.
        rows: int64 (2, H): the first and the last column that is not border, for each row; W and -1 where none is.
        columns: int64 (2, W): the first and the last row that is not border, for each column; H and -1 where none is.
    """

    colour: str
    share: float
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def covers(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pixels are border.

        Args:
            rows: Which rows of the picture, (h,).
            columns: Which columns, (w,).

        Returns:
            Boolean (h, w).
        """
        first, last = self.rows[:, rows, None]
        top, low = self.columns[:, None, columns]
        across, down = columns[None, :], rows[:, None]
        found: NDArray[np.bool_] = (across < first) | (across > last) | (down < top) | (down > low)
        return found


def find_border(read: Read, size: tuple[int, int], *, block_rows: int = 1) -> Border | None:
    """The border of a picture, where there is one. A picture whose corners hold other values is not read.

    Args:
        read: gives a window of all its bands.
        size: its height and width.
        block_rows: how many rows are decoded together.
    """
    height, width = size
    side = min(_CORNER, height, width)
    corners = [read(y, x, side, side) for y in (0, height - side) for x in (0, width - side)]
    for colour, value in (("black", 0), ("white", _largest(corners[0].dtype))):
        if value is not None and any((corner == value).all() for corner in corners):
            found = _found(read, size, value, colour, block_rows)
            if found is not None and found.share >= LEAST_SHARE:
                return found
    return None


def _largest(kind: np.dtype[Any]) -> int | None:
    return int(np.iinfo(kind).max) if kind.kind in "iu" else None


class _Reached:
    """What lines from the edges reach in a picture of which rows come from the top: first and last pixels that are not
    border, as in `Border`."""

    def __init__(self, height: int, width: int) -> None:
        self.rows, self.columns = np.empty((2, height), np.int64), np.empty((2, width), np.int64)
        self.rows[0], self.rows[1], self.columns[0], self.columns[1] = width, -1, height, -1

    def add(self, top: int, other: NDArray[np.bool_]) -> None:
        """The next rows: which of their pixels (h, W) are not border."""
        (height, width), bottom = other.shape, top + len(other)
        some, each = other.any(axis=1), other.any(axis=0)
        self.rows[0, top:bottom] = np.where(some, other.argmax(axis=1), width)
        self.rows[1, top:bottom] = np.where(some, width - 1 - other[:, ::-1].argmax(axis=1), -1)
        whole = self.rows.shape[1]
        self.columns[0] = np.minimum(self.columns[0], np.where(each, top + other.argmax(axis=0), whole))
        last = top + height - 1 - other[::-1].argmax(axis=0)
        self.columns[1] = np.maximum(self.columns[1], np.where(each, last, -1))

    def blurred_by(self, close: "_Reached") -> "_Reached":
        """The same with what JPEG has blurred, where `close` is what lines reach through values that are close.

        That is where most lines that end within the picture have close values at their end.
        """
        ends, longer, found = 0, 0, _Reached(self.rows.shape[1], self.columns.shape[1])
        for name in ("rows", "columns"):
            (first, last), (near, far) = getattr(self, name), getattr(close, name)
            side = (self.columns if name == "rows" else self.rows).shape[1]
            starts, stops = (first > 0) & (first < side), (last < side - 1) & (last >= 0)
            ends += int(starts.sum() + stops.sum())
            longer += int((near > first)[starts].sum() + (far < last)[stops].sum())
            getattr(found, name)[0] = np.where(starts, np.minimum(near, first + _BLOCK), first)
            getattr(found, name)[1] = np.where(stops, np.maximum(far, last - _BLOCK), last)
        return found if 2 * longer > ends else self


def _found(read: Read, size: tuple[int, int], value: int, colour: str, block_rows: int) -> Border | None:
    height, width = size
    reached, close = _Reached(height, width), _Reached(height, width)
    step = max(1, _STRIP_VALUES // max(1, width * 3))
    step = block_rows * (step // block_rows) if step >= block_rows else step
    for top in range(0, height, step):
        values = read(top, 0, min(step, height - top), width)
        reached.add(top, (values != value).any(axis=2))
        if values.dtype == np.uint8:
            far = values < value - _CLOSE if value else values > _CLOSE
            close.add(top, np.any(far, axis=2))
    if (reached.rows[1] < 0).all():
        return None
    if values.dtype == np.uint8:
        reached = reached.blurred_by(close)
    border = Border(colour, 0.0, reached.rows, reached.columns)
    across = np.arange(width)
    count = sum(
        int(border.covers(np.arange(top, min(height, top + step)), across).sum()) for top in range(0, height, step)
    )
    return replace(border, share=count / (height * width))


def border_text(borders: Sequence[tuple[str, float]]) -> str:
    """What is to be said of the borders of some pictures, without the full stop.

    Args:
        borders: the colour and the share of each.
    """
    colours = " or ".join(sorted({colour for colour, _ in borders}))
    share = 100 * max(share for _, share in borders)
    if len(borders) == 1:
        return f"1 picture has a {colours} border that is not declared as no data, {share:.0f} % of its pixels"
    what = f"{len(borders):,} pictures have a {colours} border that is not declared as no data"
    return f"{what}, up to {share:.0f} % of their pixels"
