"""Results of several pictures together, as the page makes them: in its colours, and with nothing left behind."""

import sqlite3
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rasterio

from app.services import combining
from app.services.mapping import Choice
from core.errors import ConfigError
from tests.unit.infer.outputs.test_together import COLOURS, NAMES, info_of, saved, whole

CLASSES = (*zip(NAMES, COLOURS, strict=True), ("Unlabelled", (0, 0, 0)))


def result_of(path: Path | None) -> dict[str, Any]:
    return {"error": None if path else "It failed.", "files": [str(path)] if path else []}


@pytest.fixture
def job(tmp_path: Path) -> Any:
    return SimpleNamespace(folder=tmp_path, choice=Choice("student", smooth=0.0))


def test_only_results_that_know_their_place_are_offered(tmp_path: Path) -> None:
    there = saved(tmp_path / "a.tif", whole(), info_of(60, 90))
    nowhere = saved(tmp_path / "b.tif", whole(), info_of(60, 90, crs=None))
    assert combining.placed([result_of(nowhere), result_of(there), result_of(None)]) == [1]


def test_a_mosaic_and_a_change_come_in_the_colours_of_the_page(job: Any, tmp_path: Path) -> None:
    one = result_of(saved(tmp_path / "a.tif", whole(), info_of(60, 90)))
    other = result_of(saved(tmp_path / "b.tif", whole()[::-1].copy(), info_of(60, 90)))
    shown = [colour for _, colour in combining.painted(CLASSES, "safe")]
    assert shown[0] != COLOURS[0]
    for name, path in (
        ("mosaic", combining.mosaic_zip(job, [one, other], CLASSES, "safe")),
        ("change", combining.change_zip(job, one, other, CLASSES, "safe")),
    ):
        with zipfile.ZipFile(path) as packed:
            packed.extractall(tmp_path / name)
        with rasterio.open(tmp_path / name / f"{name}.tif") as file:
            assert file.colormap(1)[0][:3] == shown[0]
        with sqlite3.connect(tmp_path / name / f"{name}.gpkg") as base:
            found = {row[0] for row in base.execute("SELECT colour FROM classes")}
        assert found == {"#{:02x}{:02x}{:02x}".format(*colour) for colour in shown[:3]}
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and path.name.startswith(".")]


def test_what_cannot_be_put_together_is_one_sentence(job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combining, "MOST_PIXELS", 1000)
    one = result_of(saved(tmp_path / "a.tif", whole(), info_of(60, 90)))
    with pytest.raises(ConfigError, match="Choose masks that lie closer"):
        combining.mosaic_zip(job, [one, one], CLASSES, "colour")
