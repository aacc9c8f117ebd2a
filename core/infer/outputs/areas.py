"""How much of each class: pixels, square metres and hectares on the ground, share of what holds data."""

import csv
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import GeoError
from core.imagery.geodesy import PixelAreas
from core.imagery.limits import Info
from core.infer.tiling import NO_DATA
from core.spreadsheet import cell

COLUMNS = ("class", "pixels", "square_metres", "hectares", "share")
GIVEN_COLUMN = "metres_per_pixel_given_by_you"


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
    """Adds up masks strip by strip. Every pixel is measured on the ellipsoid where it lies (`core.imagery.geodesy`).

    `why_not` is a sentence where the picture says where it lies and yet cannot be measured, else None.
    """

    def __init__(self, info: Info, names: tuple[str, ...], length: int = 256) -> None:
        """`names` are of the codes from 0 on; `length` is one more than the highest code."""
        self._names, self._length = names, length
        self._pixels = np.zeros(length, np.int64)
        self._metres = np.zeros(length)
        self._sizes: PixelAreas | None = None
        self.why_not: str | None = None
        if info.given_metres is not None or (info.crs is not None and info.transform is not None):
            try:
                self._sizes = PixelAreas(info)
            except GeoError as error:
                self._unmeasured(error)

    def add(self, y: int, mask: NDArray[np.integer]) -> None:
        """Count more rows.

        Args:
            y: The first of them.
            mask: Codes (h, W), each below the `length` of this counter.
        """
        self._pixels += np.bincount(mask.ravel(), minlength=self._length)
        if self._sizes is not None:
            try:
                self._metres += self._sizes.sums(y, mask, self._length)
            except GeoError as error:
                self._unmeasured(error)

    def areas(self, nothing: int = NO_DATA) -> list[Area]:
        """Every class in order, with those that do not occur. The code `nothing` counts for no share."""
        total = max(int(self._pixels.sum() - self._pixels[nothing]), 1)
        return [
            Area(
                name,
                int(self._pixels[index]),
                None if self._sizes is None else float(self._metres[index]),
                float(self._pixels[index] / total),
            )
            for index, name in enumerate(self._names)
        ]

    def _unmeasured(self, error: GeoError) -> None:
        self._sizes = None
        self.why_not = f"Areas in square metres are not worked out. {error}"


def to_csv(areas: list[Area], given_metres: float | None = None) -> str:
    """A line a class; square metres and hectares stay empty where they are not known.

    `given_metres` is the width of a pixel that a person gave: a column says so, for areas that rest on it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS if given_metres is None else (*COLUMNS, GIVEN_COLUMN))
    for area in areas:
        metres = "" if area.square_metres is None else f"{area.square_metres:.2f}"
        hectares = "" if area.hectares is None else f"{area.hectares:.6f}"
        row = [cell(area.name), area.pixels, metres, hectares, f"{area.share:.6f}"]
        writer.writerow(row if given_metres is None else [*row, f"{given_metres:g}"])
    return text.getvalue()
