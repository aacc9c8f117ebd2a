"""What is written: coordinates, colours and names as they were, polygons without gaps, areas that add up."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import torch
from numpy.typing import NDArray
from PIL import Image

from core.checkpoint import Loaded, ModelCard
from core.classes import ClassMap
from core.config import ModelConfig
from core.errors import ConfigError
from core.events import CancelledError
from core.imagery.geodesy import to_degrees
from core.infer.outputs.areas import AreaCounter
from core.infer.outputs.difference import difference
from core.infer.outputs.mask_polygons import PolygonSettings, polygons
from core.infer.picture import Wanted, output_files, predict_picture
from core.infer.tiling import NO_DATA, Tiling
from tests.unit.infer.rasters import UTM, Brightness, Held

CLASSES = ClassMap(("Dark", "Bright & <light>", "Nothing"), ((10, 20, 30), (250, 240, 230), (0, 0, 0)), 2)
PLACE = (0.5, 0.0, 327150.0, 0.0, -0.5, 2783400.0)
EVERYTHING = Wanted(True, True, True, True, True, True, True, True)


def loaded(model: torch.nn.Module | None = None, classes: ClassMap = CLASSES) -> Loaded:
    card = ModelCard("two", ModelConfig(), classes, (127.0,) * 3, (64.0,) * 3, parameters=0, macs_256=0)
    return Loaded(model or Brightness(), card)


def blocks(height: int = 90, width: int = 130, seed: int = 0) -> NDArray[np.uint8]:
    """Bright and dark fields of 10 pixels."""
    cells = np.random.default_rng(seed).integers(0, 2, (height // 10, width // 10, 1))
    return (np.kron(cells, np.ones((10, 10, 3))) * 200).astype(np.uint8)


@pytest.fixture
def placed() -> Held:
    valid = np.ones((90, 130), np.bool_)
    valid[:10, :20] = False
    return Held(blocks(), valid, PLACE, UTM, 0.5)


def run(held: Held, folder: Path, **more: object) -> Path:
    predict_picture(held, folder / "a", loaded(), EVERYTHING, device="cpu", tiling=Tiling(64, 16), **more)
    return folder / "a"


def expected(held: Held) -> NDArray[np.uint8]:
    mask = (held.rgb[..., 0] > 127).astype(np.uint8)
    if held.valid is not None:
        mask[~held.valid] = NO_DATA
    return mask


def test_the_geotiff_keeps_the_place_and_carries_colours_names_and_no_data(placed: Held, tmp_path: Path) -> None:
    stem = run(placed, tmp_path)
    with rasterio.open(f"{stem}.tif") as file:
        assert (file.crs, tuple(file.transform)[:6]) == (rasterio.CRS.from_string(UTM), PLACE)
        assert (file.nodata, file.count, file.dtypes) == (NO_DATA, 1, ("uint8",))
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.colormap(1)[1] == (250, 240, 230, 255)
        assert file.tags(1)["CLASS_1"] == "Bright & <light>"
        np.testing.assert_array_equal(file.read(1), expected(placed))
    with rasterio.open(f"{stem}_probabilities.tif") as file:
        assert file.descriptions == CLASSES.scored_names
        shares = file.read(masked=True) * file.scales[0]
        assert np.abs(shares.sum(axis=0) - 1).max() < 0.005
        np.testing.assert_array_equal(shares.argmax(axis=0)[placed.valid], expected(placed)[placed.valid])


def test_gdal_and_ogr_open_it_right(placed: Held, tmp_path: Path) -> None:
    """The tools that QGIS users have, in a version of their own."""
    if shutil.which("gdalinfo") is None or shutil.which("ogrinfo") is None:
        pytest.skip("gdalinfo is not here: it comes with Debian's gdal-bin")
    stem = run(placed, tmp_path)

    def told(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    raster = json.loads(told("gdalinfo", "-json", f"{stem}.tif"))
    band = raster["bands"][0]
    assert 'ID["EPSG",32640]' in raster["coordinateSystem"]["wkt"]
    assert raster["geoTransform"] == [PLACE[2], PLACE[0], 0, PLACE[5], 0, PLACE[4]]
    assert band["noDataValue"] == NO_DATA
    assert band["colorTable"]["entries"][1] == [250, 240, 230, 255]
    assert "0: Dark\n      1: Bright & <light>" in told("gdalinfo", f"{stem}.tif")
    layer = told("ogrinfo", "-so", f"{stem}.gpkg", "classes")
    assert "Geometry: Polygon" in layer
    assert 'ID["EPSG",32640]' in layer
    assert "name: String" in layer


def test_the_png_is_the_mask_with_its_palette(placed: Held, tmp_path: Path) -> None:
    with Image.open(f"{run(placed, tmp_path)}.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), expected(placed))
        assert picture.getpalette()[3:6] == [250, 240, 230]


def test_polygons_cover_the_mask_once_and_lie_where_the_picture_lies(placed: Held, tmp_path: Path) -> None:
    stem = run(placed, tmp_path)
    _, _, geometry, fields = pyogrio.raw.read(f"{stem}.gpkg", layer="classes")
    shapes = shapely.from_wkb(geometry)
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    valid_square_metres = placed.valid.sum() * 0.25
    assert shapely.area(shapes).sum() == pytest.approx(valid_square_metres, rel=1e-6)
    assert tuple(np.round(shapely.total_bounds(shapes), 3)) == (327150.0, 2783355.0, 327215.0, 2783400.0)
    assert set(fields[1]) <= set(CLASSES.names)
    features = json.loads(Path(f"{stem}.geojson").read_text())["features"]
    assert len(features) == len(shapes)
    longitude, latitude = features[0]["geometry"]["coordinates"][0][0]
    assert 55.2 < longitude < 55.4
    assert 25.1 < latitude < 25.2
    assert {feature["properties"]["colour"] for feature in features} == {"#0a141e", "#faf0e6"}


def test_simplified_neighbours_share_their_edge() -> None:
    y, x = np.mgrid[:200, :200]
    wavy = (y > 100 + 30 * np.sin(x / 9)).astype(np.uint8)
    found = polygons(wavy, PolygonSettings(smallest_area=1, smooth=2.0))
    raw = polygons(wavy, PolygonSettings(smallest_area=1, smooth=0))
    assert shapely.get_num_coordinates(found.shapes).sum() < shapely.get_num_coordinates(raw.shapes).sum() / 3
    assert shapely.area(found.shapes).sum() == pytest.approx(200 * 200)
    assert shapely.area(shapely.intersection(*found.shapes)) == pytest.approx(0)
    edge = shapely.hausdorff_distance(found.shapes[0].exterior, raw.shapes[0].exterior)
    assert edge < 4


def test_small_spots_join_their_neighbours_and_no_data_has_no_polygon() -> None:
    mask = np.zeros((50, 50), np.uint8)
    mask[10:12, 10:12] = 1
    mask[30:, :] = NO_DATA
    found = polygons(mask, PolygonSettings(smooth=0))
    assert found.classes.tolist() == [0]
    assert shapely.area(found.shapes).sum() == 30 * 50
    assert len(polygons(np.full((9, 9), NO_DATA, np.uint8), PolygonSettings()).shapes) == 0


def test_areas_add_up_and_are_measured_on_the_ground(placed: Held) -> None:
    counter = AreaCounter(placed.info, CLASSES.scored_names)
    mask = expected(placed)
    for y in range(0, 90, 30):
        counter.add(y, mask[y : y + 30])
    areas = counter.areas()
    assert sum(area.pixels for area in areas) == placed.valid.sum()
    assert sum(area.share for area in areas) == pytest.approx(1)
    assert sum(area.square_metres or 0 for area in areas) == pytest.approx(placed.valid.sum() * 0.25, rel=1e-3)
    assert areas[0].hectares == pytest.approx((areas[0].square_metres or 0) / 10_000)
    nowhere = AreaCounter(Held(blocks()).info, CLASSES.scored_names)
    nowhere.add(0, mask)
    assert [area.square_metres for area in nowhere.areas()] == [None, None]


ROTATED = (0.4, 0.3, 327150.0, 0.25, -0.45, 2783400.0)


def test_polygons_of_a_rotated_picture_lie_where_all_six_terms_of_its_map_say(tmp_path: Path) -> None:
    stem = run(Held(blocks(), None, ROTATED, UTM, 0.5), tmp_path)
    a, b, c, d, e, f = ROTATED
    corners = [(a * x + b * y + c, d * x + e * y + f) for x, y in ((0, 0), (130, 0), (130, 90), (0, 90))]
    outline = shapely.Polygon(corners)
    _, _, geometry, _ = pyogrio.raw.read(f"{stem}.gpkg", layer="classes")
    covered = shapely.union_all(shapely.from_wkb(geometry))
    assert shapely.area(shapely.symmetric_difference(covered, outline)) < 1e-6 * outline.area
    features = json.loads(Path(f"{stem}.geojson").read_text())["features"]
    degrees = shapely.union_all(shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features]))
    expected = shapely.Polygon(to_degrees(UTM, np.array(corners)))
    assert shapely.area(shapely.symmetric_difference(degrees, expected)) < 1e-4 * expected.area


def test_polygons_carry_their_square_metres(placed: Held, tmp_path: Path) -> None:
    stem = run(placed, tmp_path, polygons=PolygonSettings(smooth=0, smallest_area=0))
    meta, _, _, columns = pyogrio.raw.read(f"{stem}.gpkg", layer="classes")
    fields = dict(zip(meta["fields"], columns, strict=True))
    with Path(f"{stem}_areas.csv").open() as file:
        rows = {row["class"]: float(row["square_metres"]) for row in csv.DictReader(file)}
    for name, metres in rows.items():
        assert fields["area_m2"][fields["name"] == name].sum() == pytest.approx(metres, rel=1e-4)
    properties = [f["properties"] for f in json.loads(Path(f"{stem}.geojson").read_text())["features"]]
    assert sum(one["area_m2"] for one in properties) == pytest.approx(sum(rows.values()), rel=1e-4)
    nowhere = run(Held(blocks()), tmp_path / "nowhere")
    properties = [f["properties"] for f in json.loads(Path(f"{nowhere}.geojson").read_text())["features"]]
    assert {one["area_m2"] for one in properties} == {None}
    meta, _, _, columns = pyogrio.raw.read(f"{nowhere}.gpkg", layer="classes")
    assert np.isnan(columns[list(meta["fields"]).index("area_m2")]).all()


def test_areas_do_not_depend_on_how_a_picture_is_cut_into_strips() -> None:
    """Of a picture whose upper pixels are a fifth of its lower ones, each class in one half."""
    info = Held(np.zeros((180, 9, 3), np.uint8), None, (1, 0, 0, 0, -0.45, 81), "EPSG:4326").info
    mask = np.repeat(np.array([[0], [1]], np.uint8), 90, axis=0).repeat(9, axis=1)
    found = []
    for tall in (180, 60, 7, 1):
        counter = AreaCounter(info, ("north", "south"))
        for y in range(0, 180, tall):
            counter.add(y, mask[y : y + tall])
        found.append([area.square_metres for area in counter.areas()])
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-9)
    assert found[0][1] > 1.5 * found[0][0]


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ('LOCAL_CS["site grid",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]', PLACE),
        ("EPSG:5773", PLACE),
        ("ESRI:104905", (0.01, 0.0, 0.0, 0.0, -0.01, 0.0)),
    ],
)
def test_a_system_without_degrees_gives_masks_and_no_areas_and_that_is_told(
    crs: str, place: tuple[float, ...], tmp_path: Path
) -> None:
    held = Held(blocks(), None, place, crs)
    outcome = predict_picture(held, tmp_path / "a", loaded(), EVERYTHING, device="cpu", tiling=Tiling(64, 16))
    assert all(area.square_metres is None for area in outcome.areas)
    assert any("Areas in square metres are not worked out" in note for note in outcome.notes)
    assert any("GeoJSON is in pixels" in note for note in outcome.notes)
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected(held))
        assert tuple(file.transform)[:6] == place
    assert pyogrio.read_info(tmp_path / "a.gpkg", layer="classes")["features"] > 1


def test_control_points_go_on_to_the_mask(tmp_path: Path) -> None:
    points = tuple(
        (row, column, 3e5 + column + 0.1 * row * column, 2e6 - row) for row in (0.0, 90.0) for column in (0.0, 130.0)
    )
    held = Held(blocks(), None, None, UTM, control_points=points)
    predict_picture(held, tmp_path / "a", loaded(), Wanted(tif=True), device="cpu", tiling=Tiling(64, 16))
    with rasterio.open(tmp_path / "a.tif") as file:
        found, crs = file.gcps
    assert crs == rasterio.CRS.from_string(UTM)
    assert [(p.row, p.col, p.x, p.y) for p in found] == [pytest.approx(point) for point in points]


def test_a_picture_without_a_place_gives_pixels(tmp_path: Path) -> None:
    held = Held(blocks())
    stem = run(held, tmp_path)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        file = rasterio.open(f"{stem}.tif")
    with file:
        assert file.crs is None
        np.testing.assert_array_equal(file.read(1), expected(held))
    features = json.loads(Path(f"{stem}.geojson").read_text())["features"]
    corners = np.concatenate([np.concatenate(f["geometry"]["coordinates"]) for f in features])
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == ([0, -90], [130, 0])
    assert "Dark," in Path(f"{stem}_areas.csv").read_text()


def test_the_difference_is_the_students_class_where_they_differ() -> None:
    student = np.array([[0, 1, 1, NO_DATA]], np.uint8)
    teacher = np.array([[0, 0, NO_DATA, 1]], np.uint8)
    assert difference(2, student=student, teacher=teacher).tolist() == [[2, 1, NO_DATA, NO_DATA]]


def test_a_teacher_gives_a_difference_with_areas_that_add_up(placed: Held, tmp_path: Path) -> None:
    class Contrary(Brightness):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found = super().forward(images)
            found[..., 40:] *= -1
            return found

    outcome = predict_picture(
        placed, tmp_path / "a", loaded(), Wanted(), device="cpu", tiling=Tiling(256, 0), teacher=loaded(Contrary())
    )
    with rasterio.open(tmp_path / "a_difference.tif") as file:
        found = file.read(1)
    assert (found[:, :40][placed.valid[:, :40]] == 2).all()
    assert (found[:, 40:] == expected(placed)[:, 40:]).all()
    by_name = {area.name: area.pixels for area in outcome.differences}
    assert by_name["both the same"] == placed.valid[:, :40].sum()
    assert sum(by_name.values()) == placed.valid.sum()
    assert by_name["Dark → Bright & <light>"] == (expected(placed)[:, 40:] == 1).sum()


def test_models_of_other_classes_are_not_compared(placed: Held, tmp_path: Path) -> None:
    other = ClassMap(("Sea", "Land", "Nothing"), CLASSES.colours, 2)
    with pytest.raises(ConfigError, match="different classes"):
        predict_picture(placed, tmp_path / "a", loaded(), Wanted(), device="cpu", teacher=loaded(classes=other))


def test_nothing_is_left_of_a_prediction_that_was_cancelled(placed: Held, tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        run(placed, tmp_path, cancelled=lambda: bool(placed.reads))
    assert list(tmp_path.iterdir()) == []


def test_every_file_that_is_written_is_known_beforehand(placed: Held, tmp_path: Path) -> None:
    stem = run(placed, tmp_path, teacher=loaded())
    # A style that the polygons have for themselves is written where there is none for the mask.
    alone = stem.with_name(f"{stem.name}_polygons.qml")
    assert set(tmp_path.iterdir()) == set(output_files(stem)) - {alone}
