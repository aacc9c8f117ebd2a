"""Results of several pictures together: runs that belong to their visitor, in the colours of the page."""

import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio
from streamlit.testing.v1 import AppTest

from app import visitor
from app.services import combining, mapping, runs, visitors, workers, workspaces
from app.services.combining import read_state, request, start
from app.services.mapping import Choice, SegmentationJob
from app.services.stores import open_store
from core.errors import RunStateError, TerrastillError
from core.runs.executors.merging import execute
from core.runs.store.records import MACHINE, VISITOR_KINDS, RunKind
from tests.ui.conftest import words
from tests.ui.segmentations import complete
from tests.ui.test_map import png
from tests.unit.infer.outputs.test_together import COLOURS, NAMES, info_of, saved, whole

View = Callable[..., AppTest]
CLASSES = (*zip(NAMES, COLOURS, strict=True), ("Unlabelled", (0, 0, 0)))


def result_of(path: Path | None, name: str = "a.tif") -> dict[str, Any]:
    result = {"error": None if path else "It failed.", "files": [str(path)] if path else [], "name": name}
    return {**result, "notes": [], "width": 90, "height": 60, "metres_per_pixel": 2.0, "seconds": 1.0} | {
        "areas": [],
        "differences": [],
    }


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[SegmentationJob]:
    monkeypatch.setattr(workers, "ensure_worker", lambda: False)
    workspace = workspaces.open_workspace()
    workspace.add("a.png", png())
    yield SegmentationJob(workspace, list(workspace.pictures), Choice("student", smooth=0.0))
    workspace.close()


@pytest.fixture
def two(job: SegmentationJob) -> list[dict[str, Any]]:
    """Two masks of one place, among the results of the job."""
    first = saved(job.folder / "a.tif", whole(), info_of(60, 90))
    return [result_of(first), result_of(saved(job.folder / "b.tif", whole()[::-1].copy(), info_of(60, 90)), "b.tif")]


def carry_out() -> None:
    """What the worker and its process would do with the combination that is next."""
    store = open_store()
    held = store.claim("w", [MACHINE], RunKind.COMBINATION)
    assert held is not None
    try:
        told = execute(held.job, store.folder(held.id), emit=lambda _: None, cancelled=lambda: False, runs=store.home)
    except TerrastillError as error:
        store.fail(held.id, "w", str(error), attempt=held.attempt)
    else:
        store.finish(held.id, "w", told, attempt=held.attempt)


def combinations() -> list[str]:
    return [run.id for run in open_store().list(kinds=(RunKind.COMBINATION,))]


def test_only_results_that_know_their_place_are_offered(tmp_path: Path) -> None:
    there = saved(tmp_path / "a.tif", whole(), info_of(60, 90))
    nowhere = saved(tmp_path / "b.tif", whole(), info_of(60, 90, crs=None))
    assert combining.placed([result_of(nowhere), result_of(there), result_of(None)]) == [1]


def test_a_mosaic_and_a_change_come_in_the_colours_of_the_page(
    job: SegmentationJob, two: list[dict[str, Any]], tmp_path: Path
) -> None:
    in_colours = [colour for _, colour in combining.painted(CLASSES, "safe")]
    assert in_colours[0] != COLOURS[0]
    for name in ("mosaic", "change"):
        wanted = request(job, name, two, CLASSES, "safe")
        assert read_state(job, wanted) is None
        start(job, wanted)
        queued = read_state(job, wanted)
        assert queued is not None
        assert (queued.state, queued.file) == ("waiting", None)
        carry_out()
        made = read_state(job, wanted)
        assert made is not None
        assert made.file is not None
        with zipfile.ZipFile(made.file) as packed:
            packed.extractall(tmp_path / name)
        with rasterio.open(tmp_path / name / f"{name}.tif") as file:
            assert file.colormap(1)[0][:3] == in_colours[0]
        with sqlite3.connect(tmp_path / name / f"{name}.gpkg") as base:
            found = {row[0] for row in base.execute("SELECT colour FROM classes")}
        assert found == {"#{:02x}{:02x}{:02x}".format(*colour) for colour in in_colours[:3]}
        # Other colours are another wish, and so are other pictures.
        assert read_state(job, request(job, name, two, CLASSES, "colour")) is None
        assert read_state(job, request(job, name, two[::-1], CLASSES, "safe")) is None
    assert not [path for path in job.folder.iterdir() if path.is_dir()]


def test_what_cannot_be_put_together_is_one_sentence(
    job: SegmentationJob, two: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combining, "MOST_PIXELS", 1000)
    wanted = request(job, "mosaic", two, CLASSES, "colour")
    start(job, wanted)
    carry_out()
    failed = read_state(job, wanted)
    assert failed is not None
    assert failed.state == "failed"
    assert failed.error is not None
    assert "Choose masks that lie closer" in failed.error
    start(job, wanted)
    assert len(combinations()) == 1


def test_a_second_wish_takes_the_place_of_the_first_and_the_queue_is_bounded(
    job: SegmentationJob, two: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = request(job, "mosaic", two, CLASSES, "colour"), request(job, "mosaic", two, CLASSES, "safe")
    start(job, first)
    carry_out()
    start(job, second)
    assert read_state(job, first) is None
    assert len(combinations()) == 1
    combining.cancel(job, second)
    stopped = read_state(job, second)
    assert stopped is not None
    assert stopped.state == "cancelled"
    monkeypatch.setattr(mapping, "MOST_WAITING", 0)
    with pytest.raises(RunStateError, match="try again in a few minutes"):
        start(job, second)


def test_it_is_found_after_a_restart_goes_with_the_images_and_is_shown_to_nobody_else(
    two: list[dict[str, Any]], job: SegmentationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspaces, "_KEPT", {})
    folder = visitors.folder_name({visitors.COOKIE: "a" * 43}, None)
    mine = workspaces.open_workspace(folder, now=1_700_000_000.0)
    mine.add("a.png", png())
    kept = SegmentationJob(mine, list(mine.pictures), Choice("student"))
    wanted = request(kept, "mosaic", two, CLASSES, "colour")
    start(kept, wanted)
    carry_out()
    workspaces._KEPT.clear()
    again = workspaces.open_workspace(folder, now=1_700_000_000.0)
    found = mapping.current(again)
    assert found is not None
    made = read_state(found, request(found, "mosaic", two, CLASSES, "colour"))
    assert made is not None
    assert made.file is not None
    assert made.file.is_file()
    # Another visitor who asks for the very same gets nothing of it.
    assert read_state(job, {**wanted, "target": str(job.folder / ".mosaic.zip")}) is None
    assert read_state(job, wanted) is None
    assert not {*combinations()} & {run.id for run in runs.list_runs()}
    again.delete()
    assert combinations() == []
    assert not made.file.exists()


def test_a_segmentation_that_is_replaced_takes_its_combinations_along(
    job: SegmentationJob, two: list[dict[str, Any]]
) -> None:
    start(job, request(job, "change", two, CLASSES, "colour"))
    SegmentationJob(job.workspace, job.pictures, Choice("student"))
    assert combinations() == []
    assert set(VISITOR_KINDS) == {RunKind.PREDICTION, RunKind.COMBINATION}


@pytest.mark.slow
def test_the_page_makes_shows_and_gives_both(
    view: View, job: SegmentationJob, two: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor, "open_workspace", lambda *_, **__: job.workspace)
    job.workspace.job = job
    job.workspace.add("b.png", png())
    job.pictures = list(job.workspace.pictures)
    complete(job, *two)
    page = view("map")
    assert not page.exception
    for what in ("mosaic", "change"):
        page.button(key=f"make_{what}").click().run()
        assert page.button(key=f"cancel_{what}")
        carry_out()
        page.run()
        assert not page.exception
        assert f"make_{what}" not in {button.key for button in page.button}
        assert f"cancel_{what}" not in {button.key for button in page.button}
    assert "Choose two different pictures" not in words(page)
