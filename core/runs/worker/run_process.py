"""One run in a process of its own: it sends heartbeats, stops when asked, and reports its end to the store."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from core.errors import DiskFullError, FencedError, MemoryRanOutError, RunStateError, StoreError, TerrastillError
from core.events import Cancelled, EpochEvent, Event, MessageEvent, Progress, StepEvent
from core.files import staged
from core.out_of_memory import is_out_of_memory, out_of_memory_as, plan_retry
from core.runs.recorder import Recorder
from core.runs.store import attempts
from core.runs.store.records import RunKind, RunRecord, RunState
from core.runs.store.run_files import PROGRESS_FILE, LineWriter, atomic_write
from core.runs.store.run_store import RunStore
from core.runs.tracking.dispatch import Tracking
from core.runs.worker.processes import lower_priority

HEARTBEAT_SECONDS = 1.0
"""The least time between two heartbeats, which also read whether the run was cancelled."""
_PROGRESS_SECONDS = 0.4


class Execute(Protocol):
    """Does the work of a run and gives its summary as JSON values: one of core/runs/executors/, or a test's own.

    The first argument are the settings: a `RunConfig` for training, JSON values for a quick run, and for a search its
    own record. `emit` takes the events of training, and `Progress` of a quick run.
    """

    def __call__(
        self, settings: Any, folder: Path, /, *, emit: Any, cancelled: Cancelled, runs: Path
    ) -> dict[str, Any]: ...


class Heartbeat:
    """The heartbeat of a job, and whether it must stop.

    One is sent only when the job itself calls `emit` or `cancelled`: a job that hangs sends none and loses the run. A
    thread that sends them would hide that. `orphaned` gives whether the worker that started this process is gone.
    """

    def __init__(
        self,
        store: RunStore,
        record: RunRecord,
        *,
        now: Callable[[], float] = time.monotonic,
        orphaned: Callable[[], bool] = lambda: False,
    ) -> None:
        self.record = record
        self._lease: RunRecord | None = record
        self._store = store
        self._now = now
        self._orphaned = orphaned
        self._asked_to_stop = False
        self._progress = record.progress
        self._sent_at = now()

    @property
    def lost(self) -> bool:
        """Whether this process holds the run no more, and must stop."""
        return self._lease is None

    def mark_lost(self) -> None:
        """The store refused a call of this process: another attempt has the run."""
        self._lease = None

    def request_stop(self) -> None:
        """From a signal: the job sees it at its next `cancelled`."""
        self._asked_to_stop = True

    def on_event(self, event: Event) -> None:
        """Every event of the job may send a heartbeat; a step or an epoch also updates the progress."""
        self._progress = progress_after(event, self._progress)
        self._send()

    def on_progress(self, progress: Progress) -> None:
        """The same for a quick run."""
        self._progress = progress.share
        self._send()

    def cancelled(self) -> bool:
        """Whether the job must stop: it was cancelled, the worker stops or is gone, or another has the run."""
        self._send()
        return self._asked_to_stop or self.lost or self.record.cancel_requested or self._orphaned()

    def _send(self) -> None:
        if self.lost or self._now() - self._sent_at < HEARTBEAT_SECONDS:
            return
        self._sent_at = self._now()
        held = self.record
        try:
            self._lease = self._store.heartbeat(held.id, held.worker, self._progress, attempt=held.attempt)
        except StoreError:
            # One missed heartbeat must not lose hours of work: the lease is long, and the next one is due in a second.
            return
        self.record = self._lease or held


def hold(store: RunStore, run_id: str, worker: str, attempt: int) -> Heartbeat:
    """Make this process the one of a claimed run: ready for signals, and at a low priority where it trains.

    Raises `RunStateError` when the run has been taken back meanwhile.
    """
    parent, found = os.getppid(), store.get(run_id)
    if found.kind == RunKind.TRAINING:
        # The app must stay quick while a run uses every core.
        lower_priority()
    record = store.heartbeat(run_id, worker, found.progress, attempt=attempt)
    if record is None:
        raise RunStateError(f"Run {run_id} was taken back before its process began: nothing is left to do here.")
    heartbeat = Heartbeat(store, record, orphaned=lambda: os.getppid() != parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: heartbeat.request_stop())
    return heartbeat


def perform(store: RunStore, heartbeat: Heartbeat, *, execute: Execute, stopped: type[Exception]) -> None:
    """Execute the run that `heartbeat` holds, and report its end. `stopped` is what `execute` raises when it stops.

    Other errors than ours pass through: the traceback goes to the log, and the worker reports the end.
    """
    held = heartbeat.record
    folder = store.folder(held.id)
    with staged(folder, attempts.stage(folder, held.attempt)):
        try:
            sink = _EventSink if held.kind == RunKind.TRAINING else _ProgressSink
            _perform(store, sink(store, heartbeat, folder), execute, stopped)
        except RunStateError:
            # A later attempt has the run now: this process ends without writing anything.
            heartbeat.mark_lost()
            return
        except DiskFullError as error:
            store.release(held.id, held.worker, attempt=held.attempt, reason=f"{error} Then the run goes on.")
    if not heartbeat.lost:
        attempts.close(folder, held.attempt)


class _Sink(Protocol):
    """Takes what a job tells, into the run's folder and the store."""

    heartbeat: Heartbeat
    settings: Any
    folder: Path

    def begin(self, text: str) -> None: ...

    def emit(self, event: Any) -> None: ...

    def log(self, text: str) -> None: ...

    def end_tracking(self, state: RunState, summary: dict[str, Any] | None = None) -> None: ...


class _ProgressSink:
    """Passes the progress of a quick run to the store, and to `progress.json` in its folder, for the page.

    Nothing of it goes to a tracker: the pictures are a visitor's.
    """

    def __init__(self, store: RunStore, heartbeat: Heartbeat, folder: Path) -> None:
        del store
        held = heartbeat.record
        # A search queues runs, and changes them, as the holder of its own run: so it is given the whole record.
        self.settings: Any = held if held.kind == RunKind.SEARCH else held.job
        self.heartbeat, self.folder = heartbeat, folder
        self._log = LineWriter(folder / "log.txt")
        self._doing: str | None = None
        self._began_at = self._written_at = time.monotonic()

    def begin(self, text: str) -> None:
        self.log(text)

    def emit(self, progress: Progress) -> None:
        """At most a few times a second, unless something else begins; `seconds` are those since it began."""
        now = time.monotonic()
        if progress.doing != self._doing:
            self._doing, self._began_at = progress.doing, now
        elif now - self._written_at < _PROGRESS_SECONDS and progress.done < progress.total:
            return
        self._written_at = now
        text = json.dumps({**asdict(progress), "seconds": now - self._began_at})
        atomic_write(self.folder / PROGRESS_FILE, text.encode())
        self.heartbeat.on_progress(progress)

    def log(self, text: str) -> None:
        self._log(f"{time.strftime('%H:%M:%S')}  {text}")

    def end_tracking(self, state: RunState, summary: dict[str, Any] | None = None) -> None:
        """There is none."""


class _EventSink:
    """Passes the events of a training run to the folder, the store and the trackers."""

    def __init__(self, store: RunStore, heartbeat: Heartbeat, folder: Path) -> None:
        held = heartbeat.record
        self.heartbeat, self.folder, self._store = heartbeat, folder, store
        self.settings = replace(held.config, train=replace(held.config.train, device=held.device))
        self._tracking = Tracking.from_environment(heartbeat.record, folder)
        self.recorder = Recorder(folder, heartbeat.record.config)

    def begin(self, text: str) -> None:
        self.emit(MessageEvent(text))

    def log(self, text: str) -> None:
        self.recorder.log(text)

    def emit(self, event: Event) -> None:
        self.recorder(event)
        self.heartbeat.on_event(event)
        if not self.heartbeat.lost:
            self._tracking(event, self.recorder)

    def end_tracking(self, state: RunState, summary: dict[str, Any] | None = None) -> None:
        """Call it first: the worker ends a process whose run is over. A later attempt is left alone."""
        held = self._store.get(self.heartbeat.record.id)
        if (held.state, held.attempt) == (RunState.RUNNING, self.heartbeat.record.attempt):
            stopped = held.cancel_requested and state == RunState.QUEUED
            self._tracking.end(RunState.CANCELLED if stopped else state, self.recorder, summary)


def _perform(store: RunStore, sink: _Sink, execute: Execute, stopped: type[Exception]) -> None:
    heartbeat = sink.heartbeat
    held = heartbeat.record
    sink.begin(f"Started on {held.device}, attempt {held.attempt}.")
    try:
        with out_of_memory_as(MemoryRanOutError("Memory ran out.")):
            summary = execute(
                sink.settings, sink.folder, emit=sink.emit, cancelled=heartbeat.cancelled, runs=store.home
            )
    except stopped:
        if heartbeat.lost:
            return
        sink.end_tracking(RunState.QUEUED)
        after = store.release(held.id, held.worker, attempt=held.attempt)
        sink.log("Stopped as asked." if after.state.final else "Stopped to go on later.")
    except (DiskFullError, FencedError):
        raise
    except (TerrastillError, RuntimeError, OSError) as error:
        if heartbeat.lost:
            return
        if is_out_of_memory(error):
            _reduce_batch(store, sink, error)
        elif isinstance(error, TerrastillError):
            sink.end_tracking(RunState.FAILED)
            sink.log(f"Failed: {error}")
            store.fail(held.id, held.worker, str(error), attempt=held.attempt)
        else:
            raise
    else:
        sink.end_tracking(RunState.DONE, summary)
        store.finish(held.id, held.worker, summary, attempt=held.attempt)
        sink.log("Done.")


def _reduce_batch(store: RunStore, sink: _Sink, error: Exception) -> None:
    """Memory ran out: the store decides whether there is another attempt, and the log says so."""
    held = sink.heartbeat.record
    if isinstance(error, TerrastillError):
        sink.log(str(error))
    again, _ = plan_retry(held.config, held.device, held.batch_reductions)
    sink.end_tracking(RunState.QUEUED if again else RunState.FAILED)
    after = store.reduce_batch(held.id, held.worker, attempt=held.attempt)
    if after.state == RunState.QUEUED:
        sink.log(f"Warning: {after.error} It is tried once more, the same batch in twice as many parts.")
    else:
        sink.log(f"Failed: {after.error}" if after.error else "Stopped as asked.")


def progress_after(event: Event, before: float) -> float:
    """The fraction of the run that is done once `event` has happened. Epochs and steps count from 1."""
    match event:
        case StepEvent(epoch=epoch, epochs=epochs, step=step, steps=steps):
            return (epoch - 1 + step / steps) / epochs
        case EpochEvent(epoch=epoch, epochs=epochs):
            return epoch / epochs
    return before
