"""A run done here and now, in this process. It is in the store like any other: the app shows it and can cancel it."""

import os
import platform
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from tqdm import tqdm

from core.cli.terminal import complain
from core.config import RunConfig
from core.device import choose
from core.errors import RunError
from core.events import Cancelled, CancelledError, Emit, EpochEvent, Event, MessageEvent, StepEvent
from core.runs import execution
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_files import append_line
from core.runs.store.run_store import RunStore
from core.runs.worker.processes import exit_message
from core.runs.worker.run_process import Heartbeat, perform, progress_after

_FORMAT = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}<{remaining}{postfix}"


def run_now(config: RunConfig, store: RunStore) -> RunRecord:
    """Carry a run out and give its finished record.

    Raises `RunError` when it failed or was cancelled in the app, `KeyboardInterrupt` when Ctrl-C or a SIGTERM
    stopped it: then it is cancelled, and a retry goes on from where it was.
    """
    config = replace(config, train=replace(config.train, device=str(choose(config.train.device))))
    worker = f"{platform.node() or 'localhost'}-{os.getpid()}-inline"
    inline = _Inline(store, store.add(config, worker=worker))
    with inline, inline.signals():
        perform(store, inline.heartbeat, execute=inline.execute, stopped=CancelledError)
    after = store.get(inline.record.id)
    if inline.interrupted:
        raise KeyboardInterrupt
    if after.state == RunState.DONE:
        return after
    if after.state == RunState.FAILED:
        raise RunError(f"Run {after.id} failed: {after.error}")
    if after.state == RunState.QUEUED and after.error:
        raise RunError(f"{after.error} Run {after.id} waits for that: `python -m core worker` goes on with it.")
    raise RunError(f"Run {after.id} was stopped and is now {after.state}: retry it in the app to go on.")


class _Inline:
    """A run that this process holds, from its entry in the store to its end, whatever that is."""

    def __init__(self, store: RunStore, record: RunRecord) -> None:
        self.store, self.record = store, record
        self.heartbeat = Heartbeat(store, record)
        self.interrupted = False

    def execute(
        self, config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
    ) -> dict[str, Any]:
        """`core.runs.execution.execute` with a bar; what Ctrl-C stops is cancelled and goes back to no queue."""
        with run_bar(config.name or folder.name) as show:

            def tell(event: Event) -> None:
                emit(event)
                show(event)

            try:
                return execution.execute(config, folder, emit=tell, cancelled=cancelled, runs=runs, resume=resume)
            except CancelledError:
                if self.interrupted and not self.heartbeat.lost:
                    self.store.request_cancel(self.record.id)
                raise

    @contextmanager
    def signals(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM asks the run to save and stop, a second one ends it at once."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            complain("stopping after this step; once more to stop at once.")
            self.heartbeat.request_stop()

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What no person was meant to read (a bug, a full memory) fails the run and becomes a sentence.

        The traceback goes to the run's log, as it does when a worker does the run.
        """
        held = self.store.get(self.record.id)
        if error is None or held.state != RunState.RUNNING or held.worker != self.record.worker:
            return
        if not isinstance(error, Exception):
            self.store.request_cancel(held.id)
            self.store.release(held.id, held.worker, attempt=held.attempt)
            return
        lines = [line for chunk in traceback.format_exception(error) for line in chunk.splitlines()]
        for line in lines:
            append_line(self.store.folder(held.id) / "log.txt", line)
        words = exit_message(1, lines)
        self.store.fail(held.id, held.worker, words, attempt=held.attempt)
        raise RunError(f"Run {held.id} failed. {words}") from error


@contextmanager
def run_bar(name: str) -> Iterator[Emit]:
    """An `Emit` that draws how far the run is and its last score on stderr when that is a terminal."""
    with tqdm(desc=name, total=1.0, disable=None, bar_format=_FORMAT) as bar:
        known: dict[str, str] = {}

        def show(event: Event) -> None:
            match event:
                case StepEvent() | EpochEvent():
                    known["epoch"] = f"{event.epoch}/{event.epochs}"
                    if isinstance(event, EpochEvent) and event.miou5 is not None:
                        known["mIoU"] = f"{100 * event.miou5:.1f} %"
                case MessageEvent(level="warning"):
                    with tqdm.external_write_mode():
                        complain(f"warning: {event.text}")
            bar.set_postfix(known, refresh=False)
            bar.update(progress_after(event, bar.n) - bar.n)

        yield show
