"""Each button that gives a file, pressed in a real browser: models for other tools, and results for an office.

And the way in: models that a visitor brings. The mask and the polygons of In your browser are downloaded in
test_in_browser.py and test_offline.py.
"""

import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
import rasterio
import segmentation_models_pytorch as smp
from playwright.sync_api import Browser, Page, expect

from benchmarks.serving import ROOT, settled
from core import paths
from tests.unit.brought.graphs import bright

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_MS = 240_000
UTM = "EPSG:32640"


@pytest.fixture
def visit(app: tuple[Browser, str]) -> Iterator[tuple[Page, str]]:
    """A page, and the address of the app."""
    if not (paths.CHECKPOINTS / "student-2.json").is_file():
        pytest.skip("the shipped checkpoints are not here")
    chromium, address = app
    page = chromium.new_page(viewport={"width": 1400, "height": 1600})
    page.set_default_timeout(PATIENCE_MS)
    yield page, address
    page.screenshot(path=ROOT / "artefacts" / "exports.png", full_page=True)
    page.close()


def taken(page: Page, name: str) -> bytes:
    """What a button gives."""
    settled(page)
    with page.expect_download() as told:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(told.value.path()).read_bytes()


def inside(content: bytes) -> dict[str, bytes]:
    """The files of a zip, by their names without folders."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return {Path(name).name: packed.read(name) for name in packed.namelist()}


def orthophoto(column: int, seed: int) -> bytes:
    """(160, 200) of colours, 200 pixels of half a metre to the east of the one of column 0 for 200."""
    rgb = np.kron(np.random.default_rng(seed).integers(0, 256, (3, 8, 10), dtype=np.uint8), np.ones((20, 20), np.uint8))
    place = rasterio.Affine(0.5, 0, 327_150 + column / 2, 0, -0.5, 2_783_400)
    with rasterio.MemoryFile() as held:
        shape = {"height": 160, "width": 200, "count": 3, "dtype": "uint8", "crs": UTM, "transform": place}
        with held.open(driver="GTiff", photometric="RGB", **shape) as file:
            file.write(rgb)
        return held.read()


def models(page: Page, address: str) -> None:
    page.goto(f"{address}/browser?model=student-2")
    assert {"model.onnx", "segment.py", "classes.json"} <= inside(taken(page, "Download ONNX")).keys()
    settled(page).get_by_role("button", name="For other tools").click()
    # Nobody knows what this model's pictures measure on the ground, so it is asked for.
    ground = page.get_by_role("spinbutton", name="Centimetres a pixel of the training pictures")
    expect(page.get_by_role("button", name="QGIS Deepness, GeoDeep", exact=True)).to_be_disabled()
    ground.fill("30")
    ground.press("Enter")
    known = onnx.load_model_from_string(taken(page, "QGIS Deepness, GeoDeep"))
    assert known.ir_version <= 8
    assert "resolution" in {entry.key for entry in known.metadata_props}
    hub = inside(taken(page, "Model hub"))
    assert {"model.safetensors", "config.json", "README.md"} <= hub.keys()
    assert {"model.xml", "model.bin"} <= inside(taken(page, "OpenVINO")).keys()
    stac = inside(taken(page, "STAC catalogue"))
    assert json.loads(stac["item.json"])["type"] == "Feature"
    assert len(stac["model.onnx"]) > 1000


def segment(page: Page, address: str) -> None:
    page.goto(f"{address}/images")
    pictures = [(f"{name}.tif", orthophoto(column, column)) for name, column in (("west", 0), ("east", 120))]
    files = [{"name": name, "mimeType": "image/tiff", "buffer": data} for name, data in pictures]
    page.locator("input[type=file]").set_input_files(files)
    expect(page.get_by_role("button", name="Remove all")).to_be_enabled()
    settled(page)
    page.get_by_role("combobox", name="Also make").click()
    for extra in ("Polygons (GeoPackage)", "Polygons (GeoJSON)", "Report (HTML, prints well)"):
        page.get_by_role("option", name=extra).click()
    page.keyboard.press("Escape")
    settled(page).get_by_role("button", name="Segment 2 images").click()
    page.get_by_text("All results (zip)").wait_for()


def results(page: Page, folder: Path) -> None:
    """Those of the first picture, then both together."""
    (folder / "a.gpkg").write_bytes(taken(page, "Polygons (GeoPackage)"))
    with closing(sqlite3.connect(folder / "a.gpkg")) as base:
        assert base.execute("SELECT f_table_name, useAsDefault FROM layer_styles").fetchall() == [("classes", 1)]
    with rasterio.MemoryFile(taken(page, "Mask (GeoTIFF)")) as held, held.open() as file:
        assert (file.crs.to_string(), file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"]) == (UTM, "COG")
    assert b"<paletteEntry" in taken(page, "Style for QGIS (QML)")
    assert json.loads(taken(page, "Polygons (GeoJSON)"))["features"]
    assert taken(page, "Report (HTML)").startswith(b"<!doctype html>")
    assert taken(page, "Areas (CSV)").startswith(b"class,pixels")
    assert {"001-west.tif", "002-east.gpkg"} <= inside(taken(page, "All results (zip)")).keys()
    settled(page).get_by_text("All together").click()
    for what, label in (("mosaic", "Mosaic and one layer"), ("change", "Change")):
        settled(page).get_by_role("button", name=f"Make: {label}").click()
        page.get_by_role("button", name=f"{label} (zip)").wait_for()
        made = inside(taken(page, f"{label} (zip)"))
        assert {f"{what}.tif", f"{what}.gpkg", f"{what}.qml", f"{what}_areas.csv"} <= made.keys()
        with rasterio.MemoryFile(made[f"{what}.tif"]) as held, held.open() as file:
            assert file.width == (320 if what == "mosaic" else 200)


def zipped_folder(folder: Path) -> bytes:
    """A folder of smp in a zip, as somebody would pack it."""
    smp.Unet("tu-mobilenetv3_small_050", encoder_weights=None, classes=4).save_pretrained(folder)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for file in folder.iterdir():
            made.write(file, f"{folder.name}/{file.name}")
    return packed.getvalue()


def bring(page: Page, address: str, name: str, file: tuple[str, bytes], classes: dict[str, str]) -> None:
    """Upload a model, say which of its classes stand for which, see it at work, and import it."""
    page.goto(f"{address}/models")
    page.get_by_text("Bring a model").click()
    page.locator("input[type=file]").set_input_files(
        {"name": file[0], "mimeType": "application/octet-stream", "buffer": file[1]}
    )
    # Each preview runs the model: one is enough, once all is said.
    choose(page, "What it makes of a picture", "No picture")
    said = {"Name": name, "Classes, in the order of its outputs": ", ".join(classes)}
    said |= {"Mean of each band, red first": "0, 0, 0", "Std of each band, red first": "1, 1, 1"}
    for label, text in said.items():
        field = page.get_by_role("textbox", name=label, exact=True)
        field.fill(text)
        field.press("Enter")
    choose(page, "It answers in the classes of", "Dubai aerial images")
    for theirs, own in classes.items():
        if theirs != own.lower():
            choose(page, theirs, own)
    choose(page, "What it makes of a picture", "Scene 1")
    page.get_by_text(re.compile(r"(Building|Land|Road|Vegetation|Water)\D* \d+%")).first.wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text(f"{name} is here").wait_for()


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_every_button_gives_its_file(visit: tuple[Page, str], tmp_path: Path) -> None:
    page, address = visit
    models(page, address)
    segment(page, address)
    results(page, tmp_path)
    sides = {"source": ("n", 3, "h", "w"), "result": ("n", 3, "h", "w")}
    graph = bright(tmp_path / "tones.onnx", **sides).read_bytes()
    bring(
        page, address, "tones", ("tones.onnx", graph), {"building": "Building", "grass": "Vegetation", "water": "Water"}
    )
    four = {"building": "Building", "road": "Road", "vegetation": "Vegetation", "pond": "Water"}
    bring(page, address, "folder", ("folder.zip", zipped_folder(tmp_path / "smp")), four)
    page.goto(f"{address}/compare")
    page.get_by_role("button", name="Image and models").click()
    page.get_by_role("combobox", name="Teacher").click()
    for name in ("tones", "folder"):
        page.get_by_role("option", name=re.compile(rf"^{name}\b")).wait_for()
