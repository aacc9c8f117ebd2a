"""Masks that are stored as TIFF: the values themselves instead of colours to look at."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from core.errors import ImageError
from core.imagery.decode import check_layout
from core.imagery.geotiff import colour_table, settings
from core.imagery.limits import Limits
from core.imagery.tiffs import read_layout


def read_tiff_mask(source: Path | bytes, limits: Limits) -> tuple[NDArray[np.generic] | None, NDArray[np.uint8] | None]:
    """Values (H, W) of a TIFF with one band, and its colour table (N, 3) if it has one; values are None for colours.

    Raises `ImageError` whose message is the end of a sentence.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        with settings(), warnings.catch_warnings(), MemoryFile(data) as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            check_layout(read_layout(memory, most_pages=limits.pages), limits, len(data))
            with memory.open(driver="GTiff") as file:
                plain = [at for at, meaning in enumerate(file.colorinterp, start=1) if meaning != ColorInterp.alpha]
                if len(plain) == 1:
                    return file.read(plain[0], masked=True).filled(0), colour_table(file, plain[0])
                if file.dtypes[0] != "uint8":
                    raise ImageError("is deeper than 8 bits: save a colour mask as an 8-bit PNG.")
    except (RasterioError, ValueError, OSError) as error:
        raise ImageError("cannot be read: the TIFF is damaged or of a kind that is not known.") from error
    return None, None
