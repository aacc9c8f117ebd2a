"""A lease expires by what was seen to change, and by no wall clock."""

import os
import subprocess
import sys

import pytest

from core.config import RunConfig
from core.runs.store.records import RunRecord, RunState, WorkerRecord
from core.runs.worker.heartbeats import ORPHAN_SECONDS, WINDOW_SECONDS, HeartbeatMonitor
from tests.unit.runs.conftest import Clock


@pytest.fixture
def monitor(clock: Clock) -> HeartbeatMonitor:
    return HeartbeatMonitor(now=clock, host="here")


def _run(heartbeats: int = 1, *, attempt: int = 1, worker: str = "w", progress: float = 0.5) -> RunRecord:
    config = RunConfig(kind="train")
    return RunRecord(
        "a",
        "a",
        RunState.RUNNING,
        config,
        "cpu",
        0.0,
        attempt=attempt,
        heartbeats=heartbeats,
        worker=worker,
        progress=progress,
    )


def _worker(heartbeat: float) -> WorkerRecord:
    return WorkerRecord("w", 1, "there", "cpu", 0.0, heartbeat)


def test_a_run_keeps_its_lease_with_heartbeats_at_any_pace_below_the_window(
    monitor: HeartbeatMonitor, clock: Clock
) -> None:
    for heartbeat in range(5):
        assert monitor.expired([_run(heartbeat)], [_worker(heartbeat)]) == []
        clock.pass_(WINDOW_SECONDS - 1)


def test_with_a_living_worker_a_run_has_its_whole_window(monitor: HeartbeatMonitor, clock: Clock) -> None:
    for second in range(int(WINDOW_SECONDS) + 1):
        assert monitor.expired([_run()], [_worker(second)]) == []
        clock.pass_(1)
    assert monitor.expired([_run()], [_worker(-1)]) == [_run()]


def test_until_its_first_step_it_has_four_windows(monitor: HeartbeatMonitor, clock: Clock) -> None:
    """A run that gives way to everything took minutes to get ready on a busy machine, and was started again."""
    run = _run(progress=0.0)
    for second in range(4 * int(WINDOW_SECONDS) + 1):
        assert monitor.expired([run], [_worker(second)]) == []
        clock.pass_(1)
    assert monitor.expired([run], [_worker(-1)]) == [run]


@pytest.mark.parametrize("workers", [[], [_worker(0.0)]], ids=["gone", "expired"])
def test_without_one_it_is_taken_back_within_a_minute(
    monitor: HeartbeatMonitor, clock: Clock, workers: list[WorkerRecord]
) -> None:
    for _ in range(int(ORPHAN_SECONDS) + 1):
        assert monitor.expired([_run()], workers) == []
        clock.pass_(1)
    assert monitor.expired([_run()], workers) == [_run()]
    assert ORPHAN_SECONDS < 60


def test_another_attempt_starts_the_count_anew(monitor: HeartbeatMonitor, clock: Clock) -> None:
    monitor.expired([_run()], [])
    clock.pass_(ORPHAN_SECONDS + 1)
    assert monitor.expired([_run(attempt=2)], []) == []


def test_a_run_in_a_terminal_lives_as_long_as_its_process(monitor: HeartbeatMonitor, clock: Clock) -> None:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    runs = {pid: _run(worker=f"here-{pid}-inline") for pid in (os.getpid(), gone.pid)}
    for run in runs.values():
        monitor.expired([run], [])
    clock.pass_(ORPHAN_SECONDS + 1)
    alive, dead = HeartbeatMonitor(now=clock, host="here"), HeartbeatMonitor(now=clock, host="here")
    alive.expired([runs[os.getpid()]], [])
    dead.expired([runs[gone.pid]], [])
    clock.pass_(ORPHAN_SECONDS + 1)
    assert alive.expired([runs[os.getpid()]], []) == []
    assert dead.expired([runs[gone.pid]], []) == [runs[gone.pid]]


def test_times_in_the_rows_mean_nothing(monitor: HeartbeatMonitor, clock: Clock) -> None:
    """A clock that jumps: rows have tomorrow's time, or yesterday's, and the run is as alive as before."""
    for wall in (3600.0, -3600.0, -86_400.0, 0.0):
        clock.pass_(10)
        assert monitor.expired([_run()], [_worker(wall)]) == []
