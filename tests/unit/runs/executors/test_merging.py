"""A combination as a run: what its zip holds, and that neither a stop nor a deleted folder leaves anything behind."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, RunError
from core.events import CancelledError, Progress
from core.infer.outputs.mask_polygons import PolygonSettings
from core.runs.executors.merging import execute
from tests.unit.infer.outputs.test_together import COLOURS, info_of, saved, whole

INSIDE = {".gpkg", ".geojson", ".qml", ".tif", ".tif.aux.xml", "_areas.csv"}


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """A mosaic of two masks of a visitor's folder."""
    folder = tmp_path / "visitor"
    folder.mkdir()
    masks = [saved(folder / f"{at}.tif", whole(), info_of(60, 90, column=90 * at)) for at in range(2)]
    return {
        "what": "mosaic",
        "masks": [str(mask) for mask in masks],
        "target": str(folder / ".mosaic.zip"),
        "colours": [list(colour) for colour in COLOURS],
        "polygons": asdict(PolygonSettings()),
        "most": 1_000_000,
    }


def carry_out(
    job: dict[str, Any], folder: Path, *, after: int | None = None, on: Callable[[Progress], None] = lambda _: None
) -> dict[str, Any]:
    """Stopped after so many questions, if that is said."""
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(True)
        return after is not None and len(asked) > after

    return execute(job, folder, emit=on, cancelled=cancelled, runs=folder)


@pytest.mark.parametrize("what", ["mosaic", "change"])
def test_the_zip_holds_every_file_and_each_step_is_told(job: dict[str, Any], tmp_path: Path, what: str) -> None:
    if what == "change":
        job |= {"what": what, "masks": [job["masks"][0]] * 2}
    told: list[Progress] = []
    made = carry_out(job, tmp_path, on=told.append)
    with zipfile.ZipFile(job["target"]) as packed:
        assert set(packed.namelist()) == {*(f"{what}{ending}" for ending in INSIDE), "notes.txt"}
        notes = packed.read("notes.txt").decode().splitlines()
    # Nothing beside these masks tells how sure the model was.
    assert [note[:34] for note in notes] == ["The polygons do not say how sure t"]
    assert made == {"bytes": Path(job["target"]).stat().st_size, "notes": notes}
    assert {"Opening the masks", "Drawing polygons (gpkg)", "Packing the files"} <= {now.doing for now in told}
    assert all(0 <= now.share <= 1 for now in told)
    assert {path.name for path in (tmp_path / "visitor").iterdir() if path.name.startswith(".")} == {".mosaic.zip"}


@pytest.mark.parametrize("what", ["mosaic", "change"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stop_leaves_nothing(job: dict[str, Any], tmp_path: Path, after: int, what: str) -> None:
    job["what"] = what
    before = sorted((tmp_path / "visitor").iterdir())
    job["masks"] = job["masks"] if what == "mosaic" else [job["masks"][0]] * 2
    with pytest.raises(CancelledError):
        carry_out(job, tmp_path, after=after)
    assert sorted((tmp_path / "visitor").iterdir()) == before


def test_what_cannot_be_is_one_sentence_and_leaves_nothing(job: dict[str, Any], tmp_path: Path) -> None:
    before = sorted((tmp_path / "visitor").iterdir())
    with pytest.raises(ConfigError, match="share no ground"):
        carry_out({**job, "what": "change"}, tmp_path)
    with pytest.raises(ConfigError, match="at most 0 megapixels"):
        carry_out({**job, "most": 100}, tmp_path)
    assert sorted((tmp_path / "visitor").iterdir()) == before


def test_a_folder_that_the_visitor_deleted_is_not_made_again(job: dict[str, Any], tmp_path: Path) -> None:
    def delete(progress: Progress) -> None:
        if progress.doing == "Writing the GeoTIFF":
            shutil.rmtree(tmp_path / "visitor")

    with pytest.raises(RunError, match="cannot be written"):
        carry_out(job, tmp_path, on=delete)
    assert not (tmp_path / "visitor").exists()
    with pytest.raises(RunError, match="were deleted"):
        carry_out(job, tmp_path)
    assert not (tmp_path / "visitor").exists()
