"""The runs page over a real store: empty, waiting, running, done, failed; and what can be done in each state."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services.stores import open_store
from core.config import DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.events import EpochEvent, MessageEvent, PreviewEvent, StepEvent
from core.runs.recorder import Recorder
from core.runs.store.records import RunState
from tests.ui.conftest import World, words

View = Callable[..., AppTest]

DISTILL = RunConfig(
    kind="distill",
    name="Tiny",
    model=ModelConfig("unet", {"base": 4}),
    train=TrainConfig(epochs=10, seed=3),
    distill=DistillConfig(teacher="teacher", temperature=2.0, alpha=0.5),
)
WORKER = "here-1"


def add_pair() -> tuple[str, str]:
    """A distillation and its control, both queued."""
    store = open_store()
    run = store.add(DISTILL)
    control = store.add(replace(DISTILL, kind="train", distill=None, control_of=run.id))
    return run.id, control.id


def work(run_id: str, *, epochs: int = 2) -> None:
    """Claim the oldest run, and write what it would have written."""
    store = open_store()
    claimed = store.claim(WORKER, ["cpu"])
    assert claimed is not None
    assert claimed.id == run_id
    store.heartbeat(run_id, WORKER, epochs / 10, attempt=claimed.attempt)
    record = Recorder(store.folder(run_id), claimed.config)
    picture, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    for epoch in range(1, epochs + 1):
        record(StepEvent(epoch, 10, 4, 8, {"cross_entropy": 1.0, "soft_targets": 0.5}, 0.01, 12.0, 83.0))
        record(EpochEvent(epoch, 10, {"cross_entropy": 0.9}, 5.0 * epoch, miou5=0.1 * epoch, accuracy=0.5))
        record(PreviewEvent(epoch, picture, mask, mask))


def finish(run_id: str, **summary: Any) -> None:
    open_store().finish(run_id, WORKER, summary, attempt=1)


def buttons(page: AppTest) -> set[str]:
    return {button.label for button in page.button}


def test_without_runs_it_leads_to_distill(view: View, world: World) -> None:
    page = view("runs")
    assert not page.exception
    assert "No runs yet" in words(page)
    page.button[0].click().run()
    assert world.switched == [("views/distill/page.py", {})]


def test_a_waiting_run_says_that_it_waits(view: View) -> None:
    run_id, control_id = add_pair()
    page = view("runs", run=run_id)
    assert not page.exception
    assert "Waiting for the worker." in words(page)
    page = view("runs", run=control_id)
    assert "Starts when the distillation it controls for is done" in words(page)


def test_a_running_run_shows_where_it_is(view: View) -> None:
    run_id, _ = add_pair()
    work(run_id)
    page = view("runs", run=run_id)
    assert not page.exception
    progress = page.get("progress")[0].proto
    assert progress.value == 20
    assert progress.text == "Epoch 2 of 10 · 83 s left · 12 images a second"
    assert len(page.get("plotly_chart")) == 2
    assert [image.captions for image in page.get("image")] == [["Image"], ["Known mask"], ["Student after epoch 2"]]
    assert "Cancel" in buttons(page)
    assert "Delete for good" not in buttons(page)


def test_the_newest_run_is_shown_without_a_link(view: View) -> None:
    _, control_id = add_pair()
    assert view("runs").selectbox(key="run").value == control_id
    assert view("runs", run="20260101-000000-0000").selectbox(key="run").value == control_id


def test_cancel_asks_the_run_to_stop_and_its_control_with_it(view: View) -> None:
    run_id, control_id = add_pair()
    work(run_id)
    page = view("runs", run=run_id)
    page.button(key="cancel").click().run()
    assert not page.exception
    assert open_store().get(run_id).cancel_requested
    assert open_store().get(control_id).state == RunState.CANCELLED
    assert page.get("progress")[0].proto.text == "Stopping after this step …"
    assert "Cancel" not in buttons(page)


def test_a_failed_run_says_why_and_can_be_tried_again(view: View, world: World) -> None:
    run_id, _ = add_pair()
    work(run_id)
    open_store().fail(run_id, WORKER, "Memory ran out: choose a smaller batch size.", attempt=1)
    page = view("runs", run=run_id)
    assert not page.exception
    assert page.error[0].value == "Memory ran out: choose a smaller batch size."
    assert page.expander[0].label == "Log"
    page.button(key="retry").click().run()
    assert open_store().get(run_id).state == RunState.QUEUED
    assert world.started == 1


def test_a_loss_against_the_control_is_no_success(view: View) -> None:
    run_id, control_id = add_pair()
    for done, score in ((run_id, 0.4), (control_id, 0.5)):
        work(done)
        finish(done, best_miou5=score)
    page = view("runs", run=run_id)
    assert "lost 10.0 points against its control" in page.warning[0].value
    assert len(page.success) == 0


def test_a_warning_of_the_run_is_shown_once(view: View) -> None:
    run_id, _ = add_pair()
    work(run_id)
    record = Recorder(open_store().folder(run_id), DISTILL)
    for _ in range(2):
        record(MessageEvent("Collapsed: every pixel is Land.", "warning"))
    page = view("runs", run=run_id)
    assert [warning.value for warning in page.warning] == ["Collapsed: every pixel is Land."]


def test_the_gain_over_the_control_is_told_when_both_are_done(view: View, world: World) -> None:
    run_id, control_id = add_pair()
    work(run_id)
    finish(run_id, best_miou5=0.62, teacher_miou5=0.75, train_seconds=60)
    page = view("runs", run=run_id)
    assert "The gain shows when the control is done too." in words(page)
    work(control_id)
    finish(control_id, best_miou5=0.55, train_seconds=60)
    for shown in (run_id, control_id):
        page = view("runs", run=shown)
        assert not page.exception
        assert "gained 7.0 points" in page.info[0].value
        assert "35 % of the gap" in page.info[0].value
        assert "launch more seeds" in page.info[0].value
        assert len(page.success) == 0
    page = view("runs", run=run_id)
    page.button(key="compare").click().run()
    link = {"students": [run_id, control_id], "teacher": "teacher"}
    assert world.switched == [("views/compare/page.py", link)]


def test_a_finished_run_offers_its_student(view: View) -> None:
    run_id, _ = add_pair()
    work(run_id)
    finish(run_id, best_miou5=0.62)
    page = view("runs", run=run_id)
    assert {button.label for button in page.get("download_button")} == {"Download student", "Report"}
    assert {"Compare", "Delete for good"} <= buttons(page)
    assert not {"Cancel", "Retry"} & buttons(page)


def test_delete_takes_a_second_click_and_removes_the_run(view: View) -> None:
    run_id = open_store().add(DISTILL).id
    page = view("runs", run=run_id)
    page.button(key="delete").click().run()
    assert not page.exception
    assert open_store().list() == []
    assert "No runs yet" in words(page)


def test_a_run_that_its_control_waits_for_is_not_deleted(view: View) -> None:
    run_id, _ = add_pair()
    open_store().request_cancel(run_id)
    page = view("runs", run=run_id)
    page.button(key="delete").click().run()
    assert not page.exception
    assert "control" in page.error[0].value
    assert open_store().get(run_id).id == run_id


def test_a_store_that_cannot_be_read_is_told_in_a_sentence(
    view: View, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "runs.db").write_bytes(b"not a database at all, but long enough to be looked at")
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    page = view("runs")
    assert not page.exception
    assert len(page.error) == 1
