"""How much ground a pixel of a GeoTIFF covers, for scale bars."""

import math
import warnings

from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile

_METRES_PER_DEGREE = 111_320.0
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def metres_per_pixel(data: bytes) -> float | None:
    """Along the picture's rows, from the bytes of its file; None for what is no GeoTIFF or has no known unit."""
    if not data.startswith(_TIFF):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with MemoryFile(data) as memory, memory.open(driver="GTiff") as opened:
                return _of(opened)
    except RasterioError:
        return None


def _of(opened: DatasetReader) -> float | None:
    if opened.crs is None:
        return None
    across = math.hypot(opened.transform.a, opened.transform.d)
    if opened.crs.is_geographic:
        middle = (opened.bounds.top + opened.bounds.bottom) / 2
        return across * _METRES_PER_DEGREE * math.cos(math.radians(middle)) or None
    try:
        return float(across * opened.crs.linear_units_factor[1]) or None
    except RasterioError:
        return None
