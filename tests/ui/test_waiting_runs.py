"""The runs that wait: their place, when they start, and what moves, copies, pins and compares them."""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.components import worker_status
from app.services import launch, runs, waiting_runs, workers
from app.services.runs import Run
from app.services.stores import open_store
from app.views.runs import listing
from core.config import DistillConfig, ModelConfig
from core.runs.store.records import RunState
from tests.ui.conftest import ANYBODY, World, ask, words
from tests.ui.test_runs import DISTILL, WORKER, add_pair, buttons, finish, work

View = Callable[..., AppTest]


def _known() -> list[Run]:
    return runs.list_runs()


def _add(name: str, **changes: object) -> str:
    return open_store().add(replace(DISTILL, name=name, **changes)).id  # type: ignore[arg-type]


def _waiting(*ids: str) -> list[Run]:
    by_id = {run.id: run for run in _known()}
    return [by_id[run_id] for run_id in ids]


def test_each_waits_for_what_is_before_it() -> None:
    one, two, three = (_add(name) for name in ("one", "two", "three"))
    needs = {one: 100.0, two: 50.0, three: 1.0}
    starts = waiting_runs.forecast(_waiting(one, two, three), {"running": 30.0}, needs, slots=1)
    assert starts == {one: 30.0, two: 130.0, three: 180.0}
    starts = waiting_runs.forecast(_waiting(one, two, three), {"running": 30.0}, needs, slots=2)
    assert starts == {one: 0.0, two: 30.0, three: 80.0}


def test_a_control_starts_after_its_run_though_a_slot_is_free() -> None:
    run, control = add_pair()
    needs = {run: 100.0, control: 100.0}
    assert waiting_runs.forecast(_waiting(run, control), {}, needs, slots=2) == {run: 0.0, control: 100.0}


def test_what_is_behind_a_run_of_unknown_length_is_unknown() -> None:
    one, two = _add("one"), _add("two")
    assert waiting_runs.forecast(_waiting(one, two), {}, {one: None, two: 1.0}, slots=1) == {one: 0.0, two: None}
    assert waiting_runs.forecast(_waiting(one), {"running": None}, {one: 1.0}, slots=1) == {one: None}


def test_a_run_takes_as_long_as_one_like_it_did() -> None:
    done = _add("done")
    work(done)
    finish(done, train_seconds=80.0)
    same = _add("same")
    longer = _add("longer", train=replace(DISTILL.train, epochs=20))
    other = _add("other", model=ModelConfig("unet", {"base": 64}))
    control = open_store().add(DISTILL.as_control(longer)).id
    known = {run.id: run for run in _known()}
    found = [waiting_runs.expected_seconds(known[run_id], known) for run_id in (same, longer, other, control)]
    assert found == [80.0, 160.0, None, 160.0]


def test_the_page_tells_place_and_time(view: View) -> None:
    done = _add("done")
    work(done)
    finish(done, train_seconds=80.0)
    first, second = _add("first"), _add("second")
    open_store().register_worker("w", os.getpid(), "cpu")
    assert "Next in the queue, starts at once." in words(view("runs", run=first))
    page = view("runs", run=second)
    assert not page.exception
    assert "Number 2 in the queue, starts in about 80 s." in words(page)


def test_run_next_puts_a_run_and_its_control_before_all_others(view: View) -> None:
    _add("first")
    run, control = add_pair()
    page = view("runs", run=run)
    page.button(key="first").click().run()
    assert not page.exception
    assert [record.id for record in open_store().queue()][:2] == [run, control]
    assert "Next in the queue" in words(page)


def test_a_pinned_run_says_so_and_can_be_let_go(view: View) -> None:
    run, _ = add_pair()
    page = view("runs", run=run)
    page.button(key="pin").click().run()
    assert open_store().get(run).pinned
    assert "Unpin" in buttons(page)
    assert list(page.dataframe[0].value["Pinned"]) == ["", "Pinned"]
    page.button(key="pin").click().run()
    assert not open_store().get(run).pinned


COPIED = ask(
    teacher="student",
    base=8,
    temperature=3.5,
    alpha=0.25,
    losses={"hint": 2.0},
    epochs=33,
    seed=7,
    crop=64,
    views=None,
    batch_size=8,
    learning_rate=0.004,
    ema=0.95,
    cache_views=0,
    average_flips=True,
    name="mine",
)


@pytest.mark.parametrize("which", ["run", "control"])
def test_a_copy_opens_in_the_form_with_all_its_settings(view: View, world: World, which: str) -> None:
    run = launch.launch(COPIED, ANYBODY)
    shown = run if which == "run" else next(r.control for r in _known() if r.id == run)
    page = view("runs", run=shown)
    page.button(key="copy").click().run()
    assert not page.exception
    ((where, link),) = world.switched
    assert where == "views/distill/page.py"
    form = view("distill", **link)
    assert not form.exception
    made: list[launch.Request] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "launch", lambda request, _: made.append(request) or run)
        form.button(key="launch").click().run()
    copied = replace(launch.to_config(COPIED), name="mine, copy")
    assert [launch.to_config(request) for request in made] == [copied]


def test_what_the_form_cannot_hold_is_not_offered(view: View) -> None:
    run = _add("of the command line", model=ModelConfig("smp", {"encoder": "x"}), distill=DistillConfig())
    assert "Edit a copy" not in buttons(view("runs", run=run))


def _picked(page: AppTest, *ids: str) -> AppTest:
    page.session_state[listing._PICKED] = list(ids)
    return page.run()


def test_selected_runs_that_are_done_are_compared(view: View, world: World) -> None:
    run, control = add_pair()
    for done in (run, control):
        work(done)
        finish(done, best_miou5=0.5)
    waiting = _add("waiting")
    page = _picked(view("runs"), run, control)
    page.button(key="compare_picked").click().run()
    assert world.switched == [("views/compare/page.py", {"students": [run, control], "teacher": "teacher"})]
    assert _picked(view("runs"), run, waiting).button(key="compare_picked").disabled
    assert "compare_picked" not in [button.key for button in _picked(view("runs"), run).button]


def test_a_run_that_waits_for_space_says_so(view: View) -> None:
    run, _ = add_pair()
    store = open_store()
    store.claim(WORKER, ["cpu"])
    reason = "The disk is full: state.safetensors could not be written. Free some space."
    store.release(run, WORKER, attempt=1, reason=reason)
    page = view("runs", run=run)
    assert page.warning[0].value.startswith("The disk is full")
    assert store.get(run).state == RunState.QUEUED


def test_the_sidebar_names_run_queue_device_and_memory() -> None:
    found = workers.WorkerState("working", "cuda:0=2,cpu", 3, 1, memory=1_500_000_000, current=("a *b*",))
    assert worker_status._details(found) == ["a *b*", "3 waiting · cuda:0 (2 slots), cpu · 1.5 GB"]
    found = replace(found, running=2, current=("a", "b"), memory=0, queued=0)
    assert worker_status._details(found) == ["2 running", "Queue empty · cuda:0 (2 slots), cpu"]
