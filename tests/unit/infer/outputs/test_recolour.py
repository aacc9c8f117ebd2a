"""Files in other colours: every table and column changes, everything else stays."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from core.infer.outputs.recolour import ENDINGS, recolour
from core.infer.picture import Wanted, predict_picture
from core.infer.tiling import Tiling
from tests.unit.infer.rasters import UTM, Held
from tests.unit.infer.test_picture import PLACE, blocks, loaded

SHOWN = [(1, 2, 3), (200, 100, 50)]


@pytest.fixture(scope="module")
def stem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that a picture of 1,100 x 1,200 gives; its mask has overviews."""
    folder = tmp_path_factory.mktemp("given")
    valid = np.ones((1100, 1200), np.bool_)
    valid[:10, :20] = False
    held = Held(blocks(1100, 1200), valid, PLACE, UTM, 0.5)
    wanted = Wanted(png=True, tif=True, probabilities=True, geojson=True, gpkg=True)
    given = {"device": "cpu", "tiling": Tiling(512, 16), "teacher": loaded()}
    predict_picture(held, folder / "a", loaded(), wanted, **given)
    return folder / "a"


def recoloured(stem: Path, ending: str, tmp_path: Path) -> tuple[Path, Path]:
    source = Path(f"{stem}{ending}")
    target = tmp_path / f"shown{ending}"
    before = source.read_bytes()
    recolour(source, target, SHOWN)
    assert source.read_bytes() == before
    return source, target


@pytest.mark.parametrize("name", [".tif", "_difference.tif"])
def test_a_geotiff_has_them_in_every_overview_and_stays_a_cog(stem: Path, tmp_path: Path, name: str) -> None:
    source, target = recoloured(stem, name, tmp_path)
    assert target.stat().st_size == source.stat().st_size
    with rasterio.open(source) as given, rasterio.open(target) as made:
        overviews = made.overviews(1)
        assert overviews
        assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (made.crs, made.transform, made.nodata, made.tags(1)) == (
            given.crs, given.transform, given.nodata, given.tags(1),
        )  # fmt: skip
        np.testing.assert_array_equal(made.read(1), given.read(1))
        kept = given.colormap(1)
        expected = {**kept, **{index: (*colour, 255) for index, colour in enumerate(SHOWN)}}
        assert made.colormap(1) == expected
    for level in range(len(overviews)):
        with rasterio.open(target, overview_level=level) as smaller:
            assert smaller.colormap(1) == expected


def test_a_png_shows_them_and_holds_the_same_classes(stem: Path, tmp_path: Path) -> None:
    source, target = recoloured(stem, ".png", tmp_path)
    with Image.open(source) as given, Image.open(target) as made:
        np.testing.assert_array_equal(np.asarray(given), np.asarray(made))
        assert made.getpalette()[:6] == [1, 2, 3, 200, 100, 50]
        assert made.info["transparency"] == given.info["transparency"]
        rgb = np.asarray(made.convert("RGB"))
    with rasterio.open(f"{stem}.tif") as file:
        mask = file.read(1)
    for index, colour in enumerate(SHOWN):
        assert (rgb[mask == index] == colour).all()


def test_polygons_name_them(stem: Path, tmp_path: Path) -> None:
    source, target = recoloured(stem, ".geojson", tmp_path)
    given, made = json.loads(source.read_text()), json.loads(target.read_text())
    assert len(made["features"]) > 100
    hexes = ["#010203", "#c86432"]
    for before, after in zip(given["features"], made["features"], strict=True):
        assert after["properties"]["colour"] == hexes[after["properties"]["class"]]
        assert after["geometry"] == before["geometry"]
        assert {**after["properties"], "colour": None} == {**before["properties"], "colour": None}
    _, target = recoloured(stem, ".gpkg", tmp_path)
    with sqlite3.connect(target) as base:
        found = set(base.execute('SELECT "class", colour FROM classes'))
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert found == set(enumerate(hexes))


def test_what_has_no_colours_stays_as_it_is(stem: Path, tmp_path: Path) -> None:
    source, target = recoloured(stem, "_probabilities.tif", tmp_path)
    assert source.read_bytes() == target.read_bytes()
    assert set(ENDINGS) == {".png", ".tif", ".geojson", ".gpkg", ".qml", ".html"}
