"""A label mask in a TIFF too large to be read whole, read row by row or as a sample of small windows."""

import warnings
from pathlib import Path

import numpy as np
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from core import geo
from core.errors import ImageError
from core.imagery.bands import choose_bands, judge_alpha
from core.imagery.blocks import grid_windows
from core.imagery.labels import StoredMask, to_stored
from core.imagery.limits import Limits
from core.imagery.pixels import Pixels
from core.imagery.tiff_picture import DAMAGED, colour_table, open_tiff, settings, turned
from core.imagery.tiffs import check_layout, read_layout


class MaskFile:
    """An open TIFF of labels, as `core.image.read_mask` reads smaller ones.

    Args:
        path: the file.
        most: the largest number that is read.

    Raises:
        ImageError: it is refused, here or by each method; the message is the end of a sentence.
    """

    def __init__(self, path: Path, *, most: int) -> None:
        with path.open("rb") as stored:
            layout = read_layout(stored, most_pages=Limits().pages)
            check_layout(layout, Limits().huge(), stored.seek(0, 2))
        with geo.calls(DAMAGED, ImageError), settings(), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            self._file = open_tiff(path)
            bands, alpha_full = judge_alpha(self._file, choose_bands(self._file, layout, None))
            self._numbers = len(bands.numbers) == 1
            if not self._numbers and self._file.dtypes[0] != "uint8":
                raise ImageError("is deeper than 8 bits: save a colour mask with 8 bits a colour.")
            if turned(self._file, layout) > 1:
                raise ImageError("is stored lying on its side and is too large to be turned: save it upright.")
            self._pixels = Pixels(self._file, bands, alpha_full=alpha_full, labels=self._numbers)
            self._palette = colour_table(self._file, bands.numbers[0], layout) if self._numbers else None
        self._most = most
        self.height, self.width = int(self._file.height), int(self._file.width)

    def rows(self, top: int, bottom: int) -> StoredMask:
        """The rows from `top` to the one before `bottom`, in all their width."""
        return self._read([Window(0, top, self.width, bottom - top)])

    def sample(self) -> StoredMask:
        """A grid of small windows, one below the other."""
        return self._read(grid_windows(self._file))

    def _read(self, windows: list[Window]) -> StoredMask:
        with geo.calls(DAMAGED, ImageError), settings():
            parts = [self._pixels.read(window) for window in windows]
        values = np.concatenate([values for values, _ in parts], axis=1)
        valid = np.concatenate([valid for _, valid in parts], axis=0)
        if self._numbers:
            return to_stored(values[0], valid, self._palette, most=self._most)
        rgb = np.ascontiguousarray(np.moveaxis(values, 0, 2))
        rgb[~valid] = 0
        return StoredMask(rgb, labelled=None if valid.all() else valid)
