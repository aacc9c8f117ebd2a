"""How much of each class: pixels, square metres and hectares on the ground, share of what holds data."""

import csv
import io
from dataclasses import dataclass

import numpy as np
import rasterio.warp
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from core.imagery.ground import parallelogram
from core.imagery.limits import Info
from core.infer.rows import NO_DATA
from core.spreadsheet import cell

_SAMPLES = 3
COLUMNS = ("class", "pixels", "square_metres", "hectares", "share")


@dataclass(frozen=True)
class Area:
    """One class. `square_metres` is None where the picture does not know where it lies; `share` is from 0 to 1."""

    name: str
    pixels: int
    square_metres: float | None
    share: float

    @property
    def hectares(self) -> float | None:
        return None if self.square_metres is None else self.square_metres / 10_000


class AreaCounter:
    """Adds up masks strip by strip. A pixel is measured on the ellipsoid where it lies: on a Mercator map at 60° north
    it covers a quarter of what the map says."""

    def __init__(self, info: Info, names: tuple[str, ...]) -> None:
        self._info, self._names = info, names
        self._pixels = np.zeros(256, np.int64)
        self._metres = np.zeros(256) if info.crs is not None and info.transform is not None else None

    def add(self, y: int, mask: NDArray[np.uint8]) -> None:
        """Rows (h, W) from `y` on. The size of a pixel is taken in their middle."""
        counts = np.bincount(mask.ravel(), minlength=256)
        self._pixels += counts
        if self._metres is not None:
            size = pixel_square_metres(self._info, y + mask.shape[0] / 2)
            self._metres = None if size is None else self._metres + counts * size

    def areas(self) -> list[Area]:
        """Every class in order, with those that do not occur."""
        total = max(int(self._pixels.sum() - self._pixels[NO_DATA]), 1)
        return [
            Area(
                name,
                int(self._pixels[index]),
                None if self._metres is None else float(self._metres[index]),
                float(self._pixels[index] / total),
            )
            for index, name in enumerate(self._names)
        ]


def pixel_square_metres(info: Info, row: float) -> float | None:
    """The mean area of a pixel in a row, in square metres; None where the map cannot be turned into degrees."""
    if info.transform is None or info.crs is None:
        return None
    a, b, c, d, e, f = info.transform
    columns = [info.width * (at + 0.5) / _SAMPLES for at in range(_SAMPLES)]
    corners = [(c + a * x + b * row, f + d * x + e * row) for x in columns]
    xs = [value for x, _ in corners for value in (x, x + a, x + b)]
    ys = [value for _, y in corners for value in (y, y + d, y + e)]
    try:
        longitudes, latitudes = rasterio.warp.transform(info.crs, "EPSG:4326", xs, ys)
    except RasterioError:
        return None
    if not np.isfinite([*longitudes, *latitudes]).all():
        return None
    sizes = [parallelogram(longitudes[at : at + 3], latitudes[at : at + 3]) for at in range(0, len(longitudes), 3)]
    return float(np.mean(sizes))


def to_csv(areas: list[Area]) -> str:
    """A line a class; square metres and hectares stay empty where they are not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for area in areas:
        metres = "" if area.square_metres is None else f"{area.square_metres:.2f}"
        hectares = "" if area.hectares is None else f"{area.hectares:.6f}"
        writer.writerow([cell(area.name), area.pixels, metres, hectares, f"{area.share:.6f}"])
    return text.getvalue()
