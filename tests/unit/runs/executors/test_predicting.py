"""A prediction as a run: what it leaves, how it goes on after a kill, and what it never makes anew."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import CheckpointError, RunError
from core.events import CancelledError, Progress
from core.image import encode_png
from core.imagery.limits import Limits
from core.infer.outputs.mask_polygons import PolygonSettings
from core.runs.executors import benchmarking
from core.runs.executors.predicting import execute
from core.runs.executors.table import EXECUTORS
from core.runs.store.records import RunKind

Made = Callable[..., tuple[dict[str, Any], Path]]


@pytest.fixture
def order(tmp_path: Path) -> Made:
    """The settings of a run on so many pictures, and its folder; the visitor's folder is made."""

    def make(count: int = 2, model: str = "student-2") -> tuple[dict[str, Any], Path]:
        visitor, run = tmp_path / "visitor", tmp_path / "run"
        for folder in (visitor / "in", visitor / "out", run):
            folder.mkdir(parents=True, exist_ok=True)
        items = []
        for at in range(count):
            path = visitor / "in" / f"{at}.png"
            path.write_bytes(encode_png(np.full((48, 48, 3), 40 * at, np.uint8)))
            items.append({"path": str(path), "name": f"{at}.png", "stem": str(visitor / "out" / f"{at:03d}")})
        wanted = {"tif": True, "areas": True}
        job = {"items": items, "model": model, "teacher": None, "wanted": wanted, "tiling": {}, "bands": None}
        return {**job, "device": "cpu", "polygons": asdict(PolygonSettings()), "limits": asdict(Limits())}, run

    return make


def carry_out(
    job: dict[str, Any], run: Path, *, after: int | None = None, on: Callable[[Progress], None] = lambda _: None
) -> dict[str, Any]:
    """Stopped after so many questions, if that is said."""
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return after is not None and len(asked) > after

    return execute(job, run, emit=on, cancelled=cancelled, runs=run.parent)


def report(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "report.json").read_text()))


def test_every_picture_is_in_the_report_and_a_bad_one_stops_none(order: Made) -> None:
    job, run = order(3)
    Path(job["items"][1]["path"]).write_bytes(b"no picture")
    assert carry_out(job, run) == {"pictures": 3, "failed": 1}
    told = report(run)
    assert (told["at"], told["of"], [one["error"] is None for one in told["results"]]) == (3, 3, [True, False, True])
    assert all(Path(file).is_file() for one in told["results"] for file in one["files"])


def test_an_attempt_after_a_kill_goes_on_behind_what_is_finished(order: Made) -> None:
    job, run = order(2)
    first = Path(job["items"][0]["stem"] + ".tif")
    begun: list[str] = []

    def kill(progress: Progress) -> None:
        begun.append(progress.doing)
        if progress.doing == "1.png":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(job, run, on=kill)
    assert [one["name"] for one in report(run)["results"]] == ["0.png"]
    before, begun = first.stat().st_mtime_ns, []
    assert carry_out(job, run, on=lambda progress: begun.append(progress.doing)) == {"pictures": 2, "failed": 0}
    assert first.stat().st_mtime_ns == before
    assert "0.png" not in begun


def test_what_was_finished_and_is_gone_is_made_again(order: Made) -> None:
    job, run = order(1)
    carry_out(job, run)
    Path(job["items"][0]["stem"] + ".tif").unlink()
    carry_out(job, run)
    assert Path(job["items"][0]["stem"] + ".tif").is_file()


def test_a_folder_that_the_visitor_deleted_is_not_made_again(order: Made, tmp_path: Path) -> None:
    job, run = order(2)

    def delete(progress: Progress) -> None:
        if progress.doing == "0.png" and progress.done:
            shutil.rmtree(tmp_path / "visitor", ignore_errors=True)

    with pytest.raises(RunError, match="were deleted"):
        carry_out(job, run, on=delete)
    assert not (tmp_path / "visitor").exists()
    with pytest.raises(RunError, match="were deleted"):
        carry_out(job, run)
    assert not (tmp_path / "visitor").exists()


def test_a_stop_keeps_what_is_finished(order: Made) -> None:
    job, run = order(2)
    with pytest.raises(CancelledError):
        carry_out(job, run, after=0)
    assert report(run)["results"] == []


def test_a_model_that_is_gone_is_an_error_of_ours(order: Made) -> None:
    with pytest.raises(CheckpointError):
        carry_out(*order(1, "nobody"))


def test_every_kind_of_run_has_an_executor() -> None:
    assert set(EXECUTORS) == set(RunKind)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_benchmark_is_kept_under_the_id_of_its_run_unless_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    from core.benchmark.plan import Plan
    from core.benchmark.results import Result

    plan = Plan(models=("student-2",))
    monkeypatch.setattr(
        benchmarking, "measure", lambda plan, **given: Result(given["benchmark_id"], plan, {"processor": "A CPU"})
    )
    (tmp_path / "20260101-000000-aaaa").mkdir()
    job = {"plan": json.loads(json.dumps(plan.to_json()))}
    given: dict[str, Any] = {"emit": lambda _: None, "cancelled": lambda: stopped, "runs": tmp_path}
    kept = tmp_path / "benchmarks" / "20260101-000000-aaaa.json"
    if stopped:
        with pytest.raises(CancelledError):
            benchmarking.execute(job, tmp_path / "20260101-000000-aaaa", **given)
        assert not kept.exists()
        return
    assert benchmarking.execute(job, tmp_path / "20260101-000000-aaaa", **given) == {"result": "20260101-000000-aaaa"}
    assert json.loads(kept.read_text())["plan"]["models"] == ["student-2"]
