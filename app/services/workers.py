"""The process that trains: whether one is alive, and starting one. It outlives the page and the server."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.services.stores import open_store
from core import paths
from core.errors import StoreError
from core.runs.process import start
from core.runs.records import RunState

_STARTING_SECONDS = 30.0
_LOCK = threading.Lock()


@dataclass(frozen=True)
class WorkerState:
    """`queued` and `running` count runs; `device` lists the slots of the workers that are alive."""

    state: Literal["working", "idle", "starting", "absent"]
    device: str
    queued: int
    running: int


@dataclass
class _Started:
    """The worker that this server started last; kept so that a second click does not start a second one."""

    process: subprocess.Popen[bytes] | None = None
    at: float = 0.0


_started = _Started()


def worker_state(*, now: Callable[[], float] = time.monotonic) -> WorkerState:
    """What the sidebar says. Raises `StoreError`."""
    store = open_store()
    alive = store.workers()
    active = store.list([RunState.QUEUED, RunState.RUNNING])
    running = sum(run.state == RunState.RUNNING for run in active)
    device = ", ".join(worker.device for worker in alive)
    state: Literal["working", "idle", "starting", "absent"] = "absent"
    if alive:
        state = "working" if running else "idle"
    elif _is_starting(now()):
        state = "starting"
    return WorkerState(state, device, len(active) - running, running)


def training() -> bool:
    """Whether a run is training now. False where the list of runs cannot be read: the sidebar says that already."""
    try:
        return bool(open_store().list([RunState.RUNNING]))
    except StoreError:
        return False


def ensure_worker(*, now: Callable[[], float] = time.monotonic) -> bool:
    """Start a worker when none is alive. True when one was started."""
    with _LOCK:
        if open_store().workers() or _is_starting(now()):
            return False
        log = paths.home() / "worker.log"
        _started.process = start([sys.executable, "-m", "core", "worker"], log)
        _started.at = now()
        return True


def resume_queue() -> bool:
    """Start a worker when runs wait or were interrupted and nobody works on them."""
    waiting = open_store().list([RunState.QUEUED, RunState.RUNNING])
    return bool(waiting) and ensure_worker()


def _is_starting(now: float) -> bool:
    process = _started.process
    return process is not None and process.poll() is None and now - _started.at < _STARTING_SECONDS
