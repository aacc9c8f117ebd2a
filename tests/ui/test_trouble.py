"""What the runs page says when things go wrong and when they come right again: retries, dead workers, lost partners."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import visitor
from app.services import palettes, progress, runs, speeds, workers
from app.services.stores import open_store
from app.views.runs import listing, live
from core.errors import RunStateError
from core.events import EpochEvent, MessageEvent, PreviewEvent
from core.runs.recorder import Recorder
from core.runs.store.records import RunState
from tests.ui.conftest import ANYBODY, CLASSES, World, make_speed, words
from tests.ui.test_runs import DISTILL, WORKER, add_pair, buttons, finish, work

View = Callable[..., AppTest]


def state_of(run_id: str) -> RunState:
    return open_store().get(run_id).state


def test_a_distillation_is_retried_with_its_control(view: View) -> None:
    run_id, control_id = add_pair()
    runs.cancel(run_id, ANYBODY)
    assert (state_of(run_id), state_of(control_id)) == (RunState.CANCELLED, RunState.CANCELLED)
    view("runs", run=run_id).button(key="retry").click().run()
    assert (state_of(run_id), state_of(control_id)) == (RunState.QUEUED, RunState.QUEUED)


def test_a_retried_distillation_leaves_a_finished_control_alone() -> None:
    run_id, control_id = add_pair()
    work(run_id)
    open_store().fail(run_id, WORKER, "Memory ran out.", attempt=1)
    work(control_id)
    finish(control_id)
    runs.retry(run_id, ANYBODY)
    assert (state_of(run_id), state_of(control_id)) == (RunState.QUEUED, RunState.DONE)


def test_a_control_whose_distillation_is_not_done_is_not_retried_alone(view: View) -> None:
    run_id, control_id = add_pair()
    runs.cancel(run_id, ANYBODY)
    page = view("runs", run=control_id)
    page.button(key="retry").click().run()
    assert not page.exception
    assert "is not done: retry that run, and this one follows." in page.error[0].value
    assert state_of(control_id) == RunState.CANCELLED
    runs.delete(run_id, ANYBODY)
    with pytest.raises(RunStateError, match="was deleted"):
        runs.retry(control_id, ANYBODY)


@pytest.mark.parametrize("distillation_done", [True, False])
def test_a_control_is_retried_when_its_distillation_is_done_or_comes_first(distillation_done: bool) -> None:
    run_id, control_id = add_pair()
    runs.cancel(control_id, ANYBODY)
    if distillation_done:
        work(run_id)
        # Asked to stop, but faster than the question.
        runs.cancel(run_id, ANYBODY)
        finish(run_id)
    runs.retry(control_id, ANYBODY)
    assert state_of(control_id) == RunState.QUEUED


def test_the_table_is_drawn_again_while_any_run_is_active(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: dict[str, Any] = {}
    real = st.fragment

    def fragment(work: Any = None, *, run_every: Any = None) -> Any:
        def wrap(part: Any) -> Any:
            ticks[part.__name__] = run_every
            return real(part)

        return wrap if work is None else wrap(work)

    monkeypatch.setattr(st, "fragment", fragment)
    run_id, control_id = add_pair()
    work(run_id)
    finish(run_id, best_miou5=0.5)
    view("runs", run=run_id)
    assert ticks["draw_table"] == listing.TICK_SECONDS
    runs.cancel(control_id, ANYBODY)
    view("runs", run=run_id)
    assert ticks["draw_table"] is None


def test_the_table_reads_the_runs_anew_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor, "owner", lambda: None)

    def script() -> None:
        from app.views.runs.listing import PartOfList, draw_table

        draw_table(True, PartOfList())

    run_id, _ = add_pair()
    work(run_id)
    page = AppTest.from_function(script, default_timeout=60).run()
    assert list(page.dataframe[0].value["State"]) == ["Queued", "Running"]
    open_store().release(run_id, WORKER, attempt=1)
    page.run()
    assert list(page.dataframe[0].value["State"]) == ["Queued", "Queued"]


def test_a_row_that_was_chosen_becomes_the_run_of_the_page(view: View) -> None:
    run_id, control_id = add_pair()
    page = view("runs", run=control_id)
    page.session_state[listing._CHOSEN] = run_id
    page.run()
    assert not page.exception
    assert page.selectbox(key="run").value == run_id


def test_rows_of_one_name_differ_by_their_id(view: View) -> None:
    ids = [open_store().add(DISTILL).id for _ in range(2)]
    table = view("runs").dataframe[0].value
    assert list(table["Run"]) == ["Tiny", "Tiny"]
    assert list(table["Id"]) == [run_id[-4:] for run_id in reversed(ids)]


def test_a_run_that_was_cancelled_in_the_queue_took_no_time(view: View) -> None:
    run_id, _ = add_pair()
    runs.cancel(run_id, ANYBODY)
    assert set(view("runs").dataframe[0].value["Took"]) == {"–"}


@pytest.mark.usefixtures("viewer_payloads")
def test_latency_measured_beside_a_training_run_says_so_and_is_measured_again(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "The machine was busy meanwhile"
    busy = [True]
    trained: list[bool] = []
    monkeypatch.setattr(speeds, "kept", lambda model: {"pytorch": make_speed(model.name, disturbed=busy[0])})
    monkeypatch.setattr(speeds, "measure", lambda *_, training: trained.append(training))
    monkeypatch.setattr(speeds, "_idle", lambda: True)
    run_id, _ = add_pair()
    work(run_id)
    assert said in words(view("compare"))
    assert trained == []
    finish(run_id)
    assert said in words(view("compare"))
    assert trained == [False]
    busy[0] = False
    st.cache_data.clear()
    assert said not in words(view("compare"))
    assert trained == [False]


def test_a_control_without_its_distillation_shows_its_score(view: View) -> None:
    run_id, control_id = add_pair()
    for done in (run_id, control_id):
        work(done)
        finish(done, best_miou5=0.5)
    runs.delete(run_id, ANYBODY)
    page = view("runs", run=control_id)
    assert not page.exception
    assert page.info[0].value == "Best validation mIoU 50.0 %."


def test_a_collapse_is_told_until_the_model_recovers() -> None:
    run = open_store().add(DISTILL)
    record = Recorder(open_store().folder(run.id), DISTILL)

    def told(*events: MessageEvent | EpochEvent) -> list[str]:
        for event in events:
            record(event)
        return progress.read_progress(run.id).warnings

    collapse = "Collapsed: after epoch 1 the model calls every validation pixel Land."
    told(MessageEvent("Two masks are small.", "warning"), MessageEvent(collapse, "warning"))
    assert told(EpochEvent(1, 9, {}, 1.0, miou5=0.1, collapsed=True)) == ["Two masks are small.", collapse]
    assert told(EpochEvent(2, 9, {}, 1.0, miou5=0.1, collapsed=True)) == ["Two masks are small.", collapse]
    assert told(EpochEvent(3, 9, {}, 1.0, miou5=0.4, collapsed=False)) == ["Two masks are small."]
    assert told(MessageEvent(collapse, "warning"))[-1] == collapse


def test_a_waiting_run_offers_a_worker_when_none_is_alive(view: View, world: World) -> None:
    run_id, control_id = add_pair()
    for shown in (run_id, control_id):
        page = view("runs", run=shown)
        assert "No worker is running." in words(page)
    assert world.started == 0
    page.button(key="start_worker_here").click().run()
    assert not page.exception
    assert world.started == 1
    open_store().register_worker("w", 1, "cpu")
    page = view("runs", run=run_id)
    assert "Waiting for the worker." in words(page)
    assert "Start the worker" not in buttons(page)
    assert "No worker is running." not in words(page)


def test_before_the_first_validation_the_page_waits_for_one(view: View) -> None:
    assert workers.worker_state().state == "absent"
    run_id, _ = add_pair()
    assert "Validation scores appear after the first validation." in words(view("runs", run=run_id))


def test_the_preview_of_a_control_is_called_so_and_has_a_legend(view: View) -> None:
    run_id, control_id = add_pair()
    runs.cancel(run_id, ANYBODY)
    store = open_store()
    picture, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    Recorder(store.folder(control_id), DISTILL)(PreviewEvent(2, picture, mask, mask))
    page = view("runs", run=control_id)
    assert [image.captions for image in page.get("image")][-1] == ["Control after epoch 2"]
    legend = "".join(element.proto.body for element in page.get("html"))
    for name, colour in palettes.painted(CLASSES, "safe"):
        assert f"background:rgb{colour}" in legend
        assert f">{name}<" in legend
    assert live.TICK_SECONDS == listing.TICK_SECONDS
