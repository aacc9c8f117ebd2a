"""Where a TIFF says that it lies: its coordinate system, and an affine map or ground control points.

What it says and we cannot use is told in a note, and never the reason to refuse a picture.
"""

import math
from dataclasses import dataclass

import numpy as np
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.transform import from_gcps

from core import geo
from core.errors import GeoError
from core.imagery.limits import Transform

_MOST_POINTS = 4096
_NEAR_PIXELS = 1.0
_UNKNOWN = (
    "Its coordinate system cannot be read, so masks carry none and areas are not worked out: give it another with "
    "gdal_edit.py -a_srs."
)


@dataclass(frozen=True)
class Georeference:
    """What is known: `crs` as WKT, the map (a, b, c, d, e, f) or points (row, column, x, y), and what to say of it."""

    crs: str | None = None
    transform: Transform | None = None
    control_points: tuple[tuple[float, float, float, float], ...] = ()
    notes: tuple[str, ...] = ()


@geo.calls("cannot be read: what it says of its place is damaged.")
def read_place(file: DatasetReader) -> Georeference:
    """The place of an open TIFF. Raises `GeoError`."""
    a, b, c, d, e, f = tuple(file.transform)[:6]
    if not file.transform.is_identity:
        if not all(map(math.isfinite, (a, b, c, d, e, f))) or a * e - b * d == 0:
            return Georeference(notes=("The size of its pixels makes no sense, so its place was ignored.",))
        crs, notes = _system(file)
        return Georeference(crs, (a, b, c, d, e, f), notes=notes)
    points, _ = file.gcps
    if points:
        return _by_points(file)
    if file.rpcs is not None:
        text = "camera coefficients (RPC), which are not used: masks carry no place. Run gdalwarp -rpc on it first."
        return Georeference(notes=(f"Its place is told by {text}",))
    return Georeference()


def _system(file: DatasetReader) -> tuple[str | None, tuple[str, ...]]:
    """The system as WKT that can be read back, or a note that there is one which cannot."""
    try:
        return _as_wkt(file.crs if not file.gcps[0] else file.gcps[1]), ()
    except GeoError:
        return None, (_UNKNOWN,)


@geo.calls(_UNKNOWN)
def _as_wkt(system: CRS | None) -> str | None:
    if not system:
        return None
    text: str = system.to_wkt()
    return text if CRS.from_wkt(text) else None


def _by_points(file: DatasetReader) -> Georeference:
    """An affine map through ground control points where that comes near all of them, else the points themselves."""
    found = file.gcps[0]
    crs, notes = _system(file)
    points = np.array([(point.row, point.col, point.x, point.y) for point in found], np.float64)
    count = f"{len(points):,} ground control points"
    if not np.isfinite(points).all() or len(points) > _MOST_POINTS:
        return Georeference(
            notes=(*notes, f"Its {count} cannot be used, so masks carry no place: run gdalwarp on it first.")
        )
    off, affine = _fitted(file, points)
    if affine is not None and off <= _NEAR_PIXELS:
        text = f"Its place is worked out from {count}, with {off:.2g} pixels of error at most."
        return Georeference(crs, affine, notes=(*notes, text))
    kept = tuple((float(row), float(column), float(x), float(y)) for row, column, x, y in points)
    text = "lie on no straight grid: masks carry them, areas and polygons have no place. Run gdalwarp on it first."
    return Georeference(crs, None, kept, (*notes, f"Its {count} {text}"))


def _fitted(file: DatasetReader, points: np.ndarray) -> tuple[float, Transform | None]:
    """How many pixels the best affine map misses the farthest point by, and the map; None where there is none."""
    if np.linalg.matrix_rank(points[:, :2] - points[0, :2], tol=1e-9) < 2:
        return math.inf, None
    a, b, c, d, e, f = tuple(from_gcps(file.gcps[0]))[:6]
    if not all(map(math.isfinite, (a, b, c, d, e, f))) or a * e - b * d == 0:
        return math.inf, None
    rows, columns, x, y = points.T
    back = np.linalg.inv(np.array([[a, b], [d, e]]))
    missed = back @ np.stack([a * columns + b * rows + c - x, d * columns + e * rows + f - y])
    return float(np.hypot(*missed).max()), (a, b, c, d, e, f)
