"""The worker, which carries out runs: whether one is alive, and starting one. It outlives the page and the server."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from app.services import access
from app.services.access import Person
from app.services.stores import is_shown, open_store
from core import paths
from core.errors import StoreError
from core.runs.store.records import RunKind, RunState
from core.runs.worker import machine_lock, standby
from core.runs.worker.processes import SPARE_BYTES, start

_PRIVATE = "A private run"
_LOG = logging.getLogger("terrastill.app")


@dataclass(frozen=True)
class WorkerState:
    """`queued` and `running` count runs; `device` lists the slots of the workers that are alive.

    `memory` is what the processes of their runs take, in bytes (0: not known); `current` names the runs under way;
    `full`: no run is started for want of disk.
    """

    state: Literal["working", "idle", "starting", "absent"]
    device: str
    queued: int
    running: int
    memory: int = 0
    current: tuple[str, ...] = ()
    full: bool = False


def worker_state(owner: str | None = None) -> WorkerState:
    """What the sidebar says to `owner` (`stores.is_shown`). Raises `StoreError`."""
    store = open_store()
    alive = store.workers()
    active = store.list([RunState.QUEUED, RunState.RUNNING])
    running = [run for run in reversed(active) if run.state == RunState.RUNNING]
    state: Literal["working", "idle", "starting", "absent"] = "absent"
    if alive:
        state = "working" if running else "idle"
    elif machine_lock.is_held(machine_lock.path_of(store.home)):
        state = "starting"
    return WorkerState(
        state,
        device=", ".join(worker.device for worker in alive),
        queued=len(active) - len(running),
        running=len(running),
        memory=sum(worker.memory for worker in alive),
        current=tuple(run.name if is_shown(run, owner) else _PRIVATE for run in running),
        full=shutil.disk_usage(store.home).free < SPARE_BYTES,
    )


def training() -> bool:
    """Whether a run is training now. False where the list of runs cannot be read: the sidebar says that already."""
    try:
        return bool(open_store().list([RunState.RUNNING]))
    except StoreError:
        return False


_children: list[subprocess.Popen[bytes]] = []
"""The workers that this server started; looked at so that one that has ended is no zombie."""


def ensure_worker() -> bool:
    """Start a worker when none is alive. True when one was started.

    Whoever gets this machine's lock starts it and hands the lock over: of any number of tabs and servers that ask at
    once, one does. Raises `StoreError`.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    store = open_store()
    if store.workers():
        return False
    lock = machine_lock.acquire(machine_lock.path_of(store.home))
    if lock is None:
        return False
    try:
        with (paths.home() / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "core", "worker", "--lock", str(lock)]
            _children.append(start(command, log, hand_over=[lock]))
    except OSError as error:
        raise StoreError(f"No worker could be started ({error.strerror}): check memory and disk.") from error
    finally:
        os.close(lock)
    return True


def expect_prediction() -> None:
    """A visitor has brought pictures: the worker is there, and imports what segmenting needs, before they ask for it.

    Raises `StoreError`.
    """
    standby.expect_prediction(open_store().home)
    ensure_worker()


def start_worker(who: Person) -> bool:
    """The same where a visitor asks for it. Raises `RunStateError` when this person may not launch."""
    access.require(who, "launch")
    return ensure_worker()


def resume_queue() -> bool:
    """Start a worker when runs of any kind wait or were interrupted and nobody works on them."""
    waiting = open_store().list([RunState.QUEUED, RunState.RUNNING], kinds=tuple(RunKind))
    return bool(waiting) and ensure_worker()


@dataclass
class WorkerKeeper:
    """Starts the worker again when it has died while runs wait or were under way; not for ever.

    A worker that dies `most` times in `window` seconds dies of something that starting does not mend: then the sidebar
    offers the button, and this waits until the window has passed.
    """

    most: int = 3
    window: float = 600.0
    now: Callable[[], float] = time.monotonic
    _started: list[float] = field(default_factory=list)

    def check(self) -> bool:
        """Start one if need be; whether one was started. Raises `StoreError`."""
        self._started = [at for at in self._started if self.now() - at < self.window]
        if len(self._started) >= self.most or not resume_queue():
            return False
        self._started.append(self.now())
        _LOG.warning("The worker had ended while runs waited: it was started again.")
        return True
