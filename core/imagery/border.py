"""A border of a picture that holds one value in every band and is not declared as no data: the wedges of a turned one.

It is what a straight line along a row or a column reaches from an edge without meeting another value. So four arrays of
a side describe it, whatever the size of the picture, and it is found in one pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 0.01
"""Of the pixels; a smaller border is none."""
_CORNER = 4
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


def _found(read: Read, size: tuple[int, int], value: int, colour: str, block_rows: int) -> Border | None:
    height, width = size
    rows, columns = np.empty((2, height), np.int64), np.empty((2, width), np.int64)
    rows[0], rows[1], columns[0], columns[1] = width, -1, height, -1
    step = max(1, _STRIP_VALUES // max(1, width * 3))
    step = block_rows * (step // block_rows) if step >= block_rows else step
    for top in range(0, height, step):
        bottom = min(height, top + step)
        known = (read(top, 0, bottom - top, width) != value).any(axis=2)
        some, each = known.any(axis=1), known.any(axis=0)
        rows[0, top:bottom] = np.where(some, known.argmax(axis=1), width)
        rows[1, top:bottom] = np.where(some, width - 1 - known[:, ::-1].argmax(axis=1), -1)
        columns[0] = np.minimum(columns[0], np.where(each, top + known.argmax(axis=0), height))
        columns[1] = np.maximum(columns[1], np.where(each, bottom - 1 - known[::-1].argmax(axis=0), -1))
    if (rows[1] < 0).all():
        return None
    border = Border(colour, 0.0, rows, columns)
    across = np.arange(width)
    count = sum(
        int(border.covers(np.arange(top, min(height, top + step)), across).sum()) for top in range(0, height, step)
    )
    return Border(colour, count / (height * width), rows, columns)


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
