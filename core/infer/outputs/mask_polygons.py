"""A mask on disk → polygons in its pixels, small spots joined to neighbours, smoothed without gaps between them.

Neighbours share every edge, corner by corner: a corner where three of them meet is a vertex of each. So a smoothed edge
is one edge for both (`shapely.coverage_simplify`, Visvalingam-Whyatt): corners go whose triangle is smaller than the
tolerance squared. Large masks are done in blocks, and polygons end where a block does.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from core import geo
from core.config.fields import problems_of, setting
from core.errors import ConfigError, GeoError
from core.imagery.geodesy import PixelAreas
from core.imagery.limits import Info
from core.infer.tiling import NO_DATA

SMALLEST_PX = 12
_BLOCK = 4096
STEPS = 254
"""A probability from 0 to 1 is stored as a byte from 0 to so much."""
_GAUSS = (0.5 - math.sqrt(3) / 6, 0.5 + math.sqrt(3) / 6)
_FAILED = "The mask cannot be turned into polygons."

Mask = NDArray[np.uint8]
Outline = dict[str, Any]


@dataclass(frozen=True)
class PolygonSettings:
    """How polygons are made of a mask. Raises `ConfigError` for values out of range."""

    smallest_area: float | None = setting(
        None,
        title="The smallest area",
        help="Smaller spots join a neighbour; where no data lies all around them they are left out. In square metres, "
        "or in pixels where the picture does not know its place.",
        low=0,
        high=1e12,
        unit="m²",
        empty="spots under 12 pixels join a neighbour",
        flag="smallest-area",
        metavar="M2",
    )
    smooth: float = setting(
        1.5,
        title="Smoothing",
        help="How much is cut off corners, in pixels; neighbours keep their common edge. 0 follows the pixels.",
        low=0,
        high=100,
        unit="pixels",
        flag="smooth",
        metavar="PIXELS",
        step=0.5,
    )

    def __post_init__(self) -> None:
        if problems := problems_of(self):
            raise ConfigError(problems)


@dataclass(frozen=True)
class Regions:
    """Polygons in pixels (x to the right, y down), their class indices, and what is known of each.

    `square_metres` and `perimeters` (in metres, holes too) are on the ground; `confidence`, from 0 to 1, is the mean
    over the pixels that a polygon was made of.
    """

    shapes: NDArray[np.object_]
    classes: Mask
    square_metres: NDArray[np.float64] | None = None
    perimeters: NDArray[np.float64] | None = None
    confidence: NDArray[np.float64] | None = None


def regions(mask: Path, info: Info, settings: PolygonSettings, confidence: Path | None = None) -> Iterator[Regions]:
    """Polygons of a mask, block by block; `confidence` is a file of `ConfidenceWriter`. Raises `GeoError`."""
    sizes = pixel_areas(info)
    for y in range(0, info.height, _BLOCK):
        for x in range(0, info.width, _BLOCK):
            window = Window(x, y, min(_BLOCK, info.width - x), min(_BLOCK, info.height - y))
            sure = None if confidence is None else _read(confidence, window)
            found = polygons(_read(mask, window), settings, None if sizes is None else Ground(sizes, y, x), sure)
            yield replace(found, shapes=_moved(found.shapes, x, y))


def pixel_areas(info: Info) -> PixelAreas | None:
    """The size of each pixel; None where the picture, or part of it, has no place in degrees."""
    try:
        sizes = PixelAreas(info)
        for y in range(0, info.height, _BLOCK):
            sizes.rows(y, min(_BLOCK, info.height - y), 0, 1)
    except GeoError:
        return None
    return sizes


@dataclass(frozen=True)
class Ground:
    """The sizes of the pixels of a block whose first pixel is at (y, x) of the picture."""

    sizes: PixelAreas
    y: int
    x: int

    def sums(self, codes: NDArray[np.integer], length: int) -> NDArray[np.float64]:
        """Square metres of each code.

        Args:
            codes: (h, w) in the block, each from 0 to below `length`.
            length: How many codes there are.

        Returns:
            (L,), L being `length`.
        """
        return self.sizes.sums(self.y, codes, length, self.x)

    @geo.calls(_FAILED)
    def areas(self, shapes: NDArray[np.object_]) -> NDArray[np.float64]:
        """Square metres of polygons, from the corners of their borders.

        In plain degrees an area is that of the polygon whose y are areas between the equator and a parallel. Elsewhere
        it is the integral, along the border, of the ground to the left of it: neighbours have the same share of a
        common border, so that together they have the area of what they cover.

        Args:
            shapes: N polygons (N,) in pixels of the block.

        Returns:
            Square metres (N,).
        """
        if not len(shapes):
            return np.zeros(0)
        if self.sizes.is_plain:
            close = shapely.segmentize(shapes, 1.0)
            found: NDArray[np.float64] = shapely.area(
                shapely.transform(close, lambda p: np.stack([p[:, 0], self.sizes.north_of(p[:, 1] + self.y)], axis=1))
            )
            return found
        _, points, (rings, parts) = shapely.to_ragged_array(shapes)
        x, y = (points + np.array([self.x, self.y])).T
        right, down = np.diff(x, append=x[-1]), np.diff(y, append=y[-1])
        # Two points of Gauss are exact for what is of the third degree.
        total = sum(self.sizes.left_of(x + at * right, y + at * down) for at in _GAUSS) * down / 2
        total[rings[1:] - 1] = 0
        of_rings = np.abs(np.add.reduceat(total, rings[:-1]))
        # The first ring is the outer one, the others are holes.
        of_rings[np.delete(np.arange(len(of_rings)), parts[:-1])] *= -1
        return np.asarray(np.add.reduceat(of_rings, parts[:-1]), np.float64)

    @geo.calls(_FAILED)
    def perimeters(self, shapes: NDArray[np.object_]) -> NDArray[np.float64]:
        """Metres along the borders of polygons, holes too; NaN for all where a corner lies on no place on earth.

        Args:
            shapes: N polygons (N,) in pixels of the block.

        Returns:
            Metres (N,).
        """
        if not len(shapes):
            return np.zeros(0)
        _, points, (rings, parts) = shapely.to_ragged_array(shapes)
        try:
            steps = np.append(self.sizes.steps(points + np.array([self.x, self.y])), 0.0)
        except GeoError:
            return np.full(len(shapes), np.nan)
        steps[rings[1:] - 1] = 0
        return np.asarray(np.add.reduceat(steps, rings[parts[:-1]]), np.float64)


def polygons(
    mask: Mask, settings: PolygonSettings, ground: Ground | None = None, confidence: Mask | None = None
) -> Regions:
    """Polygons of a mask in its own pixels.

    Args:
        mask: Class indices (H, W); `NO_DATA` has no polygon.
        settings: The smallest polygon, and how smooth they are.
        ground: The size of a pixel, for areas in square metres.
        confidence: (H, W), 0 to 254 for 0 to 1, 255 where it is not known.

    Raises:
        GeoError: GDAL or GEOS fails.
    """
    least = _least_pixels(mask, settings, ground)
    mask = without_spots(mask, least)
    outlines, classes = _outlines(mask)
    numbers = None if ground is None and confidence is None else _numbered(outlines, mask.shape)
    raw = _noded(outlines, mask)
    kept = np.ones(len(raw), np.bool_)
    if settings.smallest_area is not None:
        kept = _areas(raw) >= least
    smooth = _smoothed(raw[kept], settings.smooth)
    sure = None if confidence is None or numbers is None else _means(numbers, confidence, len(outlines))[kept]
    if ground is None or numbers is None:
        return Regions(smooth, classes[kept], confidence=sure)
    if ground.sizes.is_plain:
        metres = ground.areas(smooth)
    else:
        # As the pixels are, and what smoothing gave and took.
        metres = ground.sums(numbers, len(outlines) + 1)[1:][kept]
        metres += ground.areas(smooth) - ground.areas(raw[kept]) if settings.smooth else 0.0
    return Regions(smooth, classes[kept], metres, ground.perimeters(smooth), sure)


def _least_pixels(mask: Mask, settings: PolygonSettings, ground: Ground | None) -> int:
    """The smallest spot that stays, in pixels of this block."""
    if settings.smallest_area is None:
        return SMALLEST_PX
    if ground is None:
        return math.ceil(settings.smallest_area)
    pixel = float(ground.sums(np.zeros_like(mask), 1)[0]) / mask.size
    # A spot of just this size must not fall to rounding.
    return math.ceil(settings.smallest_area / pixel * (1 - 1e-9))


@geo.calls(_FAILED)
def without_spots(mask: Mask, least: int) -> Mask:
    """The mask without spots of fewer than `least` pixels; those without data stay as they are.

    A spot joins the largest of its neighbours, the smallest spots first, so that many small ones grow together.

    Args:
        mask: Class indices (H, W), `NO_DATA` where there is none.
        least: In pixels.

    Returns:
        Class indices (H, W).

    Raises:
        GeoError: GDAL fails.
    """
    valid = mask != NO_DATA
    # GDAL takes no size that is larger than the mask: nothing could be joined then.
    least = min(least, mask.size)
    sizes = [2**power for power in range(1, least.bit_length()) if 2**power < least]
    for size in (*sizes, least) if least > 1 else ():
        mask = rasterio.features.sieve(mask, size, mask=valid)
    return mask


@geo.calls(_FAILED)
def _outlines(mask: Mask) -> tuple[list[Outline], Mask]:
    found = list(rasterio.features.shapes(mask, mask=mask != NO_DATA, connectivity=4))
    return [outline for outline, _ in found], np.array([int(value) for _, value in found], np.uint8)


@geo.calls(_FAILED)
def _numbered(outlines: list[Outline], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Of each pixel the number of the outline that it lies in, from 1; 0 for none."""
    if not outlines:
        return np.zeros(shape, np.int32)
    numbered = [(outline, at) for at, outline in enumerate(outlines, start=1)]
    found: NDArray[np.int32] = rasterio.features.rasterize(numbered, out_shape=shape, dtype="int32")
    return found


def _means(numbers: NDArray[np.int32], confidence: Mask, count: int) -> NDArray[np.float64]:
    """The mean confidence of each outline, from 0 to 1; NaN where no pixel of it has one."""
    known = confidence != NO_DATA
    places = numbers[known]
    sums = np.bincount(places, weights=confidence[known], minlength=count + 1)[1:]
    pixels = np.bincount(places, minlength=count + 1)[1:]
    return np.asarray(np.where(pixels > 0, sums / np.maximum(pixels, 1) / STEPS, np.nan), np.float64)


@geo.calls(_FAILED)
def _noded(outlines: list[Outline], mask: Mask) -> NDArray[np.object_]:
    """Polygons along the pixels, with a vertex at each corner where an edge meets that of another.

    GDAL leaves a vertex out where an edge goes straight on, though a neighbour has one there.
    """
    if not outlines:
        return np.array([], object)
    kind, points, (rings, parts) = shapely.to_ragged_array(shapely.from_geojson(list(map(json.dumps, outlines))))
    steps = np.diff(points, axis=0, append=points[-1:])
    steps[rings[1:] - 1] = 0
    long = np.maximum(np.abs(steps).sum(axis=1).astype(np.int64), 1)
    first = np.cumsum(long) - long
    edge = np.repeat(np.arange(len(points)), long)
    along = np.arange(len(edge)) - first[edge]
    corners = (points[edge] + np.sign(steps)[edge] * along[:, None]).astype(np.int64)
    kept = (along == 0) | _meetings(mask)[corners[:, 1], corners[:, 0]]
    counted = np.concatenate([[0], np.cumsum(kept)])
    starts = counted[np.append(first, len(edge))[rings]]
    found: NDArray[np.object_] = shapely.from_ragged_array(kind, corners[kept].astype(np.float64), (starts, parts))
    return found


def _meetings(mask: Mask) -> NDArray[np.bool_]:
    """Which corners of pixels, (H + 1, W + 1), three or more edges of classes meet in."""
    around = np.pad(mask.astype(np.int16), 1, constant_values=-1)
    one, two, three, four = around[:-1, :-1], around[:-1, 1:], around[1:, 1:], around[1:, :-1]
    edges = sum((a != b).astype(np.int8) for a, b in ((one, two), (two, three), (three, four), (four, one)))
    return np.asarray(edges >= 3)


@geo.calls(_FAILED)
def _smoothed(shapes: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    if not tolerance or not len(shapes):
        return shapes
    found: NDArray[np.object_] = shapely.coverage_simplify(shapes, tolerance, simplify_boundary=False)
    return found


@geo.calls(_FAILED)
def _areas(shapes: NDArray[np.object_]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = shapely.area(shapes)
    return found


@geo.calls(_FAILED)
def _moved(shapes: NDArray[np.object_], x: int, y: int) -> NDArray[np.object_]:
    found: NDArray[np.object_] = shapely.transform(shapes, lambda points: points + np.array([x, y]))
    return found


@geo.calls("The mask cannot be read back.")
def _read(mask: Path, window: Window) -> Mask:
    with rasterio.open(mask) as file:
        found: Mask = file.read(1, window=window)
    return found
