"""A border that is not declared as no data: told on import, and left out of the labels where a person says so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from core import paths
from core.cli.main import main
from tests.unit.data.pictures import fields
from tests.unit.data.readers.brought import photo, save, take, truth
from tests.unit.data.test_stored_blocks import ortho
from tests.unit.imagery.test_border import turned

SIDES = (120, 600)
TOLD = "1 picture has a black border that is not declared as no data, {} % of its pixels"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    paths.home().mkdir(parents=True, exist_ok=True)


def wedges() -> np.ndarray:
    return turned(*SIDES, slope=0.1)[1]


def blacken(path: Path, border: np.ndarray) -> None:
    with rasterio.open(path, "r+") as file:
        values = file.read()
        values[:, border] = 0
        file.write(values)


def written(taken: Any) -> np.ndarray:
    (mask,) = taken.masks.values()
    return np.asarray(mask)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("size", [1.0, 1.02])
def test_nothing_is_labelled_in_a_border_that_is_left_out(depth: str, size: float) -> None:
    """Of masks as large as the picture, and of such that are resampled."""
    source, border = paths.home() / "in", wedges()
    values = (photo(1, height=SIDES[0], width=SIDES[1]) // 2 + 1).astype(depth) * (1 if depth == "uint8" else 200)
    values[border] = 0
    ortho(source / "o.tif", values)
    height, width = (round(side * size) for side in SIDES)
    save(source / "o_mask.png", truth(2, 3, height=height, width=width))
    whole = take(source, "whole", blocks=False, resample=0.05)
    left = take(source, "left", blocks=False, resample=0.05, leave_border=True)
    assert not (written(whole) == 255).any()
    assert np.array_equal(written(left) == 255, border)
    assert np.array_equal(written(left)[~border], written(whole)[~border])
    counted = sum(count for code, count in left.survey.counts.items() if code >= 0)
    assert counted == pytest.approx((~border).sum() * size**2, rel=0.02)
    share = TOLD.format(round(100 * border.mean()))
    assert f"{share}: it counts as ground. --leave-out-border leaves it out." in whole.survey.to_json()["notes"]
    assert f"{share}: it counts as not labelled." in left.survey.to_json()["notes"]


def test_blocks_of_an_orthophoto_with_polygons_lack_its_border() -> None:
    source, border = paths.home() / "in", wedges()
    source.mkdir()
    classes = fields(source, height=SIDES[0], width=SIDES[1])
    blacken(source / "ortho.tif", border)
    found = take(source, leave_border=True)
    assert len(found.masks) > 2
    labelled = sum(int((np.asarray(mask) != 255).sum()) for mask in found.masks.values())
    assert labelled > 0.6 * (~border).sum()
    for stem, mask in found.masks.items():
        with rasterio.open(paths.home() / "datasets" / "taken" / "images" / f"{stem}.tif") as file:
            black = (file.read() == 0).all(axis=0)
        assert np.array_equal(np.asarray(mask) == 255, black)
    assert set(np.unique(classes)) == {0, 1}


def test_a_class_that_is_nowhere_but_in_the_border_is_none() -> None:
    source, border = paths.home() / "in", wedges()
    values = photo(1, height=SIDES[0], width=SIDES[1]) // 2 + 1
    values[border] = 0
    ortho(source / "o.tif", values)
    mask = truth(2, 2, height=SIDES[0], width=SIDES[1]) + np.uint8(1)
    mask[border] = 0
    save(source / "o_mask.png", mask)
    assert len(take(source, "whole", blocks=False).names) == 3
    assert take(source, "left", blocks=False, leave_border=True).names == ["Class 1", "Class 2"]


@pytest.mark.parametrize("declared", [{"nodata": 0}, {}])
def test_the_command_line_tells_of_a_border_that_is_not_declared(
    declared: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    source, border = paths.home() / "in", wedges()
    values = photo(1, height=SIDES[0], width=SIDES[1]) // 2 + 1
    values[border] = 0
    ortho(source / "o.tif", values, **declared)
    save(source / "o_mask.png", truth(2, 2, height=SIDES[0], width=SIDES[1]))
    assert main(["data", "check", str(source), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["borders"] == ({} if declared else {"o": round(float(border.mean()), 4)})
    command = ["data", "import", str(source), "--name", "x", "--leave-out-border"]
    assert main(command) == 0
    assert ("counts as not labelled" in capsys.readouterr().out) is not bool(declared)


def test_a_dataset_that_has_no_room_on_the_disk_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = paths.home() / "in"
    ortho(source / "o.tif", photo(1, height=600, width=900))
    save(source / "o_mask.png", truth(2, 2, height=600, width=900))
    free = 1_000_000
    monkeypatch.setattr("core.files.shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert main(["data", "import", str(source), "--name", "x"]) != 0
    assert "The dataset takes about 1.73 MB of disk, and 1 MB are free: free some space" in capsys.readouterr().err
    assert not list((paths.home() / "datasets").iterdir())
    free = 3_000_000
    assert main(["data", "import", str(source), "--name", "x"]) == 0
