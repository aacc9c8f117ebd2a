"""Masks that know their place, several of them on one grid in strips, and how sure the model was of each pixel.

The grid is that of the first mask: its own pixels stay what they are, those of others are taken by their nearest. How
sure the model was stands in STEM_confidence.tif beside STEM.tif, where it was kept.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from core import geo
from core.classes import MOST_CLASSES, Colour
from core.errors import ConfigError, GeoError
from core.imagery.geodesy import metres_per_pixel
from core.imagery.limits import Info, Transform
from core.infer.outputs.geotiff import CONFIDENCE, gdal
from core.infer.tiling import NO_DATA

ROWS = 512
"""Of a strip."""


@dataclass(frozen=True)
class PlacedMask:
    """A mask on disk that knows its place, and its classes by index."""

    path: Path
    info: Info
    names: tuple[str, ...]
    colours: tuple[Colour, ...]

    @property
    def confidence(self) -> Path | None:
        """The file beside it that says how sure the model was, of the same grid; None where there is none."""
        beside = self.path.with_name(self.path.stem + CONFIDENCE)
        if not beside.is_file():
            return None
        unreadable = geo.calls(f"{beside.name} cannot be read as a GeoTIFF: delete it, or segment the picture again.")
        with unreadable, gdal(), rasterio.open(beside, driver="GTiff") as file:
            same = (file.width, file.height, tuple(file.transform)[:6]) == (
                self.info.width,
                self.info.height,
                self.info.transform,
            )
            return beside if same and file.count == 1 and file.dtypes[0] == "uint8" else None


def open_mask(path: Path) -> PlacedMask:
    """Read what a mask says of itself. Raises `GeoError` where it is none of ours, or does not say where it lies."""
    unreadable = geo.calls(f"{path.name} cannot be read as a GeoTIFF: give masks that predict --tif wrote.")
    with unreadable, gdal(), rasterio.open(path, driver="GTiff") as file:
        tags, size, place = file.tags(1), (file.width, file.height), file.transform
        crs = None if file.crs is None else file.crs.to_wkt()
        ours = file.count == 1 and file.dtypes[0] == "uint8" and "CLASS_0" in tags
        table = file.colormap(1) if ours else {}
    if not ours:
        raise GeoError(f"{path.name} is no mask with class names: give masks that predict --tif wrote.")
    count = next(index for index in range(MOST_CLASSES + 1) if f"CLASS_{index}" not in tags)
    names = tuple(tags[f"CLASS_{index}"] for index in range(count))
    colours = tuple(tuple(table[index][:3]) for index in range(count))
    if crs is None or place.is_identity:
        raise GeoError(f"{path.name} does not say where it lies, so it cannot be put beside others.")
    info = Info("TIFF", *size, crs=crs, transform=tuple(place)[:6])
    return PlacedMask(path, info, names, colours)


@geo.calls("The masks cannot be put on one map: their coordinate systems do not go together.")
def common_grid(placed: Sequence[PlacedMask], most: int) -> Info:
    """The grid of the first mask, wide enough for all of them."""
    first = placed[0].info
    assert first.transform is not None
    a, b, c, d, e, f = first.transform
    if b or d:
        side = math.sqrt(abs(a * e - b * d))
        a, b, d, e = side, 0.0, 0.0, -side
    boxes = [
        rasterio.warp.transform_bounds(mask.info.crs, first.crs, *_bounds(mask.info), densify_pts=21) for mask in placed
    ]
    corners = np.array([(x, y) for west, south, east, north in boxes for x, y in ((west, south), (east, north))])
    if not np.isfinite(corners).all():
        raise ConfigError("One of the masks lies on no place of the map of the first: leave it out.")
    # Counted in pixels of the first, whose own grid is kept; a thousandth of a pixel is rounding.
    columns, rows = (corners[:, 0] - c) / a, (corners[:, 1] - f) / e
    left, top = math.floor(columns.min() + 1e-3), math.floor(rows.min() + 1e-3)
    width, height = math.ceil(columns.max() - 1e-3) - left, math.ceil(rows.max() - 1e-3) - top
    place: Transform = (a, 0.0, c + left * a, 0.0, e, f + top * e)
    info = Info("TIFF", width, height, crs=first.crs, transform=place)
    check_size(info, most)
    return Info("TIFF", width, height, crs=first.crs, transform=place, metres_per_pixel=metres_per_pixel(info))


def check_size(info: Info, most: int) -> None:
    if info.pixels > most:
        raise ConfigError(
            f"Together they would have {info.width:,} × {info.height:,} pixels; at most {most / 1e6:,.0f} megapixels "
            "are made. Choose masks that lie closer to each other."
        )


def _bounds(info: Info) -> tuple[float, float, float, float]:
    assert info.transform is not None
    a, b, c, d, e, f = info.transform
    corners = [(0, 0), (info.width, 0), (0, info.height), (info.width, info.height)]
    xs, ys = [a * x + b * y + c for x, y in corners], [d * x + e * y + f for x, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def strips(placed: Sequence[PlacedMask], info: Info) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Rows of all masks on one grid, from top to bottom; of each pixel the first mask that holds data counts.

    Args:
        placed: The masks.
        info: The grid.

    Returns:
        The first row of each strip, its class indices (h, W), and how sure the model was of them, (h, W) from 0 to
        254 for 0 to 1; `NO_DATA` where there is no class, and where nobody knows.
    """
    with geo.calls("The masks cannot be put on one map."), ExitStack() as stack:
        opened = [
            (_warped(mask.path, info, stack), None if beside is None else _warped(beside, info, stack))
            for mask in placed
            for beside in [mask.confidence]
        ]
        for y in range(0, info.height, ROWS):
            window = Window(0, y, info.width, min(ROWS, info.height - y))
            found, sure = (np.full((window.height, info.width), NO_DATA, np.uint8) for _ in range(2))
            for file, beside in opened:
                rows = file.read(1, window=window)
                new = (found == NO_DATA) & (rows != NO_DATA)
                np.copyto(found, rows, where=new)
                if beside is not None and new.any():
                    np.copyto(sure, beside.read(1, window=window), where=new)
            yield y, found, sure


def _warped(path: Path, info: Info, stack: ExitStack) -> WarpedVRT:
    assert info.transform is not None
    source = stack.enter_context(rasterio.open(path, driver="GTiff"))
    grid = {"crs": info.crs, "transform": Affine(*info.transform), "width": info.width, "height": info.height}
    same = {"resampling": Resampling.nearest, "src_nodata": NO_DATA, "nodata": NO_DATA}
    return stack.enter_context(WarpedVRT(source, **grid, **same))
