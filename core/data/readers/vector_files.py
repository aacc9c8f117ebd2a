"""Polygons out of GeoPackage, GeoJSON and Shapefile, zipped or not: geometries, their system and their attributes.

What a file is is decided by its content. GDAL opens copies in a folder of their own: nothing is written beside the
files of a person, and nothing that lies beside them is read.
"""

import math
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from numpy.typing import NDArray

from core import geo
from core.data.readers.tree import Tree, read_json
from core.errors import DataError, ImageError
from core.imagery.archives import ZipLimits, is_zip, unpack
from core.imagery.limits import MEGABYTE

_GEOPACKAGE, _SHAPEFILE = b"SQLite format 3\0", b"\0\0\x27\x0a"
_SIDE_FILES = (".shx", ".dbf", ".prj", ".cpg")
_MOST_BYTES = 4_000 * MEGABYTE
_MOST_FEATURES = 5_000_000
_ZIP = ZipLimits(entries=1000, total_bytes=_MOST_BYTES, entry_bytes=_MOST_BYTES, ratio=1100)
_LON_LAT = "EPSG:4326"


@dataclass(frozen=True)
class Polygons:
    """A layer of polygons.

    Attributes:
        name: of the layer, for people.
        file: that it lies in.
        shapes: polygons and multipolygons, shapely objects (N,).
        crs: their coordinate system, as a text that PROJ reads; None where the file names none.
        attributes: values by name, a list of N each.
    """

    name: str
    file: Path
    shapes: NDArray[Any]
    crs: str | None
    attributes: Mapping[str, list[Any]]


def vector_files(tree: Tree) -> list[Path]:
    """Files of a source that hold vectors: by their endings and first bytes, .json by what it says."""
    found = [path for path in tree.ending(".gpkg") if _begins(path, _GEOPACKAGE)]
    found += [path for path in tree.ending(".shp") if _begins(path, _SHAPEFILE)]
    found += tree.ending(".geojson")
    found += [path for path in tree.largest(".json") if _is_geojson(tree.document(path))]
    return found + [path for path in tree.ending(".zip") if is_zip(path)]


def read_polygons(tree: Tree, path: Path) -> list[Polygons]:
    """The layers of polygons of a file; those of points and lines are left out. Raises `DataError`."""
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(f"{path.name} has more than {_MOST_BYTES / 1e9:.0f} GB: cut it to the area of the pictures.")
    if path.suffix.lower() == ".geojson":
        # There may be thousands, a picture each: they are not kept in memory.
        return _of_geojson(path, read_json(path))
    if path.suffix.lower() == ".json":
        return _of_geojson(path, tree.document(path))
    with _copied(path) as copies:
        return [layer for copy in copies for layer in _of_copy(path, copy)]


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _is_geojson(document: Any) -> bool:
    return isinstance(document, dict) and (
        (document.get("type") == "FeatureCollection" and isinstance(document.get("features"), list))
        or (document.get("type") == "Feature" and isinstance(document.get("geometry"), dict))
    )


@contextmanager
def _copied(path: Path) -> Iterator[list[Path]]:
    """The files to open: of a GeoPackage or Shapefile a copy, of a zip those that lie in it."""
    with tempfile.TemporaryDirectory(prefix="terrastill-") as name:
        folder = Path(name)
        if path.suffix.lower() == ".zip":
            try:
                unpack(path, folder, limits=_ZIP)
            except ImageError as error:
                raise DataError(str(error)) from error
            inside = Tree(folder)
            yield [each for each in vector_files(inside) if each.suffix.lower() != ".zip"]
            return
        copy = folder / f"vectors{path.suffix.lower()}"
        shutil.copyfile(path, copy)
        for beside in path.parent.iterdir() if path.suffix.lower() == ".shp" else ():
            if beside.stem == path.stem and beside.suffix.lower() in _SIDE_FILES and beside.is_file():
                shutil.copyfile(beside, copy.with_suffix(beside.suffix.lower()))
        yield [copy]


def _of_copy(path: Path, copy: Path) -> list[Polygons]:
    if copy.suffix.lower() in (".geojson", ".json"):
        return _of_geojson(path, read_json(copy))
    found = []
    sentence = f"{path.name} cannot be read: it is damaged, or a part of it is missing."
    with geo.calls(sentence, DataError), warnings.catch_warnings():
        # What GDAL finds odd and reads all the same is of no use to a person.
        warnings.simplefilter("ignore")
        for name, kind in pyogrio.list_layers(copy):
            if kind is not None and "Polygon" not in kind and kind not in ("Unknown", "GeometryCollection"):
                continue
            if kind is None:
                continue
            if pyogrio.read_info(copy, layer=name, force_feature_count=True)["features"] > _MOST_FEATURES:
                raise DataError(f"{path.name} holds more than {_MOST_FEATURES:,} shapes: cut it to the pictures.")
            about, _, binary, columns = pyogrio.raw.read(copy, layer=name, force_2d=True)
            shapes = shapely.from_wkb(binary, on_invalid="ignore")
            names = [str(field) for field in about["fields"]]
            values = {field: column.tolist() for field, column in zip(names, columns, strict=True)}
            label = path.stem if copy.stem == "vectors" and name == "vectors" else str(name)
            found += _kept(label, path, shapes, about["crs"], values)
    return found


def _of_geojson(path: Path, document: Any) -> list[Polygons]:
    if not _is_geojson(document):
        raise DataError(f"{path.name} is no GeoJSON, or is cut short: export it again.")
    features = [each for each in document.get("features", [document]) if isinstance(each, dict)]
    if len(features) > _MOST_FEATURES:
        raise DataError(f"{path.name} holds more than {_MOST_FEATURES:,} shapes: cut it to the pictures.")
    named = document.get("crs")
    properties = named.get("properties") if isinstance(named, dict) else None
    crs = str(properties["name"]) if isinstance(properties, dict) and "name" in properties else _LON_LAT
    with geo.calls(f"{path.name} holds a shape that is no polygon of GeoJSON: export it again.", DataError):
        shapes = np.array([_shape(each.get("geometry")) for each in features], object)
    rows: list[dict[str, Any]] = [own if isinstance(own := each.get("properties"), dict) else {} for each in features]
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return _kept(path.stem, path, shapes, crs, {name: [row.get(name) for row in rows] for name in names})


@geo.calls("it holds a shape that is no polygon of GeoJSON: export it again.", DataError)
def _shape(geometry: Any) -> Any:
    if not isinstance(geometry, dict) or "coordinates" not in geometry:
        return None
    try:
        return shapely.force_2d(shapely.geometry.shape(geometry))
    except (AttributeError, TypeError, IndexError) as error:
        raise ValueError(str(error)) from error


def _kept(name: str, path: Path, shapes: NDArray[Any], crs: Any, values: Mapping[str, list[Any]]) -> list[Polygons]:
    """The layer with its polygons alone; nothing where it has none."""
    with geo.calls(f"{path.name} holds shapes that cannot be read: export it again.", DataError):
        kinds = shapely.get_type_id(shapes)
        areal = np.isin(kinds, (3, 6, 7)) & ~shapely.is_empty(shapes)
    if not areal.any():
        return []
    keep = np.flatnonzero(areal).tolist()
    rest = {field: [column[at] for at in keep] for field, column in values.items()}
    return [Polygons(name, path, shapes[areal], crs or None, rest)]


def is_missing(value: Any) -> bool:
    """Whether an attribute has no value."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip()
