"""What is written: coordinates, colours and names as they were, polygons without gaps, areas that add up."""

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
from core.infer.areas import AreaCounter
from core.infer.batch import Wanted, outcome_files, predict_picture
from core.infer.difference import difference
from core.infer.look import Tiling
from core.infer.polygons import PolygonSettings, polygons
from core.infer.predict import PredictionCancelledError
from core.infer.rows import NO_DATA
from tests.unit.infer.rasters import UTM, Brightness, Held

CLASSES = ClassMap(("Dark", "Bright & <light>", "Nothing"), ((10, 20, 30), (250, 240, 230), (0, 0, 0)), 2)
PLACE = (0.5, 0.0, 327150.0, 0.0, -0.5, 2783400.0)
EVERYTHING = Wanted(True, True, True, True, True, True, True)


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
    _, _, geometry, fields = pyogrio.raw.read(f"{stem}.gpkg")
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
    with pytest.raises(PredictionCancelledError):
        run(placed, tmp_path, cancelled=lambda: bool(placed.reads))
    assert list(tmp_path.iterdir()) == []


def test_every_file_that_is_written_is_known_beforehand(placed: Held, tmp_path: Path) -> None:
    stem = run(placed, tmp_path, teacher=loaded())
    assert set(tmp_path.iterdir()) == set(outcome_files(stem))
