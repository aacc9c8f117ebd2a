"""QGIS itself opens what we write: layer, style and classes of the GeoPackage, the QML beside it, and the mask.

Debian's `python3-qgis` brings it; where it is not there, these tests are skipped.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.infer.outputs.mask_polygons import PolygonSettings
from core.infer.outputs.recolour import recolour
from core.infer.outputs.together import change, mosaic
from core.infer.picture import Wanted, predict_picture
from core.infer.tiling import Tiling
from tests.unit.infer.outputs.test_together import info_of, saved, whole
from tests.unit.infer.rasters import UTM, Held
from tests.unit.infer.test_picture import CLASSES, PLACE, blocks, loaded

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("in_qgis.py")
NAMES, COLOURS = list(CLASSES.scored_names), ["#0a141e", "#faf0e6"]
PLACES: dict[str, tuple[str | None, tuple[float, ...] | None]] = {
    "utm": (UTM, PLACE),
    "degrees": ("EPSG:4326", (1e-5, 0, 55.3, 0, -1e-5, 25.2)),
    "turned": (UTM, (0.4, 0.3, 327150.0, 0.3, -0.4, 2783400.0)),
    "south_up": (UTM, (0.5, 0.0, 327150.0, 0.0, 0.5, 2783400.0)),
    "nowhere": (None, None),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks and polygons of pictures in several places, of a mosaic and of a change, and some in other colours."""
    made = tmp_path_factory.mktemp("qgis")
    for name, (crs, place) in PLACES.items():
        valid = np.ones((90, 130), np.bool_)
        valid[20:30, 30:50] = False
        wanted = Wanted(tif=True, gpkg=True, geojson=True)
        held = Held(blocks(), valid, place, crs, None)
        predict_picture(held, made / name, loaded(), wanted, device="cpu", tiling=Tiling(512, 16))
    recolour(made / "utm.gpkg", made / "recoloured.gpkg", [(1, 2, 3)])
    for ending in (".tif", ".geojson", ".qml"):
        recolour(made / f"utm{ending}", made / f"recoloured{ending}", [(1, 2, 3)])
    mask, second_date = whole(), whole()
    second_date[20:30, 30:50] = 2
    masks = [saved(made / f"{at}_mask.tif", one, info_of(60, 90)) for at, one in enumerate((mask, second_date))]
    mosaic(masks, made / "mosaic", settings=PolygonSettings())
    change(*masks, made / "change", settings=PolygonSettings())
    return made


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, Any]:
    """What QGIS says of each: its layer and its mask."""
    if subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False).returncode:
        pytest.skip("PyQGIS is not here: it comes with Debian's python3-qgis")
    stems = [str(file.with_suffix("")) for file in folder.glob("*.gpkg")]
    around = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    command = [PYTHON, "-I", str(SCRIPT), *stems]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110, env=around)
    told = json.loads(done.stdout.splitlines()[-1])
    return {Path(stem).name: files for stem, files in told["files"].items()}


def test_the_layer_opens_with_its_style_and_so_does_the_file_beside_it(seen: dict[str, Any]) -> None:
    assert set(seen) == {*PLACES, "recoloured", "mosaic", "change"}
    for name, (layer, _, geojson) in seen.items():
        assert (layer["valid"], layer["invalid"]) == (True, 0), name
        assert layer["features"] > 0
        assert layer["styles"] == [1, ["classes"]], name
        loaded, told, beside = layer["beside"]
        assert loaded, told
        assert beside == geojson == layer["inside"], name


def test_classes_have_their_names_and_colours(seen: dict[str, Any]) -> None:
    for name in PLACES:
        layer, mask, _ = seen[name]
        assert [row[:3] for row in layer["inside"]] == [["0", NAMES[0], COLOURS[0]], ["1", NAMES[1], COLOURS[1]]]
        assert {(row[3], row[4]) for row in layer["inside"]} == {(165, "#232323")}
        assert mask["renderer"] == "paletted", name
        assert mask["classes"] == [list(row) for row in zip([0, 1], NAMES, COLOURS, strict=True)]
        assert mask["nodata"] == 255
    layer, mask, _ = seen["recoloured"]
    assert [row[2] for row in layer["inside"]] == ["#010203", COLOURS[1]]
    # Its names come from the QML: nothing else of the GeoTIFF lies there.
    assert mask["classes"] == [[0, NAMES[0], "#010203"], [1, NAMES[1], COLOURS[1]]]
    layer, mask, _ = seen["change"]
    assert all(" → Road" in row[1] for row in layer["inside"])
    assert [row[1] for row in mask["classes"]] == ["Water", "Land & wood", "Road", "both the same"]


def test_layers_lie_where_the_picture_lies(seen: dict[str, Any]) -> None:
    for name, (crs, _) in PLACES.items():
        layer, mask, _ = seen[name]
        assert (layer["valid"], mask["valid"]) == (True, True)
        assert (layer["system"], mask["system"]) == (crs or "", crs or ""), name
        assert layer["extent"] == pytest.approx(mask["extent"], rel=1e-9), name
