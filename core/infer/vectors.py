"""A mask on disk → polygons, simplified without gaps between neighbours → GeoJSON (RFC 7946) and GeoPackage.

Neighbours share their simplified edge (`shapely.coverage_simplify`, Visvalingam-Whyatt): corners go whose triangle is
smaller than the tolerance squared. Large masks are done in blocks, and polygons end where a block does.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import rasterio
import rasterio.features
import rasterio.warp
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from core.files import write_aside
from core.imagery.limits import Info
from core.infer.rows import NO_DATA

TOLERANCE_PX = 1.5
SMALLEST_PX = 12
_BLOCK = 4096
_FIELDS = ("class", "name", "colour", "area_px")


@dataclass(frozen=True)
class Regions:
    """Polygons in pixels (x to the right, y down) and the class index of each."""

    shapes: NDArray[np.object_]
    classes: NDArray[np.uint8]


@dataclass(frozen=True)
class Legend:
    """Class names and colours by index."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]


def regions(mask: Path, *, tolerance: float = TOLERANCE_PX, smallest: int = SMALLEST_PX) -> Iterator[Regions]:
    """Polygons of a mask, block by block. `tolerance` is in pixels; spots under `smallest` pixels join a neighbour."""
    with rasterio.open(mask) as file:
        for y in range(0, file.height, _BLOCK):
            for x in range(0, file.width, _BLOCK):
                window = Window(x, y, min(_BLOCK, file.width - x), min(_BLOCK, file.height - y))
                found = polygons(file.read(1, window=window), tolerance=tolerance, smallest=smallest)
                yield Regions(shapely.transform(found.shapes, lambda points, at=(x, y): points + at), found.classes)


def polygons(mask: NDArray[np.uint8], *, tolerance: float, smallest: int) -> Regions:
    """Polygons of a mask (H, W) in its own pixels; `NO_DATA` has none."""
    if smallest > 1:
        mask = rasterio.features.sieve(mask, smallest)
    outlines = list(rasterio.features.shapes(mask, mask=mask != NO_DATA, connectivity=4))
    shapes = (
        shapely.from_geojson([json.dumps(outline) for outline, _ in outlines]) if outlines else np.array([], object)
    )
    classes = np.array([int(value) for _, value in outlines], np.uint8)
    if tolerance > 0 and len(shapes):
        shapes = shapely.coverage_simplify(shapes, tolerance, simplify_boundary=False)
    kept = ~shapely.is_empty(shapes)
    return Regions(shapes[kept], classes[kept])


def to_map(shapes: NDArray[np.object_], info: Info) -> NDArray[np.object_]:
    """Pixels → the coordinates of the picture; without any, y upwards as QGIS draws pictures that know no place."""
    a, b, c, d, e, f = info.transform or (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    placed: NDArray[np.object_] = shapely.transform(
        shapes, lambda p: np.stack([a * p[:, 0] + b * p[:, 1] + c, d * p[:, 0] + e * p[:, 1] + f], 1)
    )
    return placed


def write_gpkg(mask: Path, target: Path, info: Info, legend: Legend) -> None:
    """One layer `classes` of polygons in the picture's own coordinates, with `class`, `name`, `colour`, `area_px`."""

    def write(aside: Path) -> None:
        with tempfile.TemporaryDirectory(dir=aside.parent) as folder:
            # GDAL wants the ending, and may leave files of its own beside it.
            fill(Path(folder) / "classes.gpkg").replace(aside)

    def fill(path: Path) -> Path:
        started = False
        for part in regions(mask):
            if not len(part.shapes) and started:
                continue
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="'crs' was not provided")
                _append(path, part, info, legend, started=started)
            started = True
        return path

    write_aside(target, write)


def _append(path: Path, part: Regions, info: Info, legend: Legend, *, started: bool) -> None:
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(to_map(part.shapes, info)),
        field_data=_columns(part, legend),
        fields=list(_FIELDS),
        geometry_type="Polygon",
        crs=info.crs,
        driver="GPKG",
        layer="classes",
        append=started,
        # Readable by QGIS of the last seven years.
        dataset_options=None if started else {"VERSION": "1.2"},
    )


def write_geojson(mask: Path, target: Path, info: Info, legend: Legend) -> None:
    """A FeatureCollection in degrees (WGS 84) where the picture knows its place, else in pixels, y upwards."""

    def write(aside: Path) -> None:
        with aside.open("w", encoding="utf-8") as file:
            file.write('{"type": "FeatureCollection", "features": [')
            separator = "\n"
            for part in regions(mask):
                for feature in _features(part, info, legend):
                    file.write(separator + json.dumps(feature))
                    separator = ",\n"
            file.write("\n]}\n")

    write_aside(target, write)


def _features(part: Regions, info: Info, legend: Legend) -> Iterator[dict[str, Any]]:
    shapes = to_map(part.shapes, info)
    if info.crs is not None and info.transform is not None:
        shapes = shapely.transform(shapes, lambda points: _to_degrees(points, info.crs or ""))
    columns = [column.tolist() for column in _columns(part, legend)]
    for shape, *values in zip(shapely.to_geojson(shapely.orient_polygons(shapes)), *columns, strict=True):
        yield {"type": "Feature", "properties": dict(zip(_FIELDS, values, strict=True)), "geometry": json.loads(shape)}


def _to_degrees(points: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    longitudes, latitudes = rasterio.warp.transform(crs, "EPSG:4326", points[:, 0].tolist(), points[:, 1].tolist())
    return np.round(np.stack([longitudes, latitudes], axis=1), 8)


def _columns(part: Regions, legend: Legend) -> list[NDArray[Any]]:
    """The fields of each polygon, in the order of `_FIELDS`."""
    colours = ["#{:02x}{:02x}{:02x}".format(*legend.colours[index]) for index in part.classes]
    return [
        part.classes.astype(np.int32),
        np.array([legend.names[index] for index in part.classes], object),
        np.array(colours, object),
        np.round(shapely.area(part.shapes), 1),
    ]
