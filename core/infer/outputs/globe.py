"""Polygons of a picture → longitudes and latitudes as RFC 7946 wants them: cut at the date line, closed over a pole.

Long edges get more corners first, for a straight line of a map is not one of degrees. Polygons with a corner that lies
on no place on earth (a geostationary view beside the disk) are left out, and counted.
"""

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from core import geo
from core.errors import GeoError
from core.imagery.geodesy import from_degrees, metres_per_pixel, plain_degrees, to_degrees
from core.imagery.ground import MAJOR_AXIS_M
from core.imagery.limits import Info

DECIMALS = 9
"""A tenth of a millimetre on the ground."""
_WIDEST_STEP, _FINEST_PIXELS, _MOST_HALVINGS = 2.0, 1e-6, 48
_FAILED = "The polygons cannot be turned into degrees."

Shapes = NDArray[np.object_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Globe:
    """Polygons or multipolygons in degrees, which of those asked for they are, and how many could not be placed."""

    shapes: Shapes
    kept: NDArray[np.bool_]

    @property
    def lost(self) -> int:
        return int((~self.kept).sum())


class ToGlobe:
    """The way of one picture's polygons from pixels to degrees. Raises `GeoError` where its system has no degrees."""

    def __init__(self, info: Info) -> None:
        if info.crs is None or info.transform is None:
            raise GeoError("The picture does not say where it lies.")
        self._crs, self._place = info.crs, info.transform
        self._plain = plain_degrees(info.crs)
        # So that a straight line of the map is off by a quarter of a pixel at most, at 45 degrees of latitude.
        self._require_a_place(info)
        self._longest = math.sqrt(2 * MAJOR_AXIS_M / (metres_per_pixel(info) or 1.0))
        if self._plain is None:
            self._longest = min([self._longest, *self._longest_near_poles(info)])

    def _require_a_place(self, info: Info) -> None:
        """Raises `GeoError` where neither the middle nor a corner of the picture has degrees."""
        shares = ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
        for x, y in shares:
            with suppress(GeoError):
                self._degrees(np.array([(x * info.width, y * info.height)]))
                return
        raise GeoError(_FAILED)

    def _longest_near_poles(self, info: Info) -> list[float]:
        """How long an edge may be in pixels so near each pole, where straight lines bend the most in degrees.

        A line of length L at a distance D from a pole is off by L² / 8D: a quarter of a pixel here. One length counts
        for the whole picture, so that polygons that share an edge share its corners.
        """
        a, b, c, d, e, f = self._place
        found = []
        for north in (90.0, -90.0):
            with suppress(GeoError):
                x, y = from_degrees(self._crs, 0.0, north)
                column, row = np.linalg.solve([[a, b], [d, e]], [x - c, y - f])
                away = math.hypot(column - np.clip(column, 0, info.width), row - np.clip(row, 0, info.height))
                found.append(math.sqrt(2 * max(away, 0.5)))
        return found

    @geo.calls(_FAILED)
    def __call__(self, shapes: Shapes) -> Globe:
        """Polygons in pixels → the same in degrees. Raises `GeoError`."""
        if not len(shapes):
            return Globe(shapes, np.ones(0, np.bool_))
        if self._plain is None:
            shapes = shapely.segmentize(shapes, self._longest)
        try:
            found = [self._placed(shapes)]
        except GeoError:
            found = [self._one(shapes[at : at + 1]) for at in range(len(shapes))]
        placed = np.concatenate(found)
        kept = ~shapely.is_missing(placed) & ~shapely.is_empty(placed)
        return Globe(shapely.orient_polygons(placed[kept]), kept)

    def _one(self, shape: Shapes) -> Shapes:
        try:
            return self._placed(shape)
        except GeoError:
            return np.array([None], object)

    def _placed(self, shapes: Shapes) -> Shapes:
        if self._plain is None:
            shapes = self._refined(shapes)
        points, owners = shapely.get_coordinates(shapes, return_index=True)
        degrees = self._degrees(points)
        found = np.array(shapely.set_coordinates(shapes.copy(), np.round(degrees, DECIMALS)), object)
        steps = np.abs(np.diff(degrees[:, 0])) > 90
        odd = (np.abs(degrees[:, 0]) > 180) | (np.abs(degrees[:, 1]) > 89.9)
        if self._plain is None:
            odd[1:] |= steps & (owners[1:] == owners[:-1])
        for at in np.unique(owners[odd]):
            found[at] = self._cut(shapes[at])
        for at in np.flatnonzero(~shapely.is_valid(found)):
            found[at] = _areal(shapely.make_valid(found[at]))
        return found

    def _degrees(self, points: Floats) -> Floats:
        """Pixels → degrees. Of plain degrees the longitudes go on over ±180; of other systems they jump there."""
        a, b, c, d, e, f = self._place
        x, y = a * points[:, 0] + b * points[:, 1] + c, d * points[:, 0] + e * points[:, 1] + f
        if self._plain is None:
            return to_degrees(self._crs, np.stack([x, y], axis=1))
        east, north = self._plain
        turns = np.floor((x * east + 180) / 360)
        y = np.clip(y, -90 / north, 90 / north)
        degrees = to_degrees(self._crs, np.stack([x - turns * 360 / east, y], axis=1))
        degrees[:, 0] += 360 * np.round((x * east - degrees[:, 0]) / 360)
        return degrees

    def _cut(self, shape: shapely.Polygon) -> shapely.Geometry:
        """One polygon that crosses the date line or comes near a pole."""
        found = self._region(shapely.get_exterior_ring(shape))
        for ring in shapely.get_rings(shape)[1:]:
            found = shapely.difference(found, self._region(ring))
        rounded = shapely.transform(found, lambda points: np.round(points, DECIMALS))
        return _areal(rounded if shapely.is_valid(rounded) else shapely.make_valid(rounded))

    def _region(self, ring: shapely.LinearRing) -> shapely.Geometry:
        """What lies inside a ring in pixels, in degrees within ±180 and ±90."""
        points = shapely.get_coordinates(ring)
        if self._plain is not None:
            return _within(shapely.Polygon(self._degrees(points)))
        degrees = self._degrees(points)
        path = _around_poles(degrees)
        if abs(path[-1, 0] - path[0, 0]) < 180:
            return _within(shapely.Polygon(path))
        # The ring runs around a pole: the one that is on the same side of it as what it holds.
        inside = self._degrees(shapely.get_coordinates(shapely.point_on_surface(shapely.Polygon(points))))
        north = _cap(degrees, 90.0)
        return (
            north if shapely.covers(north, shapely.Point(_turned(inside[0, 0]), inside[0, 1])) else _cap(degrees, -90.0)
        )

    def _refined(self, shapes: Shapes) -> Shapes:
        """Polygons in pixels with more corners where a step is wide in degrees: neighbours get the same on an edge."""
        kind, points, (rings, parts) = shapely.to_ragged_array(shapes)
        degrees = self._degrees(points)
        for _ in range(_MOST_HALVINGS):
            wide = np.abs(_turned(np.diff(degrees[:, 0]))) > _WIDEST_STEP
            wide &= np.hypot(*np.diff(points, axis=0).T) > _FINEST_PIXELS
            # From the end of a ring to the beginning of the next there is no step.
            wide[rings[1:-1] - 1] = False
            at = np.flatnonzero(wide)
            if not len(at):
                break
            middle = (points[at] + points[at + 1]) / 2
            points = np.insert(points, at + 1, middle, axis=0)
            degrees = np.insert(degrees, at + 1, self._degrees(middle), axis=0)
            rings = rings + np.searchsorted(at + 1, rings, "right")
        found: Shapes = shapely.from_ragged_array(kind, points, (rings, parts))
        return found


def _around_poles(degrees: Floats) -> Floats:
    """A closed path of degrees whose longitudes go on over ±180; over a pole it runs along the edge of the map."""
    path = [degrees[0]]
    for place in degrees[1:]:
        step = float(_turned(place[0] - path[-1][0]))
        east = path[-1][0] + step
        if abs(step) > 2 * _WIDEST_STEP and abs(place[1]) > 45:
            pole = math.copysign(90.0, place[1])
            path += [np.array([path[-1][0], pole]), np.array([east, pole])]
        path.append(np.array([east, place[1]]))
    return np.array(path)


def _cap(degrees: Floats, pole: float) -> shapely.Geometry:
    """What lies between a closed ring around a pole and the pole."""
    # From the corner that is nearest to the pole: no step lies on its way there.
    first = int(np.argmax(degrees[:-1, 1] * pole))
    path = _around_poles(np.concatenate([degrees[first:-1], degrees[: first + 1]]))
    return _within(shapely.Polygon(np.concatenate([path, [(path[-1, 0], pole), (path[0, 0], pole)]])))


def _turned(degrees: Floats) -> Floats:
    """The same direction between -180 and 180."""
    return (degrees + 180) % 360 - 180


def _within(region: shapely.Polygon) -> shapely.Geometry:
    """A polygon whose longitudes go on over ±180, cut there and put in place."""
    region = region if shapely.is_valid(region) else _areal(shapely.make_valid(region))
    west, _, east, _ = shapely.bounds(region)
    if not math.isfinite(west):
        return region
    parts = []
    for turn in range(math.floor((west + 180) / 360), math.floor((east + 180) / 360) + 1):
        part = shapely.intersection(region, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        parts.append(shapely.transform(part, lambda points, by=360 * turn: points - (by, 0)))
    return _areal(shapely.union_all(parts))


def _areal(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry without the points and lines that cutting may leave; empty where there are none."""
    parts = [part for part in shapely.get_parts(shapely.get_parts(shape)) if part.geom_type == "Polygon" and part.area]
    if len(parts) == 1:
        return parts[0]
    return shapely.MultiPolygon(parts)
