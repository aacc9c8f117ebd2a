"""Results as an office takes them: true sizes on the ground, how sure the model is, styles, and what a person gave."""

import json
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely

from core.imagery.geodesy import PixelAreas
from core.imagery.limits import Info
from core.infer.outputs.mask_polygons import Ground, PolygonSettings, polygons
from core.infer.outputs.qgis_style import ClassColours, put_style, qml, recoloured_qml
from core.infer.outputs.recolour import recolour
from core.infer.picture import Wanted, predict_picture
from core.infer.tiling import NO_DATA, Tiling
from tests.unit.infer.rasters import UTM, Held
from tests.unit.infer.test_picture import CLASSES, PLACE, blocks, loaded

PLACES = {
    "UTM": Info("TIFF", 60, 60, (), "EPSG:32640", (1000, 0, 330_000, 0, -1000, 2_780_000)),
    "Web Mercator": Info("TIFF", 60, 60, (), "EPSG:3857", (10_000, 0, 0, 0, -10_000, 9_000_000)),
    "turned": Info("TIFF", 60, 60, (), "EPSG:32640", (800, 600, 330_000, 600, -800, 2_780_000)),
    "given": Info("PNG", 60, 60).with_ground(0.5),
}


@pytest.mark.parametrize("name", PLACES)
def test_smoothed_polygons_have_the_area_of_what_they_cover_and_lose_none(name: str) -> None:
    info = PLACES[name]
    mask = np.kron(np.random.default_rng(3).integers(0, 3, (12, 12), dtype=np.uint8), np.ones((5, 5), np.uint8))
    sizes = PixelAreas(info)
    found = polygons(mask, PolygonSettings(smooth=4), Ground(sizes, 0, 0))
    assert found.square_metres is not None
    # Nothing lies beside the mask: what smoothing takes from one polygon its neighbours have.
    assert found.square_metres.sum() == pytest.approx(sizes.sums(0, np.zeros_like(mask), 1)[0], rel=1e-9)
    if info.crs is None:
        assert found.square_metres == pytest.approx(shapely.area(found.shapes) * 0.25, rel=1e-12)
        return
    a, b, c, d, e, f = info.transform
    close = shapely.segmentize(found.shapes, 0.25)
    points = shapely.get_coordinates(close)
    x, y = a * points[:, 0] + b * points[:, 1] + c, d * points[:, 0] + e * points[:, 1] + f
    flat = np.stack(rasterio.warp.transform(info.crs, "EPSG:6933", x.tolist(), y.tolist())[:2], axis=1)
    expected = shapely.area(shapely.set_coordinates(close.copy(), flat))
    assert found.square_metres == pytest.approx(expected, rel=2e-4)


def test_perimeters_are_metres_on_the_ground_holes_too() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20, 10:20] = 1
    settings = PolygonSettings(smooth=0, smallest_area=0)
    given = polygons(mask, settings, Ground(PixelAreas(replace(PLACES["given"], width=40, height=40)), 0, 0))
    assert given.perimeters is not None
    assert dict(zip(given.classes.tolist(), given.perimeters.tolist(), strict=True)) == {0: 100.0, 1: 20.0}
    # At 60 degrees north a metre of Web Mercator is about half a metre on the ground.
    mercator = Info("TIFF", 40, 40, (), "EPSG:3857", (10, 0, 0, 0, -10, 8_399_738))
    found = polygons(mask, settings, Ground(PixelAreas(mercator), 0, 0))
    assert found.perimeters is not None
    assert found.perimeters.max() == pytest.approx(200 * 10 * 0.5, rel=5e-3)


def test_confidence_is_the_mean_over_the_pixels_of_a_polygon() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 1
    mask[:, 19] = NO_DATA
    sure = np.full((20, 20), 127, np.uint8)
    sure[:10, 10:] = 254
    sure[mask == NO_DATA] = NO_DATA
    found = polygons(mask, PolygonSettings(), None, sure)
    assert found.confidence is not None
    assert dict(zip(found.classes.tolist(), found.confidence.tolist(), strict=True)) == {0: 0.5, 1: 0.75}


class _Given(Held):
    """With a pixel of half a metre, as a person says."""

    @property
    def info(self) -> Info:
        return super().info.with_ground(0.5)


@pytest.fixture(scope="module")
def stem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a picture that does not say where it lies, with a width of a pixel that a person gave."""
    held = _Given(blocks())
    folder = tmp_path_factory.mktemp("given")
    wanted = Wanted(tif=True, geojson=True, gpkg=True)
    predict_picture(held, folder / "a", loaded(), wanted, device="cpu", tiling=Tiling(512, 16))
    return folder / "a"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_files_say_that_the_ground_resolution_was_given(stem: Path, tmp_path: Path) -> None:
    said = "0.5 m a pixel, given by you"
    with rasterio.open(f"{stem}.tif") as file:
        assert said in file.tags()["GROUND_RESOLUTION"]
    assert said in json.loads(Path(f"{stem}.geojson").read_text())["GROUND_RESOLUTION"]
    with sqlite3.connect(f"{stem}.gpkg") as base:
        assert any(said in row[0] for row in base.execute("SELECT metadata FROM gpkg_metadata"))
    own = Held(blocks(), None, PLACE, UTM, 0.5)
    predict_picture(own, tmp_path / "b", loaded(), Wanted(geojson=True), device="cpu", tiling=Tiling(512, 16))
    assert "GROUND_RESOLUTION" not in json.loads((tmp_path / "b.geojson").read_text())


def test_the_style_lies_inside_and_beside_and_takes_the_colours_of_the_page(stem: Path, tmp_path: Path) -> None:
    assert not Path(f"{stem}_polygons.qml").exists()
    style = Path(f"{stem}.qml").read_text()
    assert 'value="10,20,30,' in style
    assert "Bright &amp; &lt;light&gt;" in style
    target = tmp_path / "shown.gpkg"
    recolour(Path(f"{stem}.gpkg"), target, [(1, 2, 3)])
    with sqlite3.connect(target) as base:
        ((layer, column, inside, default),) = base.execute(
            "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        )
    assert (layer, column, default) == ("classes", "geom", 1)
    assert inside == recoloured_qml(style, [(1, 2, 3)])
    assert 'value="1,2,3,' in inside
    assert 'value="250,240,230,' in inside
    assert "10,20,30" not in inside
    assert '<paletteEntry value="0" color="#010203"' in inside
    assert '<paletteEntry value="1" color="#faf0e6"' in inside


def test_no_style_lies_where_qgis_takes_it_for_a_photo(tmp_path: Path) -> None:
    (tmp_path / "a.JPG").touch()
    for name, wanted in (("a", Wanted(tif=True)), ("b", Wanted(gpkg=True)), ("c", Wanted(tif=True))):
        held = Held(blocks(), None, PLACE, UTM, 0.5)
        predict_picture(held, tmp_path / name, loaded(), wanted, device="cpu", tiling=Tiling(512, 16))
    assert {path.name for path in tmp_path.glob("*.qml")} == {"a_polygons.qml", "b_polygons.qml", "c.qml"}


def test_a_layer_has_one_style_however_often_it_is_put(stem: Path, tmp_path: Path) -> None:
    target = tmp_path / "twice.gpkg"
    shutil.copyfile(f"{stem}.gpkg", target)
    for colour in ((9, 9, 9), (8, 8, 8)):
        put_style(target, "classes", qml(ClassColours(CLASSES.scored_names, (colour, colour))), target=target)
    with sqlite3.connect(target) as base:
        ((style,),) = base.execute("SELECT styleQML FROM layer_styles")
    assert "8,8,8" in style


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_finds_statistics_and_ogr_every_field(stem: Path) -> None:
    if shutil.which("gdalinfo") is None or shutil.which("ogrinfo") is None:
        pytest.skip("gdalinfo is not here: it comes with Debian's gdal-bin")
    with rasterio.open(f"{stem}.tif") as file:
        mask = file.read(1)
    raster = json.loads(_told("gdalinfo", "-json", f"{stem}.tif"))
    found = raster["bands"][0]["metadata"][""]
    assert float(found["STATISTICS_MEAN"]) == pytest.approx(mask.mean())
    assert float(found["STATISTICS_STDDEV"]) == pytest.approx(mask.std())
    assert float(found["STATISTICS_VALID_PERCENT"]) == 100
    layer = _told("ogrinfo", "-so", f"{stem}.gpkg", "classes")
    for field in ("area_m2: Real", "perimeter_m: Real", "confidence: Real"):
        assert field in layer


def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
