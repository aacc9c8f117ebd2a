"""A picture from outside as the bands that a model takes, window by window, and as the colours in which it is seen.

The numbers are those of `core.imagery.band_files`: nothing is stretched, and what holds no data is 0. What is seen are
the bands that the model's card shows, stretched over the whole picture as every deep picture is.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.band_set import BandSet
from core.errors import ImageError
from core.imagery.band_files import BandFile, read_bands
from core.imagery.decode import open_here
from core.imagery.limits import Limits
from core.imagery.sniff import FIRST_BYTES, picture_kind

Window = tuple[NDArray[Any], NDArray[np.bool_] | None]


class BandPicture:
    """An open file. Raises `ImageError` whose message is the end of a sentence.

    Args:
        source: A TIFF, or, for one band or three, a PNG or JPEG.
        bands: Those that a model takes.
        limits: On bytes, pixels, bands and pages.
    """

    def __init__(self, source: Path, bands: BandSet, *, limits: Limits) -> None:
        with source.open("rb") as file:
            is_tiff = picture_kind(file.read(FIRST_BYTES)) == "TIFF"
        self._file = BandFile(source, bands, limits=limits, whose="the model") if is_tiff else None
        shown = None if self._file is None else tuple(self._file.numbers[place] for place in bands.colours)
        self._seen = open_here(source, limits=limits, bands=shown)
        self._whole: NDArray[Any] | None = None
        if self._file is None or self._file.orientation > 1:
            # The picture that is seen was refused where it is too large to be decoded in one piece.
            self._whole = read_bands(source, bands, limits=limits, whose="the model")
        self.info = replace(self._seen.info, notes=(*self._seen.info.notes, _note(bands)))

    def read(self, y: int, x: int, height: int, width: int) -> Window:
        """A window of the numbers.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            (H, W, C) in the type of the bands, 0 where there is no data, and which pixels hold some, boolean (H, W) or
            None for all.

        Raises:
            ImageError: The file is damaged there.
        """
        if self._whole is not None:
            return self._whole[y : y + height, x : x + width], self._seen.read(y, x, height, width)[1]
        assert self._file is not None
        return self._file.read_known(y, x, height, width)

    def read_seen(self, y: int, x: int, height: int, width: int) -> Window:
        """The same window in colours, uint8 (H, W, 3), and which pixels hold data."""
        return self._seen.read(y, x, height, width)

    def close(self) -> None:
        self._seen.close()
        if self._file is not None:
            self._file.close()


def open_picture(
    source: Path, *, limits: Limits, numbers: tuple[int, ...] | None = None, bands: BandSet | None = None
) -> Any:
    """A picture in colours (`open_here`), or, with `bands`, as those that a model takes.

    Raises:
        ImageError: It is refused. The message is the end of a sentence that starts with the name of the file.
    """
    if bands is None or bands.is_colours:
        return open_here(source, limits=limits, bands=numbers)
    if numbers:
        raise ImageError(
            f"is read with the bands {bands} of the model, so numbers of red, green and blue are of no use: leave them "
            "away."
        )
    return BandPicture(source, bands, limits=limits)


def _note(bands: BandSet) -> str:
    shown = ", ".join(bands.names[place] for place in bands.colours)
    return f"The model sees the bands {bands}; a person sees {shown}."
