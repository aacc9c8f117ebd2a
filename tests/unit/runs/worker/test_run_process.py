"""The process of a run: every end is reported to the store, and heartbeats come from working alone."""

import errno
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core import paths
from core.config import RunConfig
from core.errors import ConfigError, DeviceError, MemoryRanOutError, StoreError
from core.events import Cancelled, Emit, EpochEvent, MessageEvent, StepEvent
from core.runs.recorder import read_events
from core.runs.store.records import RunState
from core.runs.store.run_files import atomic_write
from core.runs.store.run_store import RunStore
from core.runs.worker.run_process import HEARTBEAT_SECONDS, Heartbeat, perform, progress_after
from tests.unit.runs.conftest import Clock, miss_heartbeats


class StoppedError(Exception):
    """What the jobs here raise when they are asked to stop."""


Body = Callable[[Emit, Cancelled], dict[str, Any]]


class Job:
    """A job whose work is a few lines of the test."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.config: RunConfig | None = None

    def __call__(
        self, config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
    ) -> dict[str, Any]:
        assert resume
        assert folder.parent == runs
        self.config = config
        return self.body(emit, cancelled)


def _step(step: int = 1, epoch: int = 1) -> StepEvent:
    return StepEvent(epoch, 4, step, 10, {"total": 1.0}, 1e-3, 50.0, 12.0)


def _stop_when_told(emit: Emit, cancelled: Cancelled) -> dict[str, Any]:
    emit(_step())
    if cancelled():
        raise StoppedError
    return {"best_miou5": 0.5}


@pytest.fixture
def heartbeat(store: RunStore, config: RunConfig, clock: Clock) -> Heartbeat:
    store.add(config)
    record = store.claim("w", ["cpu"])
    assert record is not None
    return Heartbeat(store, record, now=clock)


def _perform(store: RunStore, heartbeat: Heartbeat, body: Body) -> Job:
    job = Job(body)
    perform(store, heartbeat, execute=job, stopped=StoppedError)
    return job


def test_a_run_that_ends_well_is_done_with_its_summary(store: RunStore, heartbeat: Heartbeat) -> None:
    _perform(store, heartbeat, _stop_when_told)
    (run,) = store.list()
    assert (run.state, run.summary) == (RunState.DONE, {"best_miou5": 0.5})
    assert "step" in [event["type"] for event in read_events(store.folder(run.id) / "events.jsonl")[0]]


def test_the_job_works_on_the_slot_that_was_claimed(store: RunStore, heartbeat: Heartbeat, config: RunConfig) -> None:
    job = _perform(store, heartbeat, _stop_when_told)
    assert job.config == replace(config, train=replace(config.train, device="cpu"))
    assert store.list()[0].config == config


def test_bad_settings_fail_the_run_with_their_sentence(store: RunStore, heartbeat: Heartbeat) -> None:
    def refuse(_emit: Emit, _cancelled: Cancelled) -> dict[str, Any]:
        raise ConfigError("The teacher is not there: choose another.")

    _perform(store, heartbeat, refuse)
    (run,) = store.list()
    assert (run.state, run.error) == (RunState.FAILED, "The teacher is not there: choose another.")
    assert "The teacher is not there" in (store.folder(run.id) / "log.txt").read_text()


def test_an_unknown_fault_passes_through(store: RunStore, heartbeat: Heartbeat) -> None:
    def crash(_emit: Emit, _cancelled: Cancelled) -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _perform(store, heartbeat, crash)
    assert store.list()[0].state == RunState.RUNNING


def test_a_cancel_arrives_within_one_heartbeat(store: RunStore, heartbeat: Heartbeat, clock: Clock) -> None:
    store.request_cancel(heartbeat.record.id)
    assert not heartbeat.cancelled()
    clock.pass_(HEARTBEAT_SECONDS)
    assert heartbeat.cancelled()
    _perform(store, heartbeat, _stop_when_told)
    assert store.list()[0].state == RunState.CANCELLED


def test_a_signal_sends_the_run_back_to_the_queue(store: RunStore, heartbeat: Heartbeat) -> None:
    heartbeat.request_stop()
    _perform(store, heartbeat, _stop_when_told)
    (run,) = store.list()
    assert (run.state, run.restarts) == (RunState.QUEUED, 0)


def test_an_orphan_gives_its_run_back(store: RunStore, heartbeat: Heartbeat, clock: Clock) -> None:
    orphan = Heartbeat(store, heartbeat.record, now=clock, orphaned=lambda: True)
    _perform(store, orphan, _stop_when_told)
    assert store.list()[0].state == RunState.QUEUED


@pytest.mark.parametrize("end", ["stops", "finishes"])
def test_who_lost_the_run_leaves_the_next_attempt_alone(
    store: RunStore, heartbeat: Heartbeat, clock: Clock, end: str
) -> None:
    clock.pass_(500)
    miss_heartbeats(store, heartbeat.record.id)
    successor = store.claim("w", ["cpu"])
    _perform(store, heartbeat, _stop_when_told if end == "stops" else lambda _emit, _cancelled: {})
    assert heartbeat.lost
    assert store.list()[0] == successor


@pytest.mark.parametrize("how", ["taken back", "given to another", "deleted", "ended"])
def test_who_lost_the_run_stops_within_two_heartbeats(
    store: RunStore, heartbeat: Heartbeat, clock: Clock, how: str
) -> None:
    steps = []

    def train(emit: Emit, cancelled: Cancelled) -> dict[str, Any]:
        for number in range(1, 1001):
            if number == 100:
                _take_away(store, heartbeat.record.id, how)
            clock.pass_(HEARTBEAT_SECONDS / 10)
            emit(_step())
            steps.append(number)
            if cancelled():
                raise StoppedError
        return {}

    _perform(store, heartbeat, train)
    assert heartbeat.lost
    assert 100 <= len(steps) <= 100 + 2 * 10
    assert [run.state for run in store.list()] == {
        "taken back": [RunState.QUEUED],
        "given to another": [RunState.RUNNING],
        "deleted": [],
        "ended": [RunState.FAILED],
    }[how]


def _take_away(store: RunStore, run_id: str, how: str) -> None:
    if how == "ended":
        store.fail(run_id, "w", "A person said so.", attempt=1)
        return
    miss_heartbeats(store, run_id)
    if how == "given to another":
        store.claim("another", ["cpu"])
    if how == "deleted":
        store.request_cancel(run_id)
        store.delete(run_id)


def test_silence_is_not_hidden(store: RunStore, heartbeat: Heartbeat, clock: Clock) -> None:
    began = heartbeat.record.heartbeat_at
    clock.pass_(60)
    assert store.list()[0].heartbeat_at == began


@pytest.mark.parametrize("event", [_step(5), EpochEvent(1, 4, {}, 1.0), MessageEvent("Loading.")])
def test_every_event_is_a_sign_of_life(
    store: RunStore, heartbeat: Heartbeat, clock: Clock, event: StepEvent | EpochEvent | MessageEvent
) -> None:
    clock.pass_(60)
    heartbeat.on_event(event)
    assert store.list()[0].heartbeat_at == clock()


def test_the_store_is_read_once_a_heartbeat(store: RunStore, heartbeat: Heartbeat, clock: Clock) -> None:
    times = []
    for _ in range(100):
        clock.pass_(HEARTBEAT_SECONDS / 10)
        heartbeat.cancelled()
        times.append(store.list()[0].heartbeat_at)
    assert 9 <= len(set(times)) <= 11


def test_a_store_that_is_busy_costs_a_heartbeat_and_not_the_run(
    store: RunStore, heartbeat: Heartbeat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise StoreError("The run store is busy.")

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "heartbeat", busy)
        clock.pass_(HEARTBEAT_SECONDS)
        assert not heartbeat.cancelled()
    clock.pass_(HEARTBEAT_SECONDS)
    heartbeat.on_event(_step(5))
    assert store.list()[0].heartbeat_at == clock()


def _short(message: str) -> Body:
    def run_short(_emit: Emit, _cancelled: Cancelled) -> dict[str, Any]:
        raise RuntimeError(message)

    return run_short


SHORT = "CUDA out of memory. Tried to allocate 2.00 GiB."


def test_a_run_short_of_memory_is_tried_once_more_in_half(
    store: RunStore, heartbeat: Heartbeat, config: RunConfig
) -> None:
    _perform(store, heartbeat, _short(SHORT))
    (run,) = store.list()
    assert (run.state, run.error) == (RunState.QUEUED, "Ran out of memory at batch 16 on cpu; try 8.")
    assert run.config == replace(config, train=replace(config.train, accumulate=2))
    again = store.claim("w", ["cpu"])
    assert again is not None
    _perform(store, Heartbeat(store, again), _short(SHORT))
    (run,) = store.list()
    assert (run.state, run.error) == (RunState.FAILED, "Ran out of memory at batch 8 on cpu; try 4.")


SHORTAGES = [
    RuntimeError(SHORT),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    MemoryRanOutError("On device 2 of 2: Memory ran out."),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=repr)
def test_every_exception_that_means_missing_memory_is_handled_alike(
    store: RunStore, heartbeat: Heartbeat, error: Exception
) -> None:
    def lack(_emit: Emit, _cancelled: Cancelled) -> dict[str, Any]:
        raise error

    _perform(store, heartbeat, lack)
    (run,) = store.list()
    assert (run.state, run.batch_reductions, run.error) == (
        RunState.QUEUED,
        1,
        "Ran out of memory at batch 16 on cpu; try 8.",
    )
    assert "It is tried once more" in (store.folder(run.id) / "log.txt").read_text()


def test_our_error_for_a_full_device_is_out_of_memory_too(store: RunStore, heartbeat: Heartbeat) -> None:
    def validate(_emit: Emit, _cancelled: Cancelled) -> dict[str, Any]:
        raise DeviceError("The memory of cuda:0 is full.") from torch.OutOfMemoryError(SHORT)

    _perform(store, heartbeat, validate)
    assert (store.list()[0].state, store.list()[0].batch_reductions) == (RunState.QUEUED, 1)


def test_other_runtime_errors_pass_through(store: RunStore, heartbeat: Heartbeat) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        _perform(store, heartbeat, _short("The shapes do not fit."))
    assert store.list()[0].state == RunState.RUNNING


def test_a_full_disk_puts_the_run_back_with_a_plain_sentence(
    store: RunStore, heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(_emit: Emit, _cancelled: Cancelled) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", _no_space)
            atomic_write(store.folder(heartbeat.record.id) / "student.json", b"x")
        return {}

    _perform(store, heartbeat, save)
    (run,) = store.list()
    assert (run.state, run.restarts) == (RunState.QUEUED, 0)
    assert run.error is not None
    assert run.error.startswith("The disk is full: student.json could not be written in ")
    assert run.error.endswith("Free some space, or delete old runs. Then the run goes on.")


def _no_space(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_progress_only_grows_and_ends_at_one() -> None:
    events = [event for epoch in range(1, 5) for event in (*(_step(s, epoch) for s in range(1, 11)), MessageEvent("."))]
    seen, now = [], 0.0
    for event in [*events, EpochEvent(4, 4, {}, 1.0)]:
        now = progress_after(event, now)
        seen.append(now)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (pytest.approx(1 / 40), 1.0)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--worker", "w", "--attempt", "1"], "was taken back before its process began"),
        (["--worker", "w"], "--execute needs --worker and --attempt"),
        (["--attempt", "2"], "--execute needs --worker and --attempt"),
    ],
)
def test_a_process_of_an_attempt_that_is_over_does_nothing(
    store: RunStore, heartbeat: Heartbeat, more: list[str], said: str
) -> None:
    miss_heartbeats(store, heartbeat.record.id)
    again = store.claim("w", ["cpu"])
    command = [
        sys.executable,
        "-m",
        "core.runs.worker.command",
        "--home",
        str(store.home),
        "--execute",
        heartbeat.record.id,
        *more,
    ]
    ended = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert store.get(heartbeat.record.id) == again
