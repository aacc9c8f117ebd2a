"""The worker and quick runs: slots of their own, what is said of one that was killed, and a process that waits."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.config import RunConfig
from core.out_of_memory import ExitWatch
from core.runs.store.records import JobRequest, RunKind, RunState
from core.runs.store.run_store import RunStore
from core.runs.worker import standby
from core.runs.worker.heartbeats import WINDOW_SECONDS
from core.runs.worker.queue_worker import Worker
from core.runs.worker.standby import EXPECTED_SECONDS, expect_prediction, is_expected
from tests.unit.runs.conftest import Clock

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
WRITE = "import sys, time; open(sys.argv[1], 'w').write(sys.stdin.readline()); time.sleep(60)"
READ = [sys.executable, "-S", "-c", WRITE]
PHOTO = JobRequest(RunKind.PREDICTION, {}, "1 image")
BENCHMARK = JobRequest(RunKind.BENCHMARK, {}, "Benchmark")
ALL = tuple(RunKind)


@pytest.fixture
def worker(store: RunStore, clock: Clock, request: pytest.FixtureRequest) -> Iterator[Worker]:
    options: dict[str, Any] = {"standby": getattr(request, "param", ())}
    made = Worker(store, command=lambda _: SLEEP, spare=0, now=clock, report=lambda _: None, **options)
    yield made
    made.request_stop()
    made.request_stop()
    made.close()


def running(store: RunStore) -> list[str]:
    return sorted(run.kind for run in store.list([RunState.RUNNING], kinds=ALL))


def test_a_photo_and_a_benchmark_start_beside_training_and_one_of_each_at_a_time(
    store: RunStore, config: RunConfig, worker: Worker
) -> None:
    for _ in range(2):
        store.add(config)
        store.add_job(BENCHMARK)
        store.add_job(PHOTO)
    worker.run_once()
    assert running(store) == ["benchmark", "prediction", "training"]
    worker.run_once()
    assert running(store) == ["benchmark", "prediction", "training"]
    assert len(store.queue(kinds=ALL)) == 3


def test_a_photo_that_comes_while_everything_trains_starts_with_the_next_turn(
    store: RunStore, config: RunConfig, worker: Worker
) -> None:
    store.add(config)
    store.add(config)
    worker.run_once()
    photo = store.add_job(PHOTO)
    worker.run_once()
    assert store.get(photo.id).state == RunState.RUNNING
    assert [run.state for run in store.list()].count(RunState.RUNNING) == 1


@pytest.mark.parametrize("removed", [False, True])
def test_one_that_is_cancelled_or_removed_ends_at_once(store: RunStore, worker: Worker, removed: bool) -> None:
    photo = store.add_job(PHOTO)
    worker.run_once()
    (child,) = worker._children
    store.delete(photo.id, running=True) if removed else store.request_cancel(photo.id)
    worker.run_once()
    child.process.wait(60)
    worker.collect_ended()
    assert worker._children == []
    if not removed:
        assert store.get(photo.id).state == RunState.CANCELLED


@pytest.mark.parametrize(("job", "word"), [(PHOTO, "segmented"), (BENCHMARK, "measured")])
def test_a_killed_one_is_failed_with_a_sentence(store: RunStore, worker: Worker, job: JobRequest, word: str) -> None:
    run = store.add_job(job)
    worker.run_once()
    worker._children[0].process.send_signal(signal.SIGKILL)
    worker._children[0].process.wait(60)
    worker.collect_ended()
    after = store.get(run.id)
    assert (after.state, after.error and f"Memory ran out while this was {word}" in after.error) == ("failed", True)


def test_one_whose_worker_was_killed_is_taken_up_by_the_next(store: RunStore, clock: Clock) -> None:
    photo = store.add_job(PHOTO)
    assert store.claim("killed", [store.get(photo.id).device], RunKind.PREDICTION)
    second = Worker(store, command=lambda _: SLEEP, spare=0, now=clock, report=lambda _: None)
    second.run_once()
    assert store.get(photo.id).worker == "killed"
    clock.pass_(31)
    second.run_once()
    after = store.get(photo.id)
    assert (after.state, after.worker, after.attempt, after.restarts) == ("running", second.id, 2, 1)
    for _ in range(2):
        second.request_stop()
    second.close()


def test_a_long_step_of_a_quick_run_is_no_hang(store: RunStore, worker: Worker, clock: Clock) -> None:
    worker.register()
    photo = store.add_job(PHOTO)
    worker.run_once()
    for _ in range(2):
        clock.pass_(WINDOW_SECONDS + 1)
        worker.run_once()
    assert store.get(photo.id).attempt == 1


def test_the_queue_is_read_as_soon_as_a_photo_is_queued(store: RunStore) -> None:
    """Not after the pause: a worker that would sleep for a minute has begun within seconds."""
    made = Worker(store, command=lambda _: SLEEP, spare=0, report=lambda _: None, watch_exit=ExitWatch)
    turns: list[float] = []

    def turn() -> None:
        turns.append(time.monotonic())
        if len(turns) == 1:
            store.add_job(PHOTO)
        else:
            made.request_stop()

    made.run_once = turn  # type: ignore[method-assign]
    made.loop(pause=60)
    assert turns[1] - turns[0] < 30
    assert time.monotonic() - turns[1] < 30, "nor does one that was asked to stop sleep on"


@pytest.mark.parametrize("worker", [READ], indirect=True)
def test_a_process_waits_for_the_photo_that_is_expected(
    store: RunStore, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    worker._standby._command = [*READ, str(told)]
    worker.run_once()
    assert worker._standby.memory() == 0, "nobody expects one"
    expect_prediction(store.home)
    worker.run_once()
    assert worker._standby.memory() > 0
    photo = store.add_job(PHOTO)
    worker.run_once()
    (child,) = worker._children
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert told.read_text().split() == [photo.id, worker.id, "1"]
    assert worker._standby.memory() == 0, "the next one is prepared when this photo is done"
    child.process.kill()
    worker.run_once()
    worker.run_once()
    assert worker._standby.memory() > 0
    monkeypatch.setattr(standby, "EXPECTED_SECONDS", -1.0)
    worker.run_once()
    assert worker._standby.memory() == 0, "nobody came back"


@pytest.mark.parametrize("worker", [[sys.executable, "-S", "-c", "pass"]], indirect=True)
def test_where_the_waiting_process_is_gone_another_is_started(store: RunStore, worker: Worker) -> None:
    expect_prediction(store.home)
    worker.run_once()
    deadline = time.monotonic() + 60
    while worker._standby._process.poll() is None and time.monotonic() < deadline:  # type: ignore[union-attr]
        time.sleep(0.02)
    photo = store.add_job(PHOTO)
    worker.run_once()
    assert store.get(photo.id).state == RunState.RUNNING
    assert worker._children[0].process.poll() is None


def test_a_photo_is_expected_for_a_while(tmp_path: Path) -> None:
    assert not is_expected(tmp_path)
    expect_prediction(tmp_path)
    at = (tmp_path / ".expected").stat().st_mtime
    assert is_expected(tmp_path, now=lambda: at + EXPECTED_SECONDS - 2)
    assert not is_expected(tmp_path, now=lambda: at + EXPECTED_SECONDS + 2)
