"""One run in a process of its own: it says that it moves, hears that it must stop, and tells the store how it ended."""

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
from core.runs.out_of_memory import once_more, ran_out
from core.runs.recorder import Recorder
from core.runs.store import attempts
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore
from core.runs.tracking.dispatch import Tracking

BEAT_SECONDS = 1.0
"""The least time between two looks at the store."""


class Execute(Protocol):
    """Does the work of a run and gives its summary as JSON values (`core.runs.execution.execute`, or a test's own)."""

    def __call__(
        self, config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
    ) -> dict[str, Any]: ...


class Pulse:
    """Ties a working job to the store.

    It beats only when the job itself calls `emit` or `cancelled`: a job that hangs falls silent and loses the run; a
    thread that beats for it would hide that. `orphaned` says whether the worker that started this process is gone.
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
        self._beaten_at = now()

    @property
    def lost(self) -> bool:
        """Whether this process holds the run no more: the store has said so, and it must stop."""
        return self._lease is None

    def lose(self) -> None:
        """The store refused a word of this process: another attempt has the run."""
        self._lease = None

    def ask_to_stop(self) -> None:
        """From a signal: the job is told at its next look."""
        self._asked_to_stop = True

    def feel(self, event: Event) -> None:
        """An event of the job is a sign of life; a step or an epoch also tells how far it is."""
        self._progress = progress_after(event, self._progress)
        self._beat()

    def cancelled(self) -> bool:
        """Whether the job must stop: it was cancelled, the worker leaves or is gone, or another has the run."""
        self._beat()
        return self._asked_to_stop or self.lost or self.record.cancel_requested or self._orphaned()

    def _beat(self) -> None:
        if self.lost or self._now() - self._beaten_at < BEAT_SECONDS:
            return
        self._beaten_at = self._now()
        held = self.record
        try:
            self._lease = self._store.heartbeat(held.id, held.worker, self._progress, attempt=held.attempt)
        except StoreError:
            # One missed beat is no reason to lose hours of work: the lease is long, and the next beat is a second away.
            return
        self.record = self._lease or held


def hold(store: RunStore, run_id: str, worker: str, attempt: int) -> Pulse:
    """Make this process the one of a claimed run: gentle with the machine, and ready to hear a signal.

    Raises `RunStateError` when the run has been taken back meanwhile.
    """
    parent = os.getppid()
    if os.name == "posix":
        # The app must stay quick while a run uses every core.
        os.nice(10)
    record = store.heartbeat(run_id, worker, store.get(run_id).progress, attempt=attempt)
    if record is None:
        raise RunStateError(f"Run {run_id} was taken back before its process began: nothing is left to do here.")
    pulse = Pulse(store, record, orphaned=lambda: os.getppid() != parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: pulse.ask_to_stop())
    return pulse


def perform(store: RunStore, pulse: Pulse, *, execute: Execute, stopped: type[Exception]) -> None:
    """Do the run that `pulse` holds, and tell the store its end. `stopped` is what `execute` raises when told to stop.

    Errors that are not meant for a person pass through: the traceback goes to the log, and the worker finds the words.
    """
    held = pulse.record
    folder = store.folder(held.id)
    with staged(folder, attempts.stage(folder, held.attempt)):
        try:
            _perform(store, _Voice(store, pulse, folder), execute, stopped)
        except RunStateError:
            # Its successor has the run now: whoever wakes late leaves without a word.
            pulse.lose()
            return
        except DiskFullError as error:
            store.release(held.id, held.worker, attempt=held.attempt, reason=f"{error} Then the run goes on.")
    if not pulse.lost:
        attempts.close(folder, held.attempt)


class _Voice:
    """All that hear what the job says: the folder, the store, and the trackers; it is an `Emit`."""

    def __init__(self, store: RunStore, pulse: Pulse, folder: Path) -> None:
        self.pulse, self._store = pulse, store
        self._tracking = Tracking.from_environment(pulse.record, folder)
        self.recorder = Recorder(folder, pulse.record.config)

    def __call__(self, event: Event) -> None:
        self.recorder(event)
        self.pulse.feel(event)
        if not self.pulse.lost:
            self._tracking(event, self.recorder)

    def track_end(self, state: RunState, summary: dict[str, Any] | None = None) -> None:
        """Before the store hears of it: the worker ends a process whose run is over. A successor is left alone."""
        held = self._store.get(self.pulse.record.id)
        if (held.state, held.attempt) == (RunState.RUNNING, self.pulse.record.attempt):
            stopped = held.cancel_requested and state == RunState.QUEUED
            self._tracking.end(RunState.CANCELLED if stopped else state, self.recorder, summary)


def _perform(store: RunStore, voice: _Voice, execute: Execute, stopped: type[Exception]) -> None:
    pulse, recorder = voice.pulse, voice.recorder
    held = pulse.record
    config = replace(held.config, train=replace(held.config.train, device=held.device))
    voice(MessageEvent(f"Started on {held.device}, attempt {held.attempt}."))
    try:
        summary = execute(config, recorder.folder, emit=voice, cancelled=pulse.cancelled, runs=store.home)
    except stopped:
        if pulse.lost:
            return
        voice.track_end(RunState.QUEUED)
        after = store.release(held.id, held.worker, attempt=held.attempt)
        recorder.log("Stopped as asked." if after.state.final else "Stopped to go on later.")
    except (DiskFullError, FencedError):
        raise
    except (TerrastillError, MemoryError, RuntimeError, OSError) as error:
        if pulse.lost:
            return
        if ran_out(error):
            _narrow(store, voice, error)
        elif isinstance(error, TerrastillError):
            voice.track_end(RunState.FAILED)
            recorder.log(f"Failed: {error}")
            store.fail(held.id, held.worker, str(error), attempt=held.attempt)
        else:
            raise
    else:
        voice.track_end(RunState.DONE, summary)
        store.finish(held.id, held.worker, summary, attempt=held.attempt)
        recorder.log("Done.")


def _narrow(store: RunStore, voice: _Voice, error: Exception) -> None:
    """Memory ran out: the store decides whether the run is tried once more, and the log says so."""
    held, recorder = voice.pulse.record, voice.recorder
    if isinstance(error, TerrastillError):
        recorder.log(str(error))
    voice.track_end(RunState.QUEUED if once_more(held.config, held.narrowed) else RunState.FAILED)
    after = store.narrow(held.id, held.worker, attempt=held.attempt)
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
