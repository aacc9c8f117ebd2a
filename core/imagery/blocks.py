"""Which parts of a large TIFF are read before all of it is: a grid of windows, or its strips and tiles.

Of these: where they lie, which were never written, and which are the same byte for byte.
"""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

SIDE, GRID, SMALL = 128, 8, 4_000_000
"""Side of a window in pixels, windows along a side of the picture, and pixels up to which a picture is read whole."""
_MOST_BLOCKS = 300_000
_MOST_COMPARED = 1024**2
_CELL_PIXELS = 2_000_000


def is_small(file: DatasetReader) -> bool:
    return bool(file.width * file.height <= SMALL)


def grid_windows(file: DatasetReader) -> list[Window]:
    """Small pictures whole, of large ones a grid of small windows."""
    if is_small(file):
        return [Window(0, 0, file.width, file.height)]
    tall, wide = min(SIDE, file.height), min(SIDE, file.width)
    rows = {round(at * (file.height - tall) / (GRID - 1)) for at in range(GRID)}
    columns = {round(at * (file.width - wide) / (GRID - 1)) for at in range(GRID)}
    return [Window(x, y, wide, tall) for y in sorted(rows) for x in sorted(columns)]


@dataclass(frozen=True)
class Cell:
    """Neighbouring blocks that are read together: their rows and columns in the file, and the pixels they cover."""

    rows: slice
    columns: slice
    window: Window

    @property
    def pixels(self) -> int:
        return int(self.window.width * self.window.height)


class Blocks:
    """The blocks of the given bands; `file` is the picture's own bytes, from which compressed blocks are compared."""

    def __init__(self, dataset: DatasetReader, bands: list[int], file: BinaryIO) -> None:
        self._dataset, self._file = dataset, file
        separate = dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "BAND"
        self._bands = bands if separate else bands[:1]
        self._tall, self._wide = dataset.block_shapes[bands[0] - 1]
        self._down, self._across = -(-dataset.height // self._tall), -(-dataset.width // self._wide)
        self._places: NDArray[np.int64] | None = None
        # To ask for each of millions of tiny tiles would take longer than to read many of them.
        if self._down * self._across * len(self._bands) <= _MOST_BLOCKS:
            self._places = self._ask()

    def cells(self) -> list[Cell]:
        """The picture in cells of about `SIDE` pixels a side or one block, without those that were never written."""
        rows = max(1, min(SIDE // self._tall, _CELL_PIXELS // (self._tall * self._wide)))
        columns = max(1, SIDE // self._wide)
        found = []
        for top in range(0, self._down, rows):
            for left in range(0, self._across, columns):
                cell = self._cell(slice(top, top + rows), slice(left, left + columns))
                if self._places is None or self._places[1, :, cell.rows, cell.columns].any():
                    found.append(cell)
        return found

    def contents(self, cell: Cell) -> set[bytes] | None:
        """What is stored for each written block of a cell; None where that is too much to compare."""
        if self._places is None:
            return None
        places = self._places[:, :, cell.rows, cell.columns]
        if places[1].max() > _MOST_COMPARED:
            return None
        offsets, sizes = places.reshape(2, len(self._bands), -1)
        stored = (
            tuple(self._bytes(int(offset), int(size)) for offset, size in zip(*block, strict=True))
            for block in zip(offsets.T, sizes.T, strict=True)
        )
        return {b"|".join(parts) for parts in stored if any(parts)}

    def _bytes(self, offset: int, size: int) -> bytes:
        if not size:
            return b""
        self._file.seek(offset)
        return self._file.read(size)

    def _cell(self, rows: slice, columns: slice) -> Cell:
        x, y = columns.start * self._wide, rows.start * self._tall
        right = min(columns.stop * self._wide, self._dataset.width)
        bottom = min(rows.stop * self._tall, self._dataset.height)
        return Cell(rows, columns, Window(x, y, right - x, bottom - y))

    def _ask(self) -> NDArray[np.int64]:
        """Offsets and sizes in bytes (2, bands, rows, columns) of all blocks; 0 where nothing was written."""
        places = np.zeros((2, len(self._bands), self._down, self._across), np.int64)
        for at, band in enumerate(self._bands):
            for y in range(self._down):
                for x in range(self._across):
                    offset = self._dataset.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", band)
                    size = self._dataset.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", band)
                    if offset and size:
                        places[:, at, y, x] = int(offset), int(size)
        return places
