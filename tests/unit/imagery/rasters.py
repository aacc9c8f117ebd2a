"""TIFF files in memory with every tag that says that there is no data, and scenes to put into them."""

import io
import warnings
from typing import Any

import numpy as np
import rasterio
import tifffile
from numpy.typing import NDArray
from rasterio.io import MemoryFile

DTYPES = ("uint8", "uint16", "int16", "float32")
FULL = {"uint8": 255, "uint16": 65535, "int16": 32767, "float32": 1.0, "int32": 2**31 - 1, "uint32": 2**32 - 1}


def by_gdal(bands: NDArray[Any], *, mask: NDArray[Any] | None = None, names: Any = None, **options: Any) -> bytes:
    """A GeoTIFF of bands (C, H, W) by GDAL; `mask` (H, W) lies inside it, `names` describe the bands."""
    overviews, tags = options.pop("overviews", ()), options.pop("tags", {})
    meanings = options.pop("meanings", None)
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        warnings.simplefilter("ignore")
        with memory.open(driver="GTiff", **{**shape, **options}) as file:
            if names:
                file.descriptions = names
            if meanings:
                file.colorinterp = meanings
            if tags:
                file.update_tags(**tags)
            file.write(bands)
            if mask is not None:
                file.write_mask(mask)
            if overviews:
                file.build_overviews(overviews)
        return bytes(memory.read())


def by_tifffile(values: NDArray[Any], *, nodata: str | None = None, **options: Any) -> bytes:
    """A TIFF by tifffile, which shares no code with GDAL; `nodata` is the text of GDAL's tag."""
    buffer = io.BytesIO()
    if nodata is not None:
        options["extratags"] = [(42113, "s", 0, nodata, True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def colours(height: int = 60, width: int = 80, seed: int = 0) -> NDArray[np.float64]:
    """Smooth colours (H, W, 3) from 0.1 to 0.9."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / rng.uniform(5, 15) + k) * np.cos(x / rng.uniform(5, 15) + k) for k in range(3)]
    found: NDArray[np.float64] = 0.5 + 0.4 * np.stack(waves, axis=2)
    return found


def stored(scene: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """Colours 0 to 1 as numbers of a type, from 0 to the largest (1 for floats)."""
    scaled = scene * FULL[dtype]
    return (scaled if dtype.startswith("float") else np.round(scaled)).astype(dtype)
