"""Orthophotos with polygons: whatever file, coordinate system and attribute, each pixel gets the class it lies in."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.warp import transform

from core.data import labelled, mask_files
from core.data.importing import ImportChoices, opened_source, survey
from core.data.named import folder_of
from core.errors import ConfigError, DataError
from core.image import read_mask
from tests.unit.data.readers.brought import Imported, Pixels, photo, take, truth

UTM, METRES = "EPSG:32640", 0.5
EAST, NORTH = 330_000.0, 2_780_000.0
NAMES = ("Grass", "Roof", "Tree")


def _ortho(path: Path, *, column: int = 0, crs: str | None = UTM, height: int = 48, width: int = 64) -> None:
    """A picture of 0.5 m, `column` pixels to the east of the first one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "width": width, "height": height, "crs": crs}
    place = Affine(METRES, 0, EAST + METRES * column, 0, -METRES, NORTH)
    with rasterio.open(path, "w", **profile, transform=place) as file:
        file.write(np.moveaxis(photo(column, height=height, width=width), 2, 0))


def _blocks(mask: Pixels, crs: str = UTM) -> tuple[NDArray[Any], list[int]]:
    """The blocks of 8 x 8 of a mask as polygons in a system, a little smaller than they are, and their classes.

    An eighth of a pixel is left free on each side, so that no middle of a pixel is near an edge in any system.
    """
    shapes, values = [], []
    for y in range(0, mask.shape[0], 8):
        for x in range(0, mask.shape[1], 8):
            left, top, right, low = x - 0.125, y - 0.125, x + 7.875 + 0.25, y + 7.875 + 0.25
            corners = np.array([(left, top), (right, top), (right, low), (left, low)])
            east, north = EAST + METRES * corners[:, 0], NORTH - METRES * corners[:, 1]
            xs, ys = transform(UTM, crs, east.tolist(), north.tolist())
            shapes.append(shapely.Polygon(list(zip(xs, ys, strict=True))))
            values.append(int(mask[y, x]))
    return np.array(shapes, object), values


def _geopackage(path: Path, mask: Pixels, crs: str, *, layer: str = "parcels") -> None:
    shapes, values = _blocks(mask, crs)
    names = np.array([NAMES[value] for value in values], object)
    numbers = np.arange(len(values))
    fields = ["parcel", "landcover"]
    pyogrio.raw.write(path, shapely.to_wkb(shapes), [numbers, names], fields, layer=layer, driver="GPKG", crs=crs,
                      geometry_type="Polygon")  # fmt: skip


def _shapefile(path: Path, mask: Pixels, crs: str) -> None:
    shapes, values = _blocks(mask, crs)
    names = np.array([NAMES[value] for value in values], object)
    folder = path.with_suffix("")
    folder.mkdir(parents=True)
    pyogrio.raw.write(folder / "parcels.shp", shapely.to_wkb(shapes), [names], ["landcover"], driver="ESRI Shapefile",
                      crs=crs, geometry_type="Polygon")  # fmt: skip
    shutil.make_archive(str(path.with_suffix("")), "zip", folder)
    shutil.rmtree(folder)


def _geojson(path: Path, mask: Pixels, crs: str) -> None:
    shapes, values = _blocks(mask, crs)
    features = [
        {
            "type": "Feature",
            "properties": {"fid": at, "landcover": NAMES[value]},
            "geometry": json.loads(shapely.to_geojson(shape)),
        }
        for at, (shape, value) in enumerate(zip(shapes, values, strict=True))
    ]
    named = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs[5:]}"}}
    document = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(document if crs == "EPSG:4326" else {**document, "crs": named}))


Write = Callable[[Path, Pixels, str], None]
WRITERS: list[tuple[str, Write]] = [("a.gpkg", _geopackage), ("a.geojson", _geojson), ("a.zip", _shapefile)]


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326", "EPSG:3857"])
@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_polygons_in_any_file_and_system_label_the_pixels(tmp_path: Path, name: str, write: Write, crs: str) -> None:
    mask = truth(0, 3)
    _ortho(tmp_path / "in" / "ortho.tif")
    write(tmp_path / "in" / name, mask, crs)
    found = take(tmp_path / "in")
    assert found.names == list(NAMES)
    assert np.array_equal(found.masks["ortho"], mask)
    assert found.description.metres_per_pixel == pytest.approx(METRES, rel=2e-3)


def test_many_pictures_share_one_file_and_those_without_polygons_stay_unlabelled(tmp_path: Path) -> None:
    mask = truth(1, 3, width=128)
    for at in range(3):
        _ortho(tmp_path / "in" / f"sheet_{at}.tif", column=64 * at)
    _geopackage(tmp_path / "in" / "all.gpkg", mask, "EPSG:4326")
    found = take(tmp_path / "in")
    assert np.array_equal(found.masks["sheet_0"], mask[:, :64])
    assert np.array_equal(found.masks["sheet_1"], mask[:, 64:])
    assert found.masks["sheet_2"] is None


def _few(path: Path, *, attributes: dict[str, list[Any]] | None = None) -> None:
    """Two polygons on the picture: 16 x 16 at the corner, and 8 x 8 inside of it."""
    boxes = [shapely.box(EAST, NORTH - 8, EAST + 8, NORTH), shapely.box(EAST, NORTH - 4, EAST + 4, NORTH)]
    known = attributes or {"kind": ["Field", "Pond"]}
    columns = [np.array(values, object if isinstance(values[0], str) else np.int64) for values in known.values()]
    path.parent.mkdir(parents=True, exist_ok=True)
    pyogrio.raw.write(path, shapely.to_wkb(np.array(boxes)), columns, list(known), layer="things", driver="GPKG",
                      crs=UTM, geometry_type="Polygon")  # fmt: skip


def _painted(background: int, field: int, pond: int) -> Pixels:
    wanted = np.full((48, 64), background, np.uint8)
    wanted[:16, :16], wanted[:8, :8] = field, pond
    return wanted


def _taken(tmp_path: Path, name: str = "taken", **choices: Any) -> Imported:
    return take(tmp_path / "in", name, **choices)


def test_outside_of_polygons_is_background_or_ignored_as_a_person_says(tmp_path: Path) -> None:
    _ortho(tmp_path / "in" / "o.tif")
    _few(tmp_path / "in" / "v.gpkg")
    found = _taken(tmp_path)
    assert found.names == ["Background", "Field", "Pond"]
    assert np.array_equal(found.masks["o"], _painted(0, 1, 2))
    ignored = _taken(tmp_path, "ignored", wanted={"outside": "ignore"})
    assert ignored.names == ["Field", "Pond"]
    assert np.array_equal(ignored.masks["o"], _painted(255, 0, 1))


def test_an_area_of_interest_bounds_what_is_labelled(tmp_path: Path) -> None:
    from core.data.readers.source import Asked

    _ortho(tmp_path / "in" / "o.tif")
    _few(tmp_path / "in" / "v.gpkg")
    area = shapely.to_wkb(np.array([shapely.box(EAST, NORTH - 10, EAST + 10, NORTH)], object))
    wanted = _painted(0, 1, 2)
    wanted[20:], wanted[:, 20:] = 255, 255
    for name, asked in (("aoi", Asked()), ("limits", Asked(area="limits.gpkg"))):
        pyogrio.raw.write(tmp_path / "in" / f"{name}.gpkg", area, [np.array([1])], ["id"], layer=name, driver="GPKG",
                          crs=UTM, geometry_type="Polygon")  # fmt: skip
        assert np.array_equal(_taken(tmp_path, name, asked=asked).masks["o"], wanted)
        (tmp_path / "in" / f"{name}.gpkg").unlink()
    with pytest.raises(ConfigError, match="No polygons are called moon"):
        _taken(tmp_path, "other", asked=Asked(area="moon"))


def test_the_attribute_is_chosen_or_named(tmp_path: Path) -> None:
    from core.data.readers.source import Asked

    _ortho(tmp_path / "in" / "o.tif")
    _few(tmp_path / "in" / "v.gpkg", attributes={"fid_2": [1, 2], "code": [7, 9], "owner": ["Ann", "Ben"]})
    assert _taken(tmp_path, "by-owner").names == ["Background", "Ann", "Ben"]
    assert _taken(tmp_path, "by-code", asked=Asked(attribute="CODE")).names == ["Background", "Class 7", "Class 9"]
    with pytest.raises(ConfigError, match="No polygon has the attribute moon: there are fid_2, code, owner"):
        _taken(tmp_path, "other", asked=Asked(attribute="moon"))


def test_a_file_a_class_is_told_by_its_name(tmp_path: Path) -> None:
    _ortho(tmp_path / "in" / "o.tif")
    for name, side in (("buildings", 8), ("roads", 4)):
        box = np.array([shapely.box(EAST, NORTH - side, EAST + side, NORTH)], object)
        pyogrio.raw.write(tmp_path / "in" / f"{name}.geojson", shapely.to_wkb(box), [np.array([5])], ["id"],
                          driver="GeoJSON", crs=UTM, geometry_type="Polygon")  # fmt: skip
    found = _taken(tmp_path)
    assert found.names == ["Background", "buildings", "roads"]
    assert np.array_equal(found.masks["o"], _painted(0, 1, 2))


def test_a_large_picture_gets_a_tiled_mask_that_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_files, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(labelled, "_STRIP_PIXELS", 1000)
    mask = truth(0, 3)
    _ortho(tmp_path / "in" / "ortho.tif")
    _geopackage(tmp_path / "in" / "a.gpkg", mask, "EPSG:4326")
    take(tmp_path / "in")
    (path,) = (folder_of("taken") / "masks").iterdir()
    assert path.suffix == ".tif"
    assert np.array_equal(read_mask(path).values, mask)


@pytest.mark.parametrize("name", ["v.gpkg", "v.geojson", "v.shp", "v.zip"])
@pytest.mark.parametrize("start", [b"SQLite format 3\0", b"\0\0\x27\x0a", b"{}", b"PK\3\4"])
def test_a_spoiled_file_of_vectors_is_one_sentence(tmp_path: Path, name: str, start: bytes) -> None:
    _ortho(tmp_path / "in" / "o.tif")
    (tmp_path / "in" / name).write_bytes(start + b"\xff" * 3000)
    with pytest.raises(DataError) as caught:
        _taken(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "/" not in str(caught.value)


def test_polygons_far_away_are_told_to_be(tmp_path: Path) -> None:
    _ortho(tmp_path / "in" / "o.tif", column=10**6)
    _few(tmp_path / "in" / "v.gpkg")
    with pytest.raises(DataError, match="No polygon lies on a picture: check the coordinate systems"):
        _taken(tmp_path)


def test_nothing_is_written_beside_a_geopackage(tmp_path: Path) -> None:
    _ortho(tmp_path / "in" / "o.tif")
    _few(tmp_path / "in" / "v.gpkg")
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    with opened_source(tmp_path / "in") as tree:
        survey(tree, ImportChoices())
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before


def test_long_edges_are_bent_as_the_picture_is(tmp_path: Path) -> None:
    """A straight edge of degrees is a curve in UTM: without corners on the way pixels of 200 km miss it by 1.5."""
    height, width, metres = 40, 800, 250.0
    place = Affine(metres, 0, 400_000.0, 0, -metres, 2_800_000.0)
    (tmp_path / "in").mkdir()
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": width, "height": height, "crs": UTM}
    with rasterio.open(tmp_path / "in" / "o.tif", "w", **profile, transform=place) as file:
        file.write(photo(0, height=height, width=width)[..., 0], 1)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    east, north = 400_000.0 + metres * columns, 2_800_000.0 - metres * rows
    latitudes = np.reshape(transform(UTM, "EPSG:4326", east.ravel().tolist(), north.ravel().tolist())[1], east.shape)
    edge = float(np.median(latitudes))
    box = json.loads(shapely.to_geojson(shapely.box(50.0, edge, 65.0, 30.0)))
    feature = {"type": "Feature", "properties": {"class": "North"}, "geometry": box}
    (tmp_path / "in" / "v.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    found = take(tmp_path / "in", blocks=False)
    assert found.names == ["Background", "North"]
    assert (found.masks["o"] != (latitudes > edge)).mean() < 0.002
