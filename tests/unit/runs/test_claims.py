"""The store towards workers: one holder a run, lapses, and no run that is lost or ended by another."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import RunConfig, TrainConfig
from core.errors import RunNotFoundError, RunStateError
from core.runs.records import RunState
from core.runs.store import MAX_LAPSES, RunStore
from tests.unit.runs.conftest import Clock, claimed, make_checkpoint


def _on(device: str) -> RunConfig:
    return RunConfig(kind="train", train=TrainConfig(device=device))


def test_the_oldest_run_is_claimed_first_and_its_row_stays(store: RunStore, config: RunConfig) -> None:
    first, second = store.add(config), store.add(config)
    taken = store.claim("w", ["cpu"])
    assert taken is not None
    assert (taken.id, taken.state, taken.worker, taken.device) == (first.id, RunState.RUNNING, "w", "cpu")
    assert [run.id for run in store.list()] == [second.id, first.id]
    assert [run.id for run in store.list([RunState.QUEUED])] == [second.id]


def test_many_workers_never_claim_the_same_run(tmp_path: Path, config: RunConfig) -> None:
    store = RunStore(home=tmp_path)
    wanted = {store.add(config).id for _ in range(24)}
    ids: list[str] = []

    def work(name: str) -> None:
        mine = RunStore(home=tmp_path)
        while record := mine.claim(name, ["cpu"]):
            ids.append(record.id)

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
        store.finish(first.id, "w", {})
    elif end == RunState.FAILED:
        store.fail(first.id, "w", "It broke.")
    else:
        store.request_cancel(first.id)
        store.release(first.id, "w")
    taken = store.claim("w", ["cpu"])
    assert taken is not None
    assert taken.id == control.id


def test_a_control_of_a_deleted_run_does_not_wait_for_ever(store: RunStore, config: RunConfig) -> None:
    first = store.add(config)
    store.add(replace(config, control_of=first.id))
    store.delete(first.id)
    assert store.claim("w", ["cpu"]) is not None


def test_a_heartbeat_moves_time_and_progress_and_tells_of_a_cancel(
    store: RunStore, config: RunConfig, clock: Clock
) -> None:
    run = claimed(store, config)
    clock.pass_(5)
    beaten = store.heartbeat(run.id, "w", 0.25)
    assert (beaten.heartbeat_at, beaten.progress, beaten.cancel_requested) == (clock(), 0.25, False)
    store.request_cancel(run.id)
    assert store.heartbeat(run.id, "w", 1.5).cancel_requested
    assert store.get(run.id).progress == 1.0


Word = Callable[[RunStore, str, str, int | None], object]
WORDS: dict[str, Word] = {
    "heartbeat": lambda store, run, worker, attempt: store.heartbeat(run, worker, 0.5, attempt=attempt),
    "finish": lambda store, run, worker, attempt: store.finish(run, worker, {}, attempt=attempt),
    "fail": lambda store, run, worker, attempt: store.fail(run, worker, "It broke.", attempt=attempt),
    "release": lambda store, run, worker, attempt: store.release(run, worker, attempt=attempt),
    "abandon": lambda store, run, worker, attempt: store.abandon(run, worker, "It died.", attempt=attempt),
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_only_the_holder_of_this_attempt_may_speak(
    store: RunStore, config: RunConfig, clock: Clock, word: Word
) -> None:
    run = claimed(store, config)
    clock.pass_(500)
    store.requeue_lapsed(120)
    again = store.claim("w", ["cpu"])
    assert again is not None
    for worker, attempt in (("other", None), ("w", run.attempt)):
        with pytest.raises(RunStateError, match="not held"):
            word(store, run.id, worker, attempt)
    assert store.get(run.id) == again
    word(store, run.id, "w", again.attempt)
    with pytest.raises(RunNotFoundError):
        word(store, "20260101-000000-0000", "w", None)


def test_a_silent_run_returns_three_times_and_then_fails_in_words(
    store: RunStore, config: RunConfig, clock: Clock
) -> None:
    store.add(config)
    for lapse in range(1, MAX_LAPSES + 1):
        store.claim("w", ["cpu"])
        clock.pass_(119)
        assert store.requeue_lapsed(120) == []
        clock.pass_(2)
        (back,) = store.requeue_lapsed(120)
        assert (back.state, back.lapses, back.worker, back.device) == (RunState.QUEUED, lapse, "", "auto")
    store.claim("w", ["cpu"])
    clock.pass_(121)
    (failed,) = store.requeue_lapsed(120)
    assert failed.state == RunState.FAILED
    assert failed.error is not None
    assert failed.error.startswith("The run gave no sign of life for 120 seconds. It was started again 3 times")


def test_a_beating_run_is_left_alone(store: RunStore, config: RunConfig, clock: Clock) -> None:
    run = claimed(store, config)
    for _ in range(5):
        clock.pass_(100)
        store.heartbeat(run.id, "w", 0.1)
        assert store.requeue_lapsed(120) == []


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("way", ["release", "abandon", "lapse"])
def test_a_cancelled_run_never_returns_to_the_queue(
    store: RunStore, config: RunConfig, clock: Clock, way: str, saved: bool
) -> None:
    run = claimed(store, config)
    if saved:
        make_checkpoint(store, run.id)
    assert store.request_cancel(run.id).state == RunState.RUNNING
    if way == "release":
        store.release(run.id, "w")
    elif way == "abandon":
        store.abandon(run.id, "w", "It died.")
    else:
        clock.pass_(121)
        store.requeue_lapsed(120)
    assert store.get(run.id).state == RunState.CANCELLED


def test_leaving_counts_no_lapse(store: RunStore, config: RunConfig) -> None:
    run = store.add(config)
    for _ in range(2 * MAX_LAPSES):
        store.claim("w", ["cpu"])
        assert store.release(run.id, "w").state == RunState.QUEUED
    assert store.get(run.id).lapses == 0


def test_a_dead_run_goes_on_only_from_amake_checkpoint(store: RunStore, config: RunConfig) -> None:
    without = claimed(store, config)
    failed = store.abandon(without.id, "w", "It died.")
    assert (failed.state, failed.error) == (RunState.FAILED, "It died.")
    having = claimed(store, config)
    make_checkpoint(store, having.id)
    for _ in range(MAX_LAPSES):
        assert store.abandon(having.id, "w", "It died.").state == RunState.QUEUED
        store.claim("w", ["cpu"])
    assert store.abandon(having.id, "w", "It died.").state == RunState.FAILED


def test_a_run_added_by_its_worker_is_never_claimed_by_another(store: RunStore) -> None:
    run = store.add(_on("cpu"), worker="inline")
    assert (run.state, run.worker, run.device, run.attempt) == (RunState.RUNNING, "inline", "cpu", 1)
    assert store.claim("w", ["cpu"]) is None
    assert store.finish(run.id, "inline", {}, attempt=1).state == RunState.DONE


def test_a_silent_run_without_worker_still_lapses(store: RunStore, clock: Clock) -> None:
    run = store.add(_on("cpu"), worker="inline")
    clock.pass_(121)
    assert [back.id for back in store.requeue_lapsed(120)] == [run.id]
