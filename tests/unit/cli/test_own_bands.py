"""A model of four bands on the command line: trained, exported with INT8, and used by the script of its zip."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from core.band_set import BandSet
from tests.unit.banded import NAMES, banded_dataset

from .conftest import Run

FAST = ("--crop", "32", "--views", "8", "--batch", "4", "--epochs", "1", "--device", "cpu", "--json")


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "deepness"), [("uint8", 0), ("uint16", 1)])
def test_exports_of_four_bands_answer_as_predict_does(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: str, deepness: int
) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    folder = banded_dataset(tmp_path, BandSet(NAMES, depth))
    code, out, err = run("train", "--dataset", "fields", "--architecture", "compact", "--base", "4", *FAST)
    assert code == 0, err
    name = json.loads(out)["runs"][0]["id"]
    code, _, err = run("export", name, "--int8", "--out", tmp_path / "out")
    assert code == 0, err
    code, _, err = run("export", name, "--for", "deepness", "--resolution", "60", "--out", tmp_path / "deepness")
    assert code == deepness, err
    assert not deepness or err.strip().endswith("takes uint16: take the usual ONNX instead.")

    picture = folder / "images" / "d.tif"
    code, _, err = run("predict", picture, "--model", name, "--tif", "--out", tmp_path / "masks")
    assert code == 0, err
    with rasterio.open(tmp_path / "masks" / "d.tif") as file:
        wanted = file.read(1)
    with zipfile.ZipFile(tmp_path / "out" / f"{name}.zip") as bundle:
        bundle.extractall(tmp_path / "zip")
    for model in ("model.onnx", "model-int8.onnx"):
        command = [sys.executable, "segment.py", str(picture), str(tmp_path / "mask.tif"), model]
        subprocess.run(command, cwd=tmp_path / "zip", check=True, capture_output=True)
        with rasterio.open(tmp_path / "mask.tif") as file:
            found = file.read(1)
        assert found.shape == wanted.shape
        assert np.mean(found == wanted) > 0.95
