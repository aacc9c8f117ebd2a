"""A mask on disk → polygons as GeoJSON (RFC 7946) and GeoPackage."""

import json
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from numpy.typing import NDArray

from core import geo
from core.errors import GeoError
from core.files import write_aside
from core.imagery.limits import Info
from core.infer.outputs.geotiff import GROUND_TAG, ground_text
from core.infer.outputs.globe import ToGlobe
from core.infer.outputs.mask_polygons import PolygonSettings, Regions, regions
from core.infer.outputs.qgis_style import ClassColours, put_style, qml

_FIELDS = ("class", "name", "colour", "area_px", "area_m2", "perimeter_m", "confidence")
_LAYER = "classes"
_FAILED = "cannot be written: choose another folder, or check whether its disk is in order."
_LITTLE, _ROW_BYTES = 512 * 1024, 200
_NO_SYSTEM = (
    "Its coordinate system cannot be written into a GeoPackage: the polygons have its coordinates, and no system."
)
_NO_DEGREES = "Its coordinate system cannot be turned into degrees: the GeoJSON is in pixels."


def write_gpkg(
    mask: Path,
    target: Path,
    info: Info,
    legend: ClassColours,
    settings: PolygonSettings,
    confidence: Path | None = None,
) -> list[str]:
    """One layer `classes` of polygons in the picture's own coordinates, with its style, and the fields below.

    `class`, `name`, `colour`, `area_px`; `area_m2` and `perimeter_m` on the ellipsoid, empty where that is not known;
    `confidence` from 0 to 1, from a file of `ConfidenceWriter`. Gives notes. Raises `DiskFullError`, `GeoError`.
    """
    notes: list[str] = []

    def write(aside: Path) -> None:
        with tempfile.TemporaryDirectory(dir=aside.parent, prefix=".terrastill-") as folder:
            # GDAL wants the ending, and may leave files of its own beside it.
            path = Path(folder) / "classes.gpkg"
            crs = _writable(info.crs, path.with_name("try.gpkg"), target)
            if info.crs is not None and crs is None:
                notes.append(_NO_SYSTEM)
            _fill(path, target, regions(mask, info, settings, confidence), info, crs, legend)
            put_style(path, _LAYER, qml(legend), target=target)
            path.replace(aside)

    write_aside(target, write)
    return notes


def _fill(
    path: Path, target: Path, parts: Iterator[Regions], info: Info, crs: str | None, legend: ClassColours
) -> None:
    count, started = 0, False
    for part in parts:
        if not len(part.shapes) and started:
            continue
        geometry = _to_wkb(part, info)
        # Twice over, for SQLite keeps a journal meanwhile and takes it away when it fails.
        needs = _LITTLE + 2 * sum(len(one) + _ROW_BYTES for one in geometry)
        with geo.calls(f"{target.name} {_FAILED}", target=target, needs=needs):
            _append(path, geometry, _columns(part, legend), crs, started=started, given=info.given_metres)
        count, started = count + len(part.shapes), True
    with geo.calls(f"{target.name} cannot be read back: write it to another disk.", target=target, needs=_LITTLE):
        whole = pyogrio.read_info(path, layer=_LAYER, force_feature_count=True)["features"] == count
    if not whole:
        raise geo.disk_full(target)


@geo.calls("The polygons cannot be placed.")
def _to_wkb(part: Regions, info: Info) -> NDArray[np.object_]:
    found: NDArray[np.object_] = shapely.to_wkb(to_map(part.shapes, info))
    return found


def _append(
    path: Path,
    geometry: NDArray[np.object_],
    columns: list[NDArray[Any]],
    crs: str | None,
    *,
    started: bool,
    given: float | None = None,
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.raw.write(
            path,
            geometry=geometry,
            field_data=columns,
            fields=list(_FIELDS),
            geometry_type="Polygon",
            crs=crs,
            driver="GPKG",
            layer=_LAYER,
            append=started,
            layer_metadata=None if given is None or started else {GROUND_TAG: ground_text(given)},
            # Readable by QGIS of the last seven years.
            dataset_options=None if started else {"VERSION": "1.2"},
        )


def _writable(crs: str | None, path: Path, target: Path) -> str | None:
    """The system, or None where GDAL cannot write it into a GeoPackage. Raises `DiskFullError`."""
    nothing: list[NDArray[Any]] = [
        np.array([], kind) for kind in (np.int32, object, object, float, float, float, float)
    ]
    try:
        with geo.calls(_NO_SYSTEM, target=target, needs=_LITTLE):
            _append(path, np.array([], object), nothing, crs, started=False)
    except GeoError:
        return None
    return crs


def write_geojson(
    mask: Path,
    target: Path,
    info: Info,
    legend: ClassColours,
    settings: PolygonSettings,
    confidence: Path | None = None,
) -> list[str]:
    """A FeatureCollection in degrees (WGS 84) where the picture knows its place, else in pixels, y upwards.

    Gives notes. Raises `DiskFullError`, `GeoError`.
    """
    notes: list[str] = []
    globe = _globe(info, notes)
    lost = 0

    def write(aside: Path) -> None:
        nonlocal lost
        with aside.open("w", encoding="utf-8") as file:
            said = (
                "" if info.given_metres is None else f'"{GROUND_TAG}": {json.dumps(ground_text(info.given_metres))}, '
            )
            file.write(f'{{"type": "FeatureCollection", {said}"features": [')
            separator = "\n"
            for part in regions(mask, info, settings, confidence):
                texts, kept = _geometries(part, globe)
                lost += int((~kept).sum())
                for text, values in zip(texts, _records(part, legend, kept), strict=True):
                    feature = {"type": "Feature", "properties": values, "geometry": json.loads(text)}
                    file.write(separator + json.dumps(feature))
                    separator = ",\n"
            file.write("\n]}\n")

    write_aside(target, write)
    if lost:
        notes.append(f"{lost:,} polygons with corners that lie on no place on earth are left out of the GeoJSON.")
    return notes


def _globe(info: Info, notes: list[str]) -> ToGlobe | None:
    """The way to degrees, or None where there is none, with a note where the picture has coordinates of some kind."""
    if info.crs is None or info.transform is None:
        return None
    try:
        return ToGlobe(info)
    except GeoError:
        notes.append(_NO_DEGREES)
        return None


@geo.calls("The polygons cannot be written as GeoJSON.")
def _geometries(part: Regions, globe: ToGlobe | None) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Polygons as GeoJSON, and which of them there are."""
    if globe is not None:
        found = globe(part.shapes)
        return shapely.to_geojson(found.shapes), found.kept
    shapes = shapely.orient_polygons(shapely.transform(part.shapes, lambda points: points * (1, -1)))
    return shapely.to_geojson(shapes), np.ones(len(shapes), np.bool_)


@geo.calls("The polygons cannot be placed.")
def to_map(shapes: NDArray[np.object_], info: Info) -> NDArray[np.object_]:
    """Polygons in the coordinates of the picture; without any, y upwards as QGIS draws pictures that know no place.

    Args:
        shapes: N polygons (N,) in pixels.
        info: What the picture says of its place.

    Returns:
        N polygons (N,).

    Raises:
        GeoError: GEOS fails.
    """
    a, b, c, d, e, f = info.transform or (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    placed: NDArray[np.object_] = shapely.transform(
        shapes, lambda p: np.stack([a * p[:, 0] + b * p[:, 1] + c, d * p[:, 0] + e * p[:, 1] + f], 1)
    )
    return placed


def _records(part: Regions, legend: ClassColours, kept: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """The properties of each feature; what is not known is null."""
    columns = [column[kept].tolist() for column in _columns(part, legend)]
    for values in zip(*columns, strict=True):
        known = (None if value != value else value for value in values)
        yield dict(zip(_FIELDS, known, strict=True))


@geo.calls("The polygons cannot be measured.")
def _columns(part: Regions, legend: ClassColours) -> list[NDArray[Any]]:
    """The fields of each polygon, in the order of `_FIELDS`."""
    colours = ["#{:02x}{:02x}{:02x}".format(*legend.colours[index]) for index in part.classes]
    unknown = np.full(len(part.shapes), np.nan)
    metres = unknown if part.square_metres is None else part.square_metres
    return [
        part.classes.astype(np.int32),
        np.array([legend.names[index] for index in part.classes], object),
        np.array(colours, object),
        np.round(shapely.area(part.shapes), 1),
        np.round(metres, 4),
        np.round(unknown if part.perimeters is None else part.perimeters, 3),
        np.round(unknown if part.confidence is None else part.confidence, 4),
    ]
