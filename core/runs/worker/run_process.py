"""One run in a process of its own: it sends heartbeats, stops when asked, and reports its end to the store."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from core.config import RunConfig
from core.errors import DiskFullError, FencedError, RunStateError, StoreError, TerrastillError
from core.events import Cancelled, Emit, EpochEvent, Event, MessageEvent, StepEvent
from core.files import staged
from core.out_of_memory import is_out_of_memory, plan_retry
from core.runs.recorder import Recorder
from core.runs.store import attempts
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore
from core.runs.tracking.dispatch import Tracking

HEARTBEAT_SECONDS = 1.0
"""The least time between two heartbeats, which also read whether the run was cancelled."""


class Execute(Protocol):
    """Does the work of a run and gives its summary as JSON values (`core.runs.execution.execute`, or a test's own)."""

    def __call__(
        self, config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
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
    """Make this process the one of a claimed run: at a low priority, and ready for signals.

    Raises `RunStateError` when the run has been taken back meanwhile.
    """
    parent = os.getppid()
    if os.name == "posix":
        # The app must stay quick while a run uses every core.
        os.nice(10)
    record = store.heartbeat(run_id, worker, store.get(run_id).progress, attempt=attempt)
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
            _perform(store, _EventSink(store, heartbeat, folder), execute, stopped)
        except RunStateError:
            # A later attempt has the run now: this process ends without writing anything.
            heartbeat.mark_lost()
            return
        except DiskFullError as error:
            store.release(held.id, held.worker, attempt=held.attempt, reason=f"{error} Then the run goes on.")
    if not heartbeat.lost:
        attempts.close(folder, held.attempt)


class _EventSink:
    """Passes the events of a job to the folder, the store and the trackers; it is an `Emit`."""

    def __init__(self, store: RunStore, heartbeat: Heartbeat, folder: Path) -> None:
        self.heartbeat, self._store = heartbeat, store
        self._tracking = Tracking.from_environment(heartbeat.record, folder)
        self.recorder = Recorder(folder, heartbeat.record.config)

    def __call__(self, event: Event) -> None:
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


def _perform(store: RunStore, sink: _EventSink, execute: Execute, stopped: type[Exception]) -> None:
    heartbeat, recorder = sink.heartbeat, sink.recorder
    held = heartbeat.record
    config = replace(held.config, train=replace(held.config.train, device=held.device))
    sink(MessageEvent(f"Started on {held.device}, attempt {held.attempt}."))
    try:
        summary = execute(config, recorder.folder, emit=sink, cancelled=heartbeat.cancelled, runs=store.home)
    except stopped:
        if heartbeat.lost:
            return
        sink.end_tracking(RunState.QUEUED)
        after = store.release(held.id, held.worker, attempt=held.attempt)
        recorder.log("Stopped as asked." if after.state.final else "Stopped to go on later.")
    except (DiskFullError, FencedError):
        raise
    except (TerrastillError, MemoryError, RuntimeError, OSError) as error:
        if heartbeat.lost:
            return
        if is_out_of_memory(error):
            _reduce_batch(store, sink, error)
        elif isinstance(error, TerrastillError):
            sink.end_tracking(RunState.FAILED)
            recorder.log(f"Failed: {error}")
            store.fail(held.id, held.worker, str(error), attempt=held.attempt)
        else:
            raise
    else:
        sink.end_tracking(RunState.DONE, summary)
        store.finish(held.id, held.worker, summary, attempt=held.attempt)
        recorder.log("Done.")


def _reduce_batch(store: RunStore, sink: _EventSink, error: Exception) -> None:
    """Memory ran out: the store decides whether there is another attempt, and the log says so."""
    held, recorder = sink.heartbeat.record, sink.recorder
    if isinstance(error, TerrastillError):
        recorder.log(str(error))
    again, _ = plan_retry(held.config, held.device, held.batch_reductions)
    sink.end_tracking(RunState.QUEUED if again else RunState.FAILED)
    after = store.reduce_batch(held.id, held.worker, attempt=held.attempt)
    if after.state == RunState.QUEUED:
        recorder.log(f"Warning: {after.error} It is tried once more, the same batch in twice as many parts.")
    else:
        recorder.log(f"Failed: {after.error}" if after.error else "Stopped as asked.")


def progress_after(event: Event, before: float) -> float:
    """The fraction of the run that is done once `event` has happened. Epochs and steps count from 1."""
    match event:
        case StepEvent(epoch=epoch, epochs=epochs, step=step, steps=steps):
            return (epoch - 1 + step / steps) / epochs
        case EpochEvent(epoch=epoch, epochs=epochs):
            return epoch / epochs
    return before
