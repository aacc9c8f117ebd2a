"""TIFF that Pillow cannot read: many bands, floats, 16-bit colour. GDAL's GeoTIFF driver alone, from memory alone."""

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile

from core.errors import ImageError

_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def read_tiff(data: bytes, name: str, *, max_pixels: int) -> NDArray[np.uint8]:
    """A TIFF as uint8 (H, W, 3): its red, green and blue bands, else the first three, else the first as grey.

    Raises `ImageError` when it cannot be read or has more than `max_pixels`, which is looked at before decoding.
    """
    try:
        # From memory there are no neighbours on disk (.ovr, .aux.xml) that a crafted file could pull in.
        with MemoryFile(data) as memory, memory.open(driver="GTiff") as picture:
            if picture.width * picture.height > max_pixels:
                raise ImageError(
                    f"{name} has more than {max_pixels // 10**6} million pixels: cut it into smaller pictures."
                )
            values = np.moveaxis(picture.read(_bands(picture)), 0, 2)
    except (RasterioError, ValueError, MemoryError) as error:
        raise ImageError(f"{name} cannot be read: the TIFF is damaged or of a kind that is not known.") from error
    grey_or_colour = to_bytes(values)
    return np.repeat(grey_or_colour, 3, axis=2) if grey_or_colour.shape[2] == 1 else grey_or_colour


def to_bytes(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Any real numbers as uint8, one scale for all of them; negative and missing (NaN) values become 0.

    Values up to 255 stay as they are, but floats up to 1 are taken for fractions. Above that the scale is the smallest depth
    (9 to 16 bits; sensors give 10 to 14) that holds the largest value, so that one bright pixel changes little.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8)
    if np.issubdtype(values.dtype, np.complexfloating):
        raise ImageError("A picture of complex numbers cannot be shown: export it with real values.")
    real = np.clip(np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0), 0, None)
    largest = float(real.max(initial=0))
    if np.issubdtype(values.dtype, np.floating) and largest <= 1:
        top = 1.0
    elif largest <= 255:
        top = 255.0
    else:
        top = 2.0 ** np.ceil(np.log2(largest + 1)) - 1
    return np.round(real * (255 / top)).astype(np.uint8)


def _bands(picture: DatasetReader) -> list[int]:
    meanings = list(picture.colorinterp)
    if all(colour in meanings for colour in _RGB):
        return [meanings.index(colour) + 1 for colour in _RGB]
    return [1, 2, 3] if picture.count >= 3 else [1]
