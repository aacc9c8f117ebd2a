"""The store towards workers: one holder a run, restarts, and no run that is lost or ended by another."""

import ast
import importlib
import inspect
import pkgutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

import core.runs
from core.config import RunConfig, TrainConfig
from core.errors import RunNotFoundError, RunStateError
from core.runs.store.records import RunState
from core.runs.store.run_store import MAX_RESTARTS, RunStore
from tests.unit.runs.conftest import Clock, claimed, make_checkpoint, miss_heartbeats


@pytest.fixture
def store(any_store: RunStore) -> RunStore:
    """Every test here is part of the contract, and runs over each database."""
    return any_store


def _on(device: str) -> RunConfig:
    return RunConfig(kind="train", train=TrainConfig(device=device))


def test_the_oldest_run_is_claimed_first_and_its_row_stays(store: RunStore, config: RunConfig) -> None:
    first, second = store.add(config), store.add(config)
    taken = store.claim("w", ["cpu"])
    assert taken is not None
    assert (taken.id, taken.state, taken.worker, taken.device) == (first.id, RunState.RUNNING, "w", "cpu")
    assert [run.id for run in store.list()] == [second.id, first.id]
    assert [run.id for run in store.list([RunState.QUEUED])] == [second.id]


def test_many_workers_never_claim_the_same_run(store: RunStore, store_url: str, config: RunConfig) -> None:
    wanted = {store.add(config).id for _ in range(24)}
    ids: list[str] = []

    def work(name: str) -> None:
        mine = RunStore(store_url, home=store.home)
        while record := mine.claim(name, ["cpu"]):
            ids.append(record.id)
        mine.close()

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(ids) == Counter(wanted)


@pytest.mark.parametrize(
    ("wanted", "free", "given"),
    [
        ("auto", ["cuda:0", "cpu"], "cuda:0"),
        ("auto", ["cpu"], "cpu"),
        ("cpu", ["cuda:0", "cpu"], "cpu"),
        ("cuda", ["cpu", "cuda:1"], "cuda:1"),
        ("cuda:0", ["cuda:1", "cpu"], None),
        ("cuda", ["cpu"], None),
        ("auto", [], None),
    ],
)
def test_a_run_gets_a_slot_that_suits_it(store: RunStore, wanted: str, free: list[str], given: str | None) -> None:
    store.add(_on(wanted))
    taken = store.claim("w", free)
    assert (taken.device if taken else None) == given


def test_a_run_that_waits_for_its_device_holds_nobody_up(store: RunStore) -> None:
    store.add(_on("cuda"))
    second = store.add(_on("cpu"))
    taken = store.claim("w", ["cpu"])
    assert taken is not None
    assert taken.id == second.id


@pytest.mark.parametrize("end", [RunState.DONE, RunState.FAILED, RunState.CANCELLED])
def test_a_control_waits_for_the_end_of_its_run(store: RunStore, config: RunConfig, end: RunState) -> None:
    first = store.add(config)
    control = store.add(replace(config, control_of=first.id))
    store.claim("w", ["cpu"])
    assert store.claim("w", ["cpu"]) is None
    if end == RunState.DONE:
        store.finish(first.id, "w", {}, attempt=1)
    elif end == RunState.FAILED:
        store.fail(first.id, "w", "It broke.", attempt=1)
    else:
        store.request_cancel(first.id)
        store.release(first.id, "w", attempt=1)
    taken = store.claim("w", ["cpu"])
    assert taken is not None
    assert taken.id == control.id


def test_a_control_of_a_deleted_run_does_not_wait_for_ever(store: RunStore, config: RunConfig) -> None:
    first = store.add(config)
    store.add(replace(config, control_of=first.id))
    store.delete(first.id)
    assert store.claim("w", ["cpu"]) is not None


def test_a_heartbeat_updates_time_and_progress_and_reports_a_cancel(
    store: RunStore, config: RunConfig, clock: Clock
) -> None:
    run = claimed(store, config)
    clock.pass_(5)
    after = store.heartbeat(run.id, "w", 0.25, attempt=1)
    assert after is not None
    assert (after.heartbeat_at, after.progress, after.cancel_requested) == (clock(), 0.25, False)
    store.request_cancel(run.id)
    after = store.heartbeat(run.id, "w", 1.5, attempt=1)
    assert after is not None
    assert after.cancel_requested
    assert store.get(run.id).progress == 1.0


Report = Callable[[RunStore, str, str, int], object]
REPORTS: dict[str, Report] = {
    "finish": lambda store, run, worker, attempt: store.finish(run, worker, {}, attempt=attempt),
    "fail": lambda store, run, worker, attempt: store.fail(run, worker, "It broke.", attempt=attempt),
    "release": lambda store, run, worker, attempt: store.release(run, worker, attempt=attempt),
    "abandon": lambda store, run, worker, attempt: store.abandon(run, worker, "It died.", attempt=attempt),
    "reduce_batch": lambda store, run, worker, attempt: store.reduce_batch(run, worker, attempt=attempt),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_only_the_holder_of_this_attempt_may_report(store: RunStore, config: RunConfig, report: Report) -> None:
    run = claimed(store, config)
    miss_heartbeats(store, run.id)
    again = store.claim("w", ["cpu"])
    assert again is not None
    for worker, attempt in (("other", again.attempt), ("w", run.attempt)):
        with pytest.raises(RunStateError, match="not held"):
            report(store, run.id, worker, attempt)
    assert store.get(run.id) == again
    report(store, run.id, "w", again.attempt)
    with pytest.raises(RunNotFoundError):
        report(store, "20260101-000000-0000", "w", 1)


def test_the_heartbeat_of_a_process_that_lost_the_run_is_refused(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    miss_heartbeats(store, run.id)
    assert store.heartbeat(run.id, "w", 0.5, attempt=1) is None
    again = store.claim("w", ["cpu"])
    assert store.heartbeat(run.id, "w", 0.5, attempt=1) is None
    assert store.heartbeat(run.id, "other", 0.5, attempt=2) is None
    assert again == store.get(run.id)
    store.finish(run.id, "w", {}, attempt=2)
    assert store.heartbeat(run.id, "w", 0.5, attempt=2) is None
    store.delete(run.id)
    assert store.heartbeat(run.id, "w", 0.5, attempt=2) is None


def test_the_fencing_token_is_never_optional() -> None:
    found = [name for name in pkgutil.walk_packages(core.runs.__path__, "core.runs.") if not name.ispkg]
    assert "core.runs.store.run_store" in {name.name for name in found}
    for name in found:
        source = ast.parse(inspect.getsource(importlib.import_module(name.name)))
        for function in (node for node in ast.walk(source) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            plain = [*function.args.posonlyargs, *function.args.args]
            defaults = [None] * (len(plain) - len(function.args.defaults)) + list(function.args.defaults)
            keywords = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            for argument, default in (*zip(plain, defaults, strict=True), *keywords):
                if argument.arg == "attempt":
                    assert default is None, f"{name.name}.{function.name} does without the attempt"
                    assert ast.unparse(argument.annotation or ast.Constant(None)) == "int", function.name


def test_a_run_that_lacked_memory_twice_has_failed(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    store.reduce_batch(run.id, "w", attempt=1)
    store.claim("w", ["cpu"])
    after = store.reduce_batch(run.id, "w", attempt=2)
    assert (after.state, after.batch_reductions) == (RunState.FAILED, 1)
    assert after.error == "Ran out of memory at batch 8 on cpu; try 4."


def test_a_run_without_heartbeats_restarts_three_times_and_then_fails_with_a_message(
    store: RunStore, config: RunConfig
) -> None:
    run = store.add(config)
    for count in range(1, MAX_RESTARTS + 1):
        store.claim("w", ["cpu"])
        back = miss_heartbeats(store, run.id)
        assert back is not None
        assert (back.state, back.restarts, back.worker, back.device) == (RunState.QUEUED, count, "", "auto")
    store.claim("w", ["cpu"])
    failed = miss_heartbeats(store, run.id)
    assert failed is not None
    assert failed.state == RunState.FAILED
    assert failed.error is not None
    assert failed.error.startswith("The run sent no heartbeat. It was started again 3 times")


def test_one_heartbeat_since_it_was_read_keeps_a_run(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    seen = store.get(run.id)
    store.heartbeat(run.id, "w", 0.1, attempt=1)
    assert store.reclaim(seen, "No heartbeat.") is None
    assert store.get(run.id).state == RunState.RUNNING
    assert store.reclaim(store.get(run.id), "No heartbeat.") is not None
    assert store.reclaim(store.get(run.id), "No heartbeat.") is None


def test_of_two_that_take_a_run_back_one_does(store: RunStore, config: RunConfig) -> None:
    seen = claimed(store, config)
    assert store.reclaim(seen, "No heartbeat.") is not None
    again = store.claim("w", ["cpu"])
    assert store.reclaim(seen, "No heartbeat.") is None
    assert again == store.get(seen.id)


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("end", ["release", "abandon", "reduce_batch", "reclaim"])
def test_a_cancelled_run_never_returns_to_the_queue(store: RunStore, config: RunConfig, end: str, saved: bool) -> None:
    run = claimed(store, config)
    if saved:
        make_checkpoint(store, run.id)
    assert store.request_cancel(run.id).state == RunState.RUNNING
    if end == "release":
        store.release(run.id, "w", attempt=1)
    elif end == "abandon":
        store.abandon(run.id, "w", "It died.", attempt=1)
    elif end == "reduce_batch":
        store.reduce_batch(run.id, "w", attempt=1)
    else:
        miss_heartbeats(store, run.id)
    assert store.get(run.id).state == RunState.CANCELLED


def test_stopping_counts_no_restart(store: RunStore, config: RunConfig) -> None:
    run = store.add(config)
    for attempt in range(1, 2 * MAX_RESTARTS + 1):
        store.claim("w", ["cpu"])
        assert store.release(run.id, "w", attempt=attempt).state == RunState.QUEUED
    assert store.get(run.id).restarts == 0


def test_a_dead_run_goes_on_only_from_a_checkpoint(store: RunStore, config: RunConfig) -> None:
    without = claimed(store, config)
    failed = store.abandon(without.id, "w", "It died.", attempt=1)
    assert (failed.state, failed.error) == (RunState.FAILED, "It died.")
    having = claimed(store, config)
    make_checkpoint(store, having.id)
    for attempt in range(1, MAX_RESTARTS + 1):
        assert store.abandon(having.id, "w", "It died.", attempt=attempt).state == RunState.QUEUED
        store.claim("w", ["cpu"])
    assert store.abandon(having.id, "w", "It died.", attempt=MAX_RESTARTS + 1).state == RunState.FAILED


def test_a_run_added_by_its_worker_is_never_claimed_by_another(store: RunStore) -> None:
    run = store.add(_on("cpu"), worker="inline")
    assert (run.state, run.worker, run.device, run.attempt) == (RunState.RUNNING, "inline", "cpu", 1)
    assert store.claim("w", ["cpu"]) is None
    assert store.finish(run.id, "inline", {}, attempt=1).state == RunState.DONE


def test_a_run_without_heartbeats_and_worker_is_still_restarted(store: RunStore) -> None:
    run = store.add(_on("cpu"), worker="inline")
    back = miss_heartbeats(store, run.id)
    assert back is not None
    assert (back.id, back.state) == (run.id, RunState.QUEUED)


def test_a_higher_priority_goes_first_and_then_the_older(store: RunStore, config: RunConfig) -> None:
    names = [store.add(config, priority=priority).id for priority in (0, 2, -1, 2, 0)]
    order = [names[at] for at in (1, 3, 0, 4, 2)]
    assert [run.id for run in store.queue()] == order
    assert [run.id for run in iter(lambda: store.claim("w", ["cpu"]), None)] == order


def test_a_run_can_be_put_before_all_that_wait(store: RunStore, config: RunConfig) -> None:
    first, second, last = (store.add(config) for _ in range(3))
    assert store.prioritise(last.id).priority == 1
    store.prioritise(second.id)
    assert [run.id for run in store.queue()] == [second.id, last.id, first.id]
    store.claim("w", ["cpu"])
    with pytest.raises(RunStateError, match="only a waiting run"):
        store.prioritise(second.id)


def test_a_run_that_lacked_memory_waits_with_its_new_settings(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    smaller = replace(config, train=replace(config.train, accumulate=2))
    after = store.reduce_batch(run.id, "w", attempt=1)
    assert (after.state, after.batch_reductions, after.restarts) == (RunState.QUEUED, 1, 0)
    assert after.error == "Ran out of memory at batch 16 on cpu; try 8."
    again = store.claim("w", ["cpu"])
    assert again is not None
    assert (again.config, again.error) == (smaller, None)


def test_no_end_is_before_its_beginning(store: RunStore, config: RunConfig, clock: Clock) -> None:
    run = claimed(store, config)
    clock.pass_(-86_400)
    done = store.finish(run.id, "w", {}, attempt=1)
    assert done.finished_at == done.started_at
