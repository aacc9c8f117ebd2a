"""Who is silent is told by what was seen change, and by no clock on a wall."""

import os
import subprocess
import sys

import pytest

from core.config import RunConfig
from core.runs.store.records import RunRecord, RunState, WorkerRecord
from core.runs.worker.heartbeats import ORPHAN_SECONDS, WINDOW_SECONDS, Watch
from tests.unit.runs.conftest import Clock


@pytest.fixture
def watch(clock: Clock) -> Watch:
    return Watch(now=clock, host="here")


def _run(beats: int = 1, *, attempt: int = 1, worker: str = "w") -> RunRecord:
    config = RunConfig(kind="train")
    return RunRecord("a", "a", RunState.RUNNING, config, "cpu", 0.0, attempt=attempt, beats=beats, worker=worker)


def _worker(beat: float) -> WorkerRecord:
    return WorkerRecord("w", 1, "there", "cpu", 0.0, beat)


def test_a_run_that_beats_is_left_alone_at_any_pace_below_the_window(watch: Watch, clock: Clock) -> None:
    for beat in range(5):
        assert watch.silent([_run(beat)], [_worker(beat)]) == []
        clock.pass_(WINDOW_SECONDS - 1)


def test_with_a_living_worker_a_run_has_its_whole_window(watch: Watch, clock: Clock) -> None:
    for second in range(int(WINDOW_SECONDS) + 1):
        assert watch.silent([_run()], [_worker(second)]) == []
        clock.pass_(1)
    assert watch.silent([_run()], [_worker(-1)]) == [_run()]


@pytest.mark.parametrize("workers", [[], [_worker(0.0)]], ids=["gone", "silent"])
def test_without_one_it_is_taken_back_within_a_minute(watch: Watch, clock: Clock, workers: list[WorkerRecord]) -> None:
    for _ in range(int(ORPHAN_SECONDS) + 1):
        assert watch.silent([_run()], workers) == []
        clock.pass_(1)
    assert watch.silent([_run()], workers) == [_run()]
    assert ORPHAN_SECONDS < 60


def test_another_attempt_starts_the_count_anew(watch: Watch, clock: Clock) -> None:
    watch.silent([_run()], [])
    clock.pass_(ORPHAN_SECONDS + 1)
    assert watch.silent([_run(attempt=2)], []) == []


def test_a_run_in_a_terminal_lives_as_long_as_its_process(watch: Watch, clock: Clock) -> None:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    runs = {pid: _run(worker=f"here-{pid}-inline") for pid in (os.getpid(), gone.pid)}
    for run in runs.values():
        watch.silent([run], [])
    clock.pass_(ORPHAN_SECONDS + 1)
    alive, dead = Watch(now=clock, host="here"), Watch(now=clock, host="here")
    alive.silent([runs[os.getpid()]], [])
    dead.silent([runs[gone.pid]], [])
    clock.pass_(ORPHAN_SECONDS + 1)
    assert alive.silent([runs[os.getpid()]], []) == []
    assert dead.silent([runs[gone.pid]], []) == [runs[gone.pid]]


def test_times_in_the_rows_mean_nothing(watch: Watch, clock: Clock) -> None:
    """A clock that jumps: rows say tomorrow, or yesterday, and the run is as alive as before."""
    for wall in (3600.0, -3600.0, -86_400.0, 0.0):
        clock.pass_(10)
        assert watch.silent([_run()], [_worker(wall)]) == []
