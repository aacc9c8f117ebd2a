"""A sample of the pixels that hold data, for a stretch: of all parts alike, and in empty pictures where the data is.

A grid of windows is enough for a picture that is mostly filled. Elsewhere the blocks of the file are searched: those
that were never written, and those that are byte for byte what an empty one is, cost nothing; where the file has
overviews, the blocks that hold data in these come alone. Blocks are taken in an order that covers the picture evenly
from the start, until `ENOUGH` pixels are seen or `MOST_BYTES` are decoded. The same file always gives the same sample.
"""

from dataclasses import dataclass
from math import isqrt
from typing import BinaryIO

import numpy as np
from rasterio.windows import Window

from core.imagery.blocks import GRID, SIDE, SMALL, Blocks, Cell, grid_windows, is_small
from core.imagery.pixels import Numbers, Pixels, Valid

ENOUGH = (SIDE * GRID) ** 2
MOST_BYTES = 1_200_000_000
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Samples:
    """Values (C, N) of N pixels with data. `searched` is the share of the picture that is known, 0 to 1."""

    values: Numbers
    searched: float


def take_sample(pixels: Pixels, file: BinaryIO) -> Samples:
    """See above; `file` is the picture's own bytes."""
    seen, parts = 0, []
    for window in grid_windows(pixels.file):
        values, valid = pixels.read(window)
        seen += valid.size
        parts.append(values[:, _filled(pixels, values, valid)])
    found = np.concatenate(parts, axis=1)
    if is_small(pixels.file):
        return Samples(found, 1.0)
    if 2 * found.shape[1] >= seen:
        return Samples(found, seen / (pixels.file.width * pixels.file.height))
    return _Search(pixels, Blocks(pixels.file, pixels.numbers, file)).run()


def _filled(pixels: Pixels, values: Numbers, valid: Valid) -> Valid:
    """Pixels that hold data; where the file does not say which do, those that are 0 in every band hold none either.

    These are shown as they are: only the stretch leaves them out, since mosaics are filled up with 0.
    """
    return valid if pixels.declared else valid & (values != 0).any(axis=0)


class _Search:
    """Cells of a picture, read until enough is seen."""

    def __init__(self, pixels: Pixels, blocks: Blocks) -> None:
        self._pixels, self._blocks = pixels, blocks
        self._empty: set[bytes] = set()
        self._parts: list[Numbers] = []
        self._with_data: list[Cell] = []
        # Pixels with data that were seen, and about how many stand for them in the file.
        self._seen = self._about = self._worked = 0

    def run(self) -> Samples:
        cells = self._blocks.cells()
        likely = _in_overview(self._pixels, cells)
        known = self._read(likely or cells)
        if likely and not self._seen:
            known = self._read(cells)
        if known == 1.0 and self._about <= SMALL:
            # All the data there is fits: then it is read as if it stood alone.
            self._parts = [self._values(cell, 1) for cell in self._with_data]
        if not self._parts:
            return Samples(np.zeros((len(self._pixels.bands.numbers), 0), self._pixels.dtype), known)
        return Samples(np.concatenate(self._parts, axis=1), known)

    def _read(self, cells: list[Cell]) -> float:
        """Read cells until it is enough; the share of them that is known then."""
        for done, cell in enumerate(_spread(cells)):
            if self._seen >= ENOUGH or self._worked > MOST_BYTES:
                return done / len(cells)
            contents = self._blocks.contents(cell)
            # To compare bytes takes a quarter of the time that decoding them takes.
            self._worked += sum(map(len, contents or ())) // 4
            if contents is not None and contents <= self._empty:
                continue
            step = max(1, isqrt(cell.pixels // SIDE**2))
            found = self._values(cell, step)
            if found.shape[1]:
                self._parts.append(found)
                self._with_data.append(cell)
                self._seen += found.shape[1]
                self._about += found.shape[1] * step**2
            elif contents is not None and not self._pixels.masked:
                self._empty |= contents
        return 1.0

    def _values(self, cell: Cell, step: int) -> Numbers:
        """Values (C, N) of the pixels of a cell that hold data: all of them, or one in `step` rows and columns.

        One pixel at least, where there is any.
        """
        values, valid = self._pixels.read(cell.window)
        self._worked += values.nbytes
        valid = _filled(self._pixels, values, valid)
        thinned: Numbers = values[:, ::step, ::step][:, valid[::step, ::step]]
        return thinned if thinned.size else values[:, valid][:, :1]


def _spread(cells: list[Cell]) -> list[Cell]:
    """In an order of which every beginning covers the whole picture: steps of the golden section."""
    order = np.argsort(np.arange(len(cells)) * _GOLDEN % 1, kind="stable")
    return [cells[at] for at in order]


def _in_overview(pixels: Pixels, cells: list[Cell]) -> list[Cell]:
    """The cells that hold data, or touch some, in the largest overview of up to 4 megapixels; none without such."""
    width, height = pixels.file.width, pixels.file.height
    for factor in sorted(pixels.file.overviews(pixels.bands.numbers[0])):
        tall, wide = -(-height // factor), -(-width // factor)
        if tall * wide > SMALL:
            continue
        values, valid = pixels.read(Window(0, 0, width, height), (tall, wide))
        filled = _filled(pixels, values, valid)
        return [cell for cell in cells if filled[_around(cell.window, factor)].any()]
    return []


def _around(window: Window, factor: int) -> tuple[slice, slice]:
    """The pixels of an overview that a window covers, and one more on each side."""
    top, left = int(window.row_off) // factor, int(window.col_off) // factor
    bottom, right = (int(window.row_off + window.height), int(window.col_off + window.width))
    return slice(max(0, top - 1), bottom // factor + 2), slice(max(0, left - 1), right // factor + 2)
