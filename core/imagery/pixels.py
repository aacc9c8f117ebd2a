"""The chosen bands of an open TIFF as numbers, and which of its pixels hold data.

A pixel holds no data where a mask inside the file or full transparency says so, where a band is no number (NaN,
infinite, beyond 1e30), and where the bands hold their no-data value. 0 and the largest value of a whole-number type
are colours as well: they count only where all bands hold them, and only where neither mask nor transparency is there
to tell. In label masks they count wherever the file names them. Any other no-data value counts in any band.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from core.imagery.bands import Bands
from core.imagery.colours import unmultiply

UNTOLD = -9999
"""What writers put where nothing was measured, often without saying so in the file."""
LARGEST = 1e30
"""No value of a picture or a mask is as large; no-data values of floats are (-3.4e38, 1e31, 1.7e308)."""
Numbers = NDArray[Any]
Valid = NDArray[np.bool_]
Shape = tuple[int, int] | None


class Pixels:
    """Windows of the chosen bands. `alpha_full` is the alpha of an opaque pixel.

    `labels`: the numbers are classes, no colours. `masked`: the file brings a mask of its own. `declared`: it says
    somehow where it holds no data.
    """

    def __init__(self, file: DatasetReader, bands: Bands, *, alpha_full: float = 1.0, labels: bool = False) -> None:
        self.file, self.bands, self._alpha_full, self._labels = file, bands, alpha_full, labels
        self.dtype = np.dtype(file.dtypes[bands.numbers[0] - 1])
        self.masked = _has_mask(file, bands.numbers[0])
        self._any_band, self._all_bands, self.declared = self._no_data()

    @property
    def numbers(self) -> list[int]:
        """The bands that are read, alpha last."""
        return [*self.bands.numbers, *([self.bands.alpha] if self.bands.alpha else [])]

    @property
    def may_lack_data(self) -> bool:
        told = self.masked or self.bands.alpha is not None or self._any_band is not None
        return told or bool(self._all_bands) or self.dtype.kind in "fc"

    def read(self, window: Window, shape: Shape = None) -> tuple[Numbers, Valid]:
        """A window of the bands. Nothing is decoded but the mask where the mask says that there is nothing.

        Args:
            window: In pixels of the file.
            shape: (h, w) that it is shrunk to. None: its own.

        Returns:
            Values (C, h, w) in the type of the file, and which pixels hold data, boolean (h, w). Colours that were
            multiplied by their alpha are given as they were before.
        """
        tall, wide = shape or (int(window.height), int(window.width))
        valid = np.ones((tall, wide), np.bool_)
        if self.masked:
            valid = self.file.read_masks(self.bands.numbers[0], window=window, out_shape=(tall, wide)) > 0
            if not valid.any():
                return np.zeros((len(self.bands.numbers), tall, wide), self.dtype), valid
        found = self.file.read(self.numbers, window=window, out_shape=(len(self.numbers), tall, wide))
        values = found[: len(self.bands.numbers)]
        if self.bands.alpha:
            alpha = found[-1]
            valid &= alpha > 0
            if self.bands.premultiplied:
                values = unmultiply(values, alpha, self._alpha_full)
        self._strike_out(values, valid)
        return values, valid

    def _strike_out(self, values: Numbers, valid: Valid) -> None:
        """Take from `valid` what its values say is no data."""
        if self.dtype.kind == "f":
            for band in values:
                valid &= np.abs(band) < LARGEST
        if self._any_band is not None:
            for band in values:
                valid &= band != self.dtype.type(self._any_band)
        for told in self._all_bands:
            lacking = np.ones_like(valid)
            for band, value in zip(values, told, strict=True):
                lacking &= band == self.dtype.type(value)
            valid &= ~lacking

    def _no_data(self) -> tuple[float | None, list[tuple[float, ...]], bool]:
        """A value that counts in any band, values that count together, and whether the file names any."""
        numbers = self.bands.numbers
        any_band, together = None, []
        value = self.file.nodatavals[numbers[0] - 1]
        listed = _listed(self.file)
        if listed is not None:
            together.append(tuple(listed[number - 1] for number in numbers))
        if value is not None and fits(value, self.dtype):
            if value != 0 and not (self.dtype.kind in "iu" and value == np.iinfo(self.dtype).max):
                any_band = value
            elif self._labels or (not self.masked and self.bands.alpha is None):
                together.append((value,) * len(numbers))
        declared = value is not None or listed is not None
        if not declared and fits(UNTOLD, self.dtype):
            together.append((float(UNTOLD),) * len(numbers))
        together = [told for told in together if all(fits(each, self.dtype) for each in told)]
        return any_band, together, declared or self.masked or self.bands.alpha is not None


def fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether a type can hold a value: no -9999 or 256 in 8 bits, no fraction and no NaN among whole numbers.

    What is beyond `LARGEST` is struck out without being compared.
    """
    if dtype.kind == "f":
        return bool(np.abs(value) < LARGEST)
    if dtype.kind not in "iu" or not np.isfinite(value):
        return False
    limits: Any = np.iinfo(dtype)
    return bool(float(value).is_integer() and limits.min <= value <= limits.max)


def _has_mask(file: DatasetReader, band: int) -> bool:
    """Whether the file brings a mask of its own, which is neither its no-data value nor its alpha."""
    return bool(file.mask_flag_enums[band - 1] == [MaskFlags.per_dataset])


def _listed(file: DatasetReader) -> list[float] | None:
    """GDAL's NODATA_VALUES, one a band, which count together; None where there are none that can be read."""
    try:
        values = [float(text) for text in file.tags().get("NODATA_VALUES", "").split()]
    except ValueError:
        return None
    return values if len(values) == file.count else None
