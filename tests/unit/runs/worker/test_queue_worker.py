"""The worker with small processes in place of runs: slots, deaths, missing heartbeats, cancels and stopping."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from core import paths
from core.config import RunConfig, TrainConfig
from core.errors import StoreError
from core.out_of_memory import OUT_OF_MEMORY_EXIT, ExitWatch
from core.runs.store.records import LAST_CHECKPOINT, RunRecord, RunState, WorkerRecord
from core.runs.store.run_store import RunStore
from core.runs.worker.command import serve
from core.runs.worker.heartbeats import WINDOW_SECONDS
from core.runs.worker.processes import DISK_FULL
from core.runs.worker.queue_worker import Worker
from tests.unit.runs.conftest import Clock

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]

Make = Callable[..., Worker]


@pytest.fixture
def make(store: RunStore, clock: Clock) -> Iterator[Make]:
    made: list[Worker] = []

    def worker(script: list[str] = SLEEP, slots: tuple[str, ...] = ("cpu",), **options: Any) -> Worker:
        options |= {"spare": 0, "now": clock, "report": lambda _: None}
        made.append(Worker(store, command=lambda _: script, slots=slots, **options))
        return made[-1]

    yield worker
    for one in made:
        one.request_stop()
        one.request_stop()
        one.close()


def _process(worker: Worker) -> subprocess.Popen[bytes]:
    return worker._children[-1].process


def _run(store: RunStore) -> RunRecord:
    return store.list()[0]


def _step(store: RunStore) -> None:
    """The run has made its first step."""
    run = _run(store)
    store.heartbeat(run.id, run.worker, 0.5, attempt=run.attempt)


def _dies(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def _until_failed(worker: Worker) -> None:
    _process(worker).wait(60)
    worker.collect_ended()


def test_one_run_a_slot(store: RunStore, config: RunConfig, make: Make) -> None:
    for _ in range(3):
        store.add(config)
    worker = make(slots=("cuda:0", "cpu"))
    worker.run_once()
    assert sorted(run.device for run in store.list([RunState.RUNNING])) == ["cpu", "cuda:0"]
    worker.run_once()
    assert len(store.list([RunState.QUEUED])) == 1


def test_the_worker_is_known_while_it_turns(store: RunStore, make: Make, clock: Clock) -> None:
    worker = make()
    worker.register()
    for _ in range(10):
        clock.pass_(6)
        worker.run_once()
        assert [one.id for one in store.workers()] == [worker.id]
    worker.close()
    assert store.workers() == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "was killed"),
        ("raise ValueError('odd')", "(ValueError: odd)"),
        ("pass", "stopped with an error"),
    ],
)
def test_a_death_fails_the_run_with_a_message_and_keeps_the_log(
    store: RunStore, config: RunConfig, make: Make, code: str, words: str
) -> None:
    store.add(config)
    worker = make(_dies(code))
    worker.run_once()
    _until_failed(worker)
    run = _run(store)
    assert run.state == RunState.FAILED
    assert run.error is not None
    assert words in run.error
    assert words in (store.folder(run.id) / "log.txt").read_text()


SHORT_OF_MEMORY = {
    "torch at the end of its log": ("print('torch.OutOfMemoryError: CUDA out of memory.'); exit(1)", 0),
    "python at the end of its log": ("raise MemoryError", 0),
    "c++ at the end of its log": ("print('terminate called: std::bad_alloc', flush=True); import os; os.abort()", 0),
    "the kernel": ("import os; os.kill(os.getpid(), 9)", 1),
    "the kernel, a child of it": ("import os; os._exit(137)", 1),
    "another machine": (f"import os; os._exit({OUT_OF_MEMORY_EXIT} & 255)", None),
}


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize(("code", "kills"), SHORT_OF_MEMORY.values(), ids=SHORT_OF_MEMORY)
def test_out_of_memory_is_handled_alike_whoever_reports_it(
    store: RunStore, config: RunConfig, make: Make, code: str, kills: int | None, saved: bool
) -> None:
    run = store.add(config)
    if saved:
        (store.folder(run.id) / LAST_CHECKPOINT).mkdir()
    counted = iter(range(0, 100, kills or 1)) if kills else itertools.repeat(7)
    for ends, expected in enumerate((RunState.QUEUED, RunState.FAILED), start=1):
        worker = make(_dies(code), watch_exit=lambda: ExitWatch(lambda: next(counted)))
        worker.run_once()
        if kills is None:
            # No process of this machine can end so: Ray reports it of one of another machine.
            _process(worker).wait(60)
            _process(worker).returncode = OUT_OF_MEMORY_EXIT
        _until_failed(worker)
        after = _run(store)
        assert (after.state, after.batch_reductions, after.restarts) == (expected, 1, 0)
        assert after.error == f"Ran out of memory at batch {16 // ends} on cpu; try {8 // ends}."
        assert after.config == replace(config, train=replace(config.train, accumulate=2))
        assert after.error in (store.folder(run.id) / "log.txt").read_text()


def test_who_kills_a_run_without_the_kernel_did_not_lack_memory(store: RunStore, config: RunConfig, make: Make) -> None:
    run = store.add(config)
    (store.folder(run.id) / LAST_CHECKPOINT).mkdir()
    worker = make(_dies("import os; os.kill(os.getpid(), 9)"), watch_exit=lambda: ExitWatch(lambda: 5))
    worker.run_once()
    _until_failed(worker)
    assert (_run(store).state, _run(store).batch_reductions, _run(store).restarts) == (RunState.QUEUED, 0, 1)


def test_an_old_death_in_the_log_does_not_explain_a_new_one(store: RunStore, config: RunConfig, make: Make) -> None:
    run = store.add(config)
    (store.folder(run.id) / "log.txt").write_text("CUDA out of memory\n")
    worker = make(_dies("raise ValueError('odd')"))
    worker.run_once()
    _until_failed(worker)
    assert "ValueError: odd" in (_run(store).error or "")


def test_a_death_after_a_checkpoint_is_tried_again_until_it_is_enough(
    store: RunStore, config: RunConfig, make: Make
) -> None:
    run = store.add(config)
    (store.folder(run.id) / LAST_CHECKPOINT).mkdir()
    worker = make(_dies("exit(1)"))
    for attempt in range(1, 5):
        assert _run(store).state == RunState.QUEUED
        worker.run_once()
        assert _run(store).attempt == attempt
        _until_failed(worker)
    assert _run(store).state == RunState.FAILED


def test_a_run_without_heartbeats_is_killed_and_started_again(
    store: RunStore, config: RunConfig, make: Make, clock: Clock
) -> None:
    store.add(config)
    worker = make()
    worker.run_once()
    first = _process(worker)
    _step(store)
    for _ in range(8):
        clock.pass_(20)
        worker.run_once()
    assert first.poll() == -signal.SIGKILL
    run = _run(store)
    assert (run.state, run.attempt, run.restarts) == (RunState.RUNNING, 2, 1)
    assert _process(worker).poll() is None


def test_a_hung_run_is_started_again_within_twice_its_window(
    store: RunStore, config: RunConfig, make: Make, clock: Clock
) -> None:
    store.add(config)
    worker = make()
    worker.run_once()
    _step(store)
    began = clock()
    while _run(store).attempt == 1:
        clock.pass_(2)
        worker.run_once()
    assert WINDOW_SECONDS < clock() - began < 2 * WINDOW_SECONDS


def test_a_device_may_have_several_slots(store: RunStore, config: RunConfig, make: Make) -> None:
    for _ in range(4):
        store.add(config)
    worker = make(slots=("cuda:0", "cuda:0", "cpu"))
    worker.register()
    worker.run_once()
    assert sorted(run.device for run in store.list([RunState.RUNNING])) == ["cpu", "cuda:0", "cuda:0"]
    assert [one.device for one in store.workers()] == ["cuda:0=2,cpu"]


def test_without_space_no_run_is_started(store: RunStore, config: RunConfig, clock: Clock) -> None:
    store.add(config)
    said: list[str] = []
    worker = Worker(store, command=lambda _: SLEEP, spare=2**62, now=clock, report=said.append)
    for _ in range(3):
        worker.run_once()
    assert _run(store).state == RunState.QUEUED
    assert said == ["The disk is full: runs wait until there is space."]


def test_a_death_by_a_full_disk_waits_and_counts_no_restart(store: RunStore, config: RunConfig, make: Make) -> None:
    store.add(config)
    worker = make(_dies("raise OSError(28, 'No space left on device')"))
    worker.run_once()
    _until_failed(worker)
    run = _run(store)
    assert (run.state, run.restarts, run.error) == (RunState.QUEUED, 0, DISK_FULL)


def test_an_end_that_the_store_does_not_take_is_reported_again(
    store: RunStore, config: RunConfig, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(config)
    worker = make(_dies("exit(1)"))
    worker.run_once()
    _process(worker).wait(60)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "abandon", _no_store)
        with pytest.raises(StoreError):
            worker.collect_ended()
    assert _run(store).state == RunState.RUNNING
    worker.collect_ended()
    assert _run(store).state == RunState.FAILED


def _no_store(*_: object, **__: object) -> None:
    raise StoreError("The run store cannot be used.")


def test_a_run_deaf_to_its_cancel_is_killed(store: RunStore, config: RunConfig, make: Make, clock: Clock) -> None:
    store.add(config)
    worker = make()
    worker.run_once()
    store.request_cancel(_run(store).id)
    worker.run_once()
    assert _process(worker).poll() is None
    clock.pass_(21)
    worker.run_once()
    assert _run(store).state == RunState.CANCELLED


def test_a_run_taken_by_another_worker_is_killed_here(store: RunStore, config: RunConfig, make: Make) -> None:
    store.add(config)
    worker = make()
    worker.run_once()
    process, run = _process(worker), _run(store)
    store.release(run.id, worker.id, attempt=run.attempt)
    theirs = store.claim("another", ["cpu"])
    worker.run_once()
    assert process.poll() == -signal.SIGKILL
    assert _run(store) == theirs


def test_leaving_gives_every_run_back(store: RunStore, config: RunConfig, make: Make) -> None:
    store.add(config)
    worker = make()
    worker.register()
    worker.run_once()
    process = _process(worker)
    worker.request_stop()
    worker.loop()
    assert process.poll() == -signal.SIGTERM
    assert (_run(store).state, _run(store).restarts) == (RunState.QUEUED, 0)
    assert store.workers() == []


def test_a_second_signal_does_not_wait(store: RunStore, config: RunConfig, make: Make) -> None:
    store.add(config)
    worker = make(DEAF)
    worker.run_once()
    process, log = _process(worker), store.folder(_run(store).id) / "log.txt"
    while "deaf" not in log.read_text():
        assert process.poll() is None
    worker.request_stop()
    worker.request_stop()
    worker.loop()
    assert process.poll() == -signal.SIGKILL
    assert _run(store).state == RunState.QUEUED


def test_a_program_that_cannot_start_fails_the_run(store: RunStore, config: RunConfig, make: Make) -> None:
    store.add(config)
    make(["/nowhere/python"]).run_once()
    assert _run(store).state == RunState.FAILED
    assert "No process could be started" in (_run(store).error or "")


def test_a_run_for_another_device_waits(store: RunStore, config: RunConfig, make: Make) -> None:
    store.add(replace(config, train=TrainConfig(device="cuda")))
    make().run_once()
    assert _run(store).state == RunState.QUEUED


def test_the_worker_never_loads_torch() -> None:
    question = "import core.runs.worker.command, sys; print('torch' in sys.modules, 'numpy' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=paths.ROOT, capture_output=True, text=True, check=True, env=os.environ
    )
    assert answer.stdout.split() == ["False", "False"]


class Ended(BaseException):
    """What a signal does where nobody waits for it."""


@pytest.fixture
def signals() -> Iterator[None]:
    """Signals end a test and not its process; what stood before is put back."""

    def end(*_: Any) -> None:
        raise Ended

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_sees_a_worker_can_end_it_at_once(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    register = store.register_worker

    def seen(*told: Any) -> WorkerRecord:
        record = register(*told)
        os.kill(os.getpid(), number)
        return record

    monkeypatch.setattr(store, "register_worker", seen)
    assert serve(store, command=lambda _: SLEEP, slots="cpu=1", pause=0.01) == 0
    assert list(store.workers()) == []
