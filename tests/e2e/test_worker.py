"""The worker as a person has it: real processes, real signals, real kills. What was queued is done in the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.reliability.kit import pictures
from core import paths
from core.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from core.runs.recorder import read_events, read_metrics
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore

STUB = Path(__file__).with_name("stub_worker.py")
PATIENCE = 60.0

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(home=tmp_path / "home")


@pytest.fixture
def start(store: RunStore) -> Iterator[Start]:
    """Starts workers on the store, and ends with their runs whatever the test left alive."""
    started: list[subprocess.Popen[str]] = []

    def begin(*command: str) -> subprocess.Popen[str]:
        line = [sys.executable, *(command or (str(STUB), "serve", str(store.home)))]
        environment = {**os.environ, "TERRASTILL_HOME": str(store.home)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            line, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=paths.ROOT, env=environment
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _until(seen: Callable[[], bool], what: str, *, within: float = PATIENCE) -> float:
    """Wait for something to become true; gives the seconds it took."""
    began = time.monotonic()
    while not seen():
        assert time.monotonic() - began < within, f"not within {within:.0f} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


def _count(store: RunStore, steps: int, name: str = "count") -> str:
    return store.add(RunConfig(kind="train", name=name, train=TrainConfig(epochs=steps))).id


def _reaches(store: RunStore, run_id: str, state: RunState) -> RunRecord:
    _until(lambda: store.get(run_id).state == state, f"{state}, but it is {store.get(run_id)}")
    return store.get(run_id)


def _is_counting(store: RunStore, run_id: str, above: float = 0.0) -> None:
    _until(lambda: store.get(run_id).progress > above, "progress")


def _child(worker: subprocess.Popen[str]) -> int:
    """The process of the one run that this worker has."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    if not children.exists():
        pytest.skip("this system does not tell the children of a process")
    (child,) = children.read_text().split()
    return int(child)


def _steps(store: RunStore, run_id: str) -> list[int]:
    events, _ = read_events(store.folder(run_id) / "events.jsonl")
    return [event["step"] for event in events if event["type"] == "step"]


@pytest.mark.slow
def test_what_is_queued_is_done_one_after_the_other(store: RunStore, start: Start) -> None:
    first, second = _count(store, 30), _count(store, 3)
    start()
    _is_counting(store, first)
    assert store.get(second).state == RunState.QUEUED
    _reaches(store, second, RunState.DONE)
    done = store.get(first)
    assert (done.state, done.progress, done.device) == (RunState.DONE, 1.0, "cpu")
    assert done.summary["runs"] == str(store.home)
    assert done.summary["niceness"] >= min(os.nice(0) + 10, 19)
    assert _steps(store, first) == list(range(1, 31))


@pytest.mark.slow
def test_a_cancel_arrives_within_seconds(store: RunStore, start: Start) -> None:
    run = _count(store, 10_000)
    start()
    _is_counting(store, run)
    store.request_cancel(run)
    seconds = _until(lambda: store.get(run).state == RunState.CANCELLED, "cancelled")
    assert seconds < 15


def test_an_error_for_a_person_is_the_error_of_the_run(store: RunStore, start: Start) -> None:
    run = _count(store, 1, "refuse")
    start()
    assert _reaches(store, run, RunState.FAILED).error == "There are no pictures in the folder: choose another."


@pytest.mark.slow
def test_a_crash_fails_its_run_and_no_other(store: RunStore, start: Start) -> None:
    crash, other = _count(store, 1, "crash"), _count(store, 2)
    start()
    _reaches(store, other, RunState.DONE)
    failed = store.get(crash)
    assert failed.state == RunState.FAILED
    assert "(about to fall)" in (failed.error or "")
    assert "about to fall" in (store.folder(crash) / "log.txt").read_text()


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_checkpoint(store: RunStore, start: Start) -> None:
    run = _count(store, 60)
    worker = start()
    _is_counting(store, run)
    os.kill(_child(worker), signal.SIGKILL)
    done = _reaches(store, run, RunState.DONE)
    assert (done.attempt, done.restarts) == (2, 1)
    assert done.summary["began_at"] > 0
    assert sorted(set(_steps(store, run))) == list(range(1, 61))
    assert "was killed" in (store.folder(run) / "log.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_asked_to_stop_leaves_its_run_to_the_next(
    store: RunStore, start: Start, number: signal.Signals
) -> None:
    run = _count(store, 60)
    first = start()
    _is_counting(store, run)
    first.send_signal(number)
    said, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0
    assert "The worker has left." in said
    assert "Traceback" not in said
    waiting = store.get(run)
    assert (waiting.state, waiting.restarts, store.workers()) == (RunState.QUEUED, 0, [])
    assert store.has_checkpoint(run)
    start()
    done = _reaches(store, run, RunState.DONE)
    assert done.summary["began_at"] > 0
    assert _steps(store, run) == list(range(1, 61))


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(store: RunStore, start: Start) -> None:
    run = _count(store, 60)
    first = start()
    _is_counting(store, run)
    first.kill()
    first.wait()
    # The run notices that it is alone, saves and gives itself back, long before its lease is over.
    assert _reaches(store, run, RunState.QUEUED).restarts == 0
    start()
    _reaches(store, run, RunState.DONE)
    assert _steps(store, run) == list(range(1, 61))


@pytest.mark.slow
def test_a_second_worker_leaves_with_a_sentence(store: RunStore, start: Start) -> None:
    first = start()
    _until(lambda: bool(store.workers()), "a worker")
    second = start()
    said, _ = second.communicate(timeout=PATIENCE)
    assert (second.returncode, said) == (
        0,
        f"A worker is already running here (process {first.pid}): nothing to start.\n",
    )
    assert first.poll() is None
    assert [worker.pid for worker in store.workers()] == [first.pid]


def test_the_verb_starts_a_worker_and_a_signal_ends_it(store: RunStore, start: Start) -> None:
    worker = start("-m", "core", "worker")
    _until(lambda: bool(store.workers()), "a worker")
    worker.terminate()
    said, _ = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0
    assert "Traceback" not in said
    assert store.workers() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_run_is_trained_by_the_worker(store: RunStore, start: Start, tmp_path: Path) -> None:
    data = DataConfig(dataset="folder", root=str(pictures(tmp_path / "pictures")), crop=32, views_per_epoch=8)
    train = TrainConfig(epochs=2, batch_size=4, device="cpu", precision="float32")
    run = store.add(RunConfig("train", "tiny", data, ModelConfig("unet", {"base": 2}), train))
    start("-m", "core", "worker")
    _until(lambda: store.get(run.id).state.final, "the end of the run", within=240)
    done, folder = store.get(run.id), store.folder(run.id)
    assert done.state == RunState.DONE, (done.error, (folder / "log.txt").read_text())
    assert 0 <= done.summary["best_miou5"] <= 1
    assert [row["epoch"] for row in read_metrics(folder / "metrics.csv")] == ["1", "2"]
    assert (folder / "student.safetensors").is_file()
    assert (folder / "student.json").is_file()
    assert (folder / "preview" / "epoch_0002.png").is_file()
