"""Masks of class indices, written from the codes of a source: a PNG, or a tiled TIFF for a picture of many pixels."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from core import geo
from core.data.readers.source import Labels
from core.image import encode_png
from core.imagery.tiff_picture import settings

UNLABELLED = 255
WHOLE_PIXELS = 25_000_000
"""A larger mask is a tiled TIFF, from which windows are read without decoding the rest."""
PACKED = 16
"""Pixels of a mask that a byte of its file holds, about."""
_ROWS = 512


def write_mask(stem: Path, labels: Labels, size: tuple[int, int], table: Mapping[int, int]) -> Path:
    """Write the mask of a picture, and give its path.

    Args:
        stem: where to, without an ending.
        labels: its codes.
        size: height and width of the picture; labels of another size are resampled (nearest).
        table: the class index of each code, 255 where nobody labelled. A code that is not in it counts as that.
    """
    height, width = size
    rows = class_rows(labels, size, table)
    if height * width <= WHOLE_PIXELS:
        path = stem.with_name(f"{stem.name}.png")
        path.write_bytes(encode_png(np.ascontiguousarray(rows(0, height))))
        return path
    path = stem.with_name(f"{stem.name}.tif")
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": width, "height": height, "nodata": UNLABELLED}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "bigtiff": "if_safer"}
    with (
        geo.calls(f"The mask {path.name} could not be written: check the disk.", target=path),
        settings(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile, **tiles) as file:
            for top in range(0, height, _ROWS):
                part = rows(top, min(height, top + _ROWS))
                file.write(part, 1, window=Window(0, top, width, len(part)))
    return path


def class_rows(
    labels: Labels, size: tuple[int, int], table: Mapping[int, int]
) -> Callable[[int, int], NDArray[np.uint8]]:
    """What gives the class indices of some rows of a picture, for the caller to change.

    Args:
        labels: as in `write_mask`.
        size: as there: H and W.
        table: as there.

    Returns:
        A function of the first row and the one behind the last, which gives uint8 (H, W) of these rows.
    """
    height, width = size
    known = np.array(sorted(table), np.int64)
    values = np.array([table[code] for code in known.tolist()], np.uint8)
    columns = np.minimum(((np.arange(width) + 0.5) * labels.width / width).astype(np.int64), labels.width - 1)

    def rows(top: int, bottom: int) -> NDArray[np.uint8]:
        if (labels.height, labels.width) == size:
            return _indices(labels.rows(top, bottom), known, values)
        wanted = ((np.arange(top, bottom) + 0.5) * labels.height / height).astype(np.int64)
        wanted = np.minimum(wanted, labels.height - 1)
        codes = labels.rows(int(wanted[0]), int(wanted[-1]) + 1)
        return _indices(codes[wanted - wanted[0]][:, columns], known, values)

    return rows


def _indices(codes: NDArray[np.int32], known: NDArray[np.int64], values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class indices of codes."""
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    found: NDArray[np.uint8] = np.where(known[at] == codes, values[at], np.uint8(UNLABELLED))
    return found
