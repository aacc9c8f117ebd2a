"""Where pixels lie on the earth and how much of it they cover: the part of `core.imagery.ground` that needs PROJ.

A picture whose coordinates are plain degrees is measured exactly, row by row: a pixel is a cell between two parallels
and two meridians of the WGS 84 ellipsoid. Every other picture is measured at nodes at most 25 km apart, with a straight
line between them; this is right to one part in ten thousand (tests/unit/imagery/test_geodesy.py holds it against an
equal-area projection, over poles and the date line too).
"""

import math
from itertools import pairwise

import numpy as np
import rasterio
import rasterio.warp
from numpy.typing import NDArray
from rasterio.crs import CRS

from core import geo
from core.errors import GeoError
from core.imagery.ground import MAJOR_AXIS_M, geocentric, zone
from core.imagery.limits import Info

_NODE_METRES = 25_000
_DEGREE_METRES = math.radians(1) * MAJOR_AXIS_M
_SMALLEST_STEP_METRES = 1.0
_GAUSS = 1 / math.sqrt(12)
"""From the middle of a pixel: the mean over four such points is that of the pixel to the fourth order (Gauss)."""
_CHUNK = 2**17
_NO_DEGREES = "Its coordinate system cannot be turned into degrees."

Floats = NDArray[np.float64]


@geo.calls(_NO_DEGREES)
def to_degrees(crs: str, points: Floats) -> Floats:
    """Points in longitude and latitude (WGS 84).

    Args:
        crs: Their coordinate system, as WKT or by its code.
        points: (N, 2), x and y.

    Returns:
        (N, 2) in degrees.

    Raises:
        GeoError: The system has no degrees, or one of the points lies on no place on earth.
    """
    if is_geocentric(crs):
        raise GeoError(_NO_DEGREES)
    with rasterio.Env(PROJ_NETWORK="OFF", OGR_CT_FORCE_TRADITIONAL_GIS_ORDER="YES"):
        found = rasterio.warp.transform(crs, "EPSG:4326", points[:, 0].tolist(), points[:, 1].tolist())
    degrees: Floats = np.stack(found[:2], axis=1).astype(np.float64).reshape(-1, 2)
    # Height and depth systems have axes of their own; nothing on earth has a latitude over 90.
    if not np.isfinite(degrees).all() or (np.abs(degrees[:, 1]) > 90 + 1e-6).any():
        raise GeoError(_NO_DEGREES)
    return degrees


@geo.calls(_NO_DEGREES)
def from_degrees(crs: str, east: float, north: float) -> tuple[float, float]:
    """A longitude and latitude (WGS 84) → x and y in `crs`. Raises `GeoError` where the system has no point for it."""
    with rasterio.Env(PROJ_NETWORK="OFF", OGR_CT_FORCE_TRADITIONAL_GIS_ORDER="YES"):
        (x,), (y,) = rasterio.warp.transform("EPSG:4326", crs, [east], [north])[:2]
    if not math.isfinite(x) or not math.isfinite(y):
        raise GeoError(_NO_DEGREES)
    return float(x), float(y)


@geo.calls(_NO_DEGREES)
def is_geocentric(crs: str) -> bool:
    """Whether a system counts from the centre of the earth, in three axes: two of them name no place."""
    system = CRS.from_wkt(crs) if "[" in crs else CRS.from_user_input(crs)
    return str(system.to_wkt()).startswith("GEOCCS")


class PixelAreas:
    """Square metres of each pixel of a picture that knows its place, or whose width of a pixel a person gave.

    Raises `GeoError` where there are no degrees.
    """

    def __init__(self, info: Info) -> None:
        self._given = info.given_metres
        self._degrees: tuple[float, float] | None = None
        if self._given is not None:
            return
        if info.crs is None or info.transform is None:
            raise GeoError("The picture does not say where it lies.")
        self._crs, self._info, self._place = info.crs, info, info.transform
        a, b, _, d, e, _ = info.transform
        self._unit = metres_per_unit(info.crs)
        self._degrees = plain_degrees(info.crs) if b == 0 and d == 0 else None
        side = max(math.hypot(a, d), math.hypot(b, e)) * self._unit
        if not 0 < side < math.inf or a * e - b * d == 0:
            raise GeoError("Its pixels have no size.")
        self._step = max(0.1, _SMALLEST_STEP_METRES / side)
        spacing = max(1, int(_NODE_METRES / side))
        self._columns, self._rows = _nodes(info.width, spacing), _nodes(info.height, spacing)
        self._known: dict[int, Floats] = {}

    @property
    def is_plain(self) -> bool:
        """Whether rows are parallels and columns meridians, so that areas are exact."""
        return self._degrees is not None

    def north_of(self, rows: Floats) -> Floats:
        """Square metres of a column of pixels from the equator to each row; for plain degrees alone.

        Args:
            rows: (N,), counted from the first row; they may lie within one.

        Returns:
            (N,), negative to the south.
        """
        assert self._degrees is not None
        a, _, _, _, e, f = self._place
        latitudes = np.clip(self._degrees[1] * (f + e * rows), -90, 90)
        return zone(latitudes) * math.radians(self._degrees[0] * a)

    def rows(self, y: int, height: int, x: int = 0, width: int | None = None) -> Floats:
        """Square metres of the pixels in some rows.

        Args:
            y: The first row.
            height: H, of the rows.
            x: The first column.
            width: W, of the columns. None: the rest.

        Returns:
            (H, W), or (H, 1) where all in a row are the same.

        Raises:
            GeoError: PROJ cannot place a pixel.
        """
        if self._given is not None:
            return np.full((height, 1), self._given**2)
        if self.is_plain:
            return np.abs(np.diff(self.north_of(np.arange(y, y + height + 1, dtype=np.float64))))[:, None]
        first = max(0, int(np.searchsorted(self._rows, y, "right")) - 1)
        last = min(len(self._rows) - 1, int(np.searchsorted(self._rows, y + height - 1, "left")))
        nodes = self._measured(range(first, last + 1))
        down = _between(nodes, self._rows[first : last + 1], np.arange(y, y + height))
        if np.ptp(nodes, axis=1).max(initial=0) <= 1e-9 * nodes.max(initial=0):
            return down[:, :1]
        return _along(down, self._columns, x, self._info.width if width is None else x + width)

    def sums(self, y: int, codes: NDArray[np.integer], length: int, x: int = 0) -> Floats:
        """Square metres of each code.

        Args:
            y: The row of the first pixel of `codes`.
            codes: (h, w), each from 0 to below `length`.
            length: How many codes there are.
            x: The column of the first pixel of `codes`.

        Returns:
            (L,), L being `length`.

        Raises:
            GeoError: PROJ cannot place a pixel.
        """
        total = np.zeros(length)
        step = max(1, _CHUNK // max(1, codes.shape[1]))
        for top in range(0, len(codes), step):
            part = codes[top : top + step]
            sizes = np.broadcast_to(self.rows(y + top, len(part), x, part.shape[1]), part.shape)
            total += np.bincount(part.ravel(), weights=sizes.ravel(), minlength=length)
        return total

    def left_of(self, x: Floats, y: Floats) -> Floats:
        """How much ground lies to the left of places, in square metres for each row's height of one.

        Its integral along the border of a polygon over y is the area of the polygon; not for plain degrees.

        Args:
            x: (N,) columns, counted from the left border of the picture.
            y: (N,) rows, counted from its upper border.

        Returns:
            (N,).
        """
        if self._given is not None:
            return x * self._given**2
        sizes = self._measured(range(len(self._rows)))
        if len(self._rows) == 1:
            return _integral(sizes, self._columns, np.zeros(len(x), np.int64), x)
        middles = self._rows + 0.5
        above = np.clip(np.searchsorted(middles, y, "right") - 1, 0, len(middles) - 2)
        share = (y - middles[above]) / (middles[above + 1] - middles[above])
        upper, lower = (_integral(sizes, self._columns, at, x) for at in (above, above + 1))
        found: Floats = upper * (1 - share) + lower * share
        return found

    def steps(self, points: Floats) -> Floats:
        """How far apart places are on the ground, each from the next.

        Args:
            points: (N, 2) columns and rows, counted from the upper left corner of the picture.

        Returns:
            (N - 1,) in metres, along a straight line.

        Raises:
            GeoError: PROJ cannot place a point.
        """
        if self._given is not None:
            given: Floats = np.linalg.norm(np.diff(points, axis=0), axis=1) * self._given
            return given
        a, b, c, d, e, f = self._place
        x, y = points.T
        degrees = to_degrees(self._crs, np.stack([a * x + b * y + c, d * x + e * y + f], axis=1))
        found: Floats = np.linalg.norm(np.diff(geocentric(degrees[:, 0], degrees[:, 1]), axis=0), axis=1)
        return found

    def middle(self) -> float:
        """Square metres of the pixel in the middle of the picture."""
        if self._given is not None:
            return self._given**2
        row, column = self._info.height // 2, self._info.width // 2
        if self.is_plain:
            return float(self.rows(row, 1)[0, 0])
        return float(self._sizes(np.array([row]), np.array([column]))[0, 0])

    def _measured(self, wanted: range) -> Floats:
        """Square metres at the nodes of these node rows, (rows, columns)."""
        missing = [at for at in wanted if at not in self._known]
        if missing:
            sizes = self._sizes(self._rows[missing], self._columns)
            self._known.update(zip(missing, sizes, strict=True))
        return np.stack([self._known[at] for at in wanted])

    def _sizes(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
        """The mean over four points of each pixel of the area that a small step to either side spans, on the ground."""
        y, x = (grid.ravel() + 0.5 for grid in np.meshgrid(rows, columns, indexing="ij"))
        points = [(y + _GAUSS * down, x + _GAUSS * right) for down in (-1, 1) for right in (-1, 1)]
        steps = ((0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0))
        asked = [(y + self._step * down, x + self._step * right) for y, x in points for down, right in steps]
        a, b, c, d, e, f = self._place
        down, right = np.concatenate([y for y, _ in asked]), np.concatenate([x for _, x in asked])
        degrees = to_degrees(self._crs, np.stack([a * right + b * down + c, d * right + e * down + f], axis=1))
        at = geocentric(degrees[:, 0], degrees[:, 1]).reshape(4, 4, len(rows), len(columns), 3)
        spanned = np.cross(at[:, 0] - at[:, 1], at[:, 2] - at[:, 3])
        sizes: Floats = np.linalg.norm(spanned, axis=-1).mean(axis=0) / (4 * self._step**2)
        return sizes


@geo.calls(_NO_DEGREES)
def _system(crs: str) -> CRS:
    """The system of a text. Raises `GeoError` for one that is no map of the earth: of a site, or of heights alone."""
    system = CRS.from_wkt(crs) if "[" in crs else CRS.from_user_input(crs)
    if not (system.is_geographic or system.is_projected):
        raise GeoError(_NO_DEGREES)
    return system


@geo.calls(_NO_DEGREES)
def metres_per_unit(crs: str) -> float:
    """What one unit of a coordinate system is in metres, roughly where it is an angle."""
    system = _system(crs)
    if not system.is_projected:
        return _DEGREE_METRES
    return float(system.linear_units_factor[1])


@geo.calls(_NO_DEGREES)
def plain_degrees(crs: str) -> tuple[float, float] | None:
    """Degrees of longitude and latitude in a unit of x and y; None where x and y are not these (a rotated pole)."""
    system = _system(crs)
    if not system.is_geographic:
        return None
    bases = [(0.0, 0.0), (30.0, 40.0), (-70.0, -50.0)]
    points = np.array([(x + right, y + up) for x, y in bases for right, up in ((0, 0), (1, 0), (0, 1))], np.float64)
    found = to_degrees(crs, points).reshape(3, 3, 2)
    steps = found[:, 1:] - found[:, :1]
    east, north = float(steps[0, 0, 0]), float(steps[0, 1, 1])
    expected = np.array([[east, 0.0], [0.0, north]])
    return (east, north) if np.abs(steps - expected).max() < 1e-3 and min(east, north) > 0 else None


def metres_per_pixel(info: Info) -> float | None:
    """The side of a pixel on the ground, in its middle; None where it is not known."""
    if info.crs is None or info.transform is None:
        return None
    try:
        return math.sqrt(PixelAreas(info).middle()) or None
    except GeoError:
        return None


def _nodes(pixels: int, spacing: int) -> NDArray[np.int64]:
    return np.unique(np.append(np.arange(0, pixels, spacing), pixels - 1))


def _integral(sizes: Floats, columns: NDArray[np.int64], rows: NDArray[np.int64], x: Floats) -> Floats:
    """∫ of sizes (R, K) at `columns` from 0 to `x`, in the given row of nodes each; straight lines between nodes."""
    middles = columns + 0.5
    if len(columns) == 1:
        whole: Floats = sizes[rows, 0] * x
        return whole
    wide = np.diff(middles)
    slopes = np.diff(sizes, axis=1) / wide
    first = sizes[:, :1] * middles[0] - slopes[:, :1] * middles[0] ** 2 / 2
    before = np.concatenate([first, first + np.cumsum((sizes[:, 1:] + sizes[:, :-1]) / 2 * wide, axis=1)], axis=1)
    at = np.clip(np.searchsorted(middles, x, "right") - 1, 0, len(middles) - 2)
    beyond = x - middles[at]
    found: Floats = before[rows, at] + sizes[rows, at] * beyond + slopes[rows, at] * beyond**2 / 2
    return found


def _between(values: Floats, known: NDArray[np.int64], wanted: NDArray[np.int64]) -> Floats:
    """Values (K, …) at `known` places → (N, …) at `wanted` ones between them, along straight lines."""
    if len(known) == 1:
        return np.repeat(values, len(wanted), axis=0)
    left = np.clip(np.searchsorted(known, wanted, "right") - 1, 0, len(known) - 2)
    share = ((wanted - known[left]) / (known[left + 1] - known[left]))[:, None]
    found: Floats = values[left] * (1 - share) + values[left + 1] * share
    return found


def _along(values: Floats, known: NDArray[np.int64], start: int, stop: int) -> Floats:
    """The same for the columns of rows: (h, K) → (h, `stop - start`), node by node, which is several times as quick."""
    found = np.empty((len(values), stop - start))
    for at, (left, right) in enumerate(pairwise(known.tolist())):
        first, last = max(left, start), min(right, stop - 1)
        if first <= last:
            share = (np.arange(first, last + 1) - left) / (right - left)
            slope = (values[:, at + 1] - values[:, at])[:, None]
            found[:, first - start : last + 1 - start] = values[:, at, None] + slope * share
    return found
