"""Sends a run to trackers: MLflow where `MLFLOW_TRACKING_URI` is set, TensorBoard on request, and otherwise nothing.

Each tracker has a thread of its own, which alone imports it and waits for it: a tracker that is slow, full or gone
costs the run one warning, never a step.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core import paths
from core.errors import RunError
from core.events import Emit, EpochEvent, Event, MessageEvent, StepEvent, TeacherEvent
from core.files import discard
from core.runs.store.records import LAST_CHECKPOINT, RunRecord, RunState
from core.runs.tracking.tracker import Numbers, Tracker
from core.runs.tracking.trackers import MLflow, TensorBoard

TENSORBOARD = "tb"
"""The folder in a run's folder that TensorBoard reads."""
_CLOSE_SECONDS = {RunState.DONE: 20.0, RunState.FAILED: 5.0}
_SHORT_CLOSE_SECONDS = 3.0
_QUEUE_LENGTH = 20_000
"""How many events may wait for a tracker: an hour or two of training."""


class Tracking:
    """Sends each event of one attempt at a run to `trackers`; a problem is emitted once, as a warning.

    `folder` is the run's. Create it before the folder is prepared for the attempt: it checks for a checkpoint.
    """

    def __init__(
        self, trackers: list[Tracker], record: RunRecord, folder: Path, *, now: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._now = folder, now
        resumed = (folder / LAST_CHECKPOINT).exists()
        if not resumed:
            discard(folder / TENSORBOARD)
        self.threads = [_TrackerThread(tracker, record, resumed) for tracker in trackers]

    @classmethod
    def from_environment(cls, record: RunRecord, folder: Path) -> "Tracking":
        """With the trackers that environment variables name."""
        trackers: list[Tracker] = []
        if uri := os.environ.get("MLFLOW_TRACKING_URI"):
            trackers.append(MLflow(uri, artifacts=folder.parent / "mlflow"))
        if paths.wants_tensorboard():
            trackers.append(TensorBoard(folder / TENSORBOARD))
        return cls(trackers, record, folder)

    def __call__(self, event: Event, emit: Emit) -> None:
        """Pass on the numbers of an event, without waiting."""
        if found := numbers_of(event):
            values, step = found
            for thread in self.threads:
                thread.take((values, step, self._now()))
        self._warn(emit)

    def end(self, state: RunState, emit: Emit, summary: Mapping[str, Any] | None = None) -> None:
        """The attempt ends in `state`. Waits for the trackers a while, and then no longer."""
        until = time.monotonic() + _CLOSE_SECONDS.get(state, _SHORT_CLOSE_SECONDS)
        for thread in self.threads:
            thread.finish(state, summary or {}, self._folder / "student.json")
        for thread in self.threads:
            thread.wait(max(0.0, until - time.monotonic()))
        self._warn(emit)

    def _warn(self, emit: Emit) -> None:
        for thread in self.threads:
            if problem := thread.problem():
                emit(MessageEvent(f"{problem} The run goes on; nothing more is logged there.", "warning"))
        self.threads = [thread for thread in self.threads if not thread.broken]


def numbers_of(event: Event) -> tuple[dict[str, float], int] | None:
    """What of an event a tracker can draw, and at which step: steps count through all epochs, epochs and scores by
    epoch, the teacher at 0. None where there is nothing to draw."""
    match event:
        case StepEvent():
            values = {f"train/{name}": value for name, value in event.losses.items()}
            values |= {"train/learning_rate": event.learning_rate, "train/images_per_second": event.images_per_second}
            return values, (event.epoch - 1) * event.steps + event.step
        case EpochEvent():
            values = {f"epoch/{name}": value for name, value in event.losses.items()}
            scores = {"miou5": event.miou5, "miou6": event.miou6, "accuracy": event.accuracy}
            scores |= {f"iou_{name}": value for name, value in event.iou.items()}
            values |= {f"val/{name}": value for name, value in scores.items() if value is not None}
            return values | {"epoch/seconds": event.seconds}, event.epoch
        case TeacherEvent():
            return {"teacher/miou5": event.miou5, "teacher/accuracy": event.accuracy}, 0
    return None


class _TrackerThread:
    """One tracker in a thread of its own."""

    def __init__(self, tracker: Tracker, record: RunRecord, resumed: bool) -> None:
        self._tracker, self._record, self._resumed = tracker, record, resumed
        self._queue: queue.Queue[Numbers | None] = queue.Queue(_QUEUE_LENGTH)
        self._end: tuple[RunState, Mapping[str, Any], Path] | None = None
        self._problem = ""
        self.broken = self._done = False
        self._thread = threading.Thread(target=self._work, name=tracker.name, daemon=True)
        self._thread.start()

    def take(self, numbers: Numbers) -> None:
        try:
            self._queue.put_nowait(numbers)
        except queue.Full:
            self._problem = f"{self._tracker.name} does not keep up with the run."

    def finish(self, state: RunState, summary: Mapping[str, Any], card: Path) -> None:
        self._end = state, summary, card
        with suppress(queue.Full):
            self._queue.put_nowait(None)

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._problem = f"{self._tracker.name} took too long, so the end of the run is missing there."

    def problem(self) -> str:
        """What went wrong, if anything; then it is `broken`."""
        if not self._thread.is_alive() and not self._done:
            # An unforeseen error has ended the thread; its traceback is in the log.
            self._problem = self._problem or f"{self._tracker.name} failed in a way that the log shows."
        self.broken = bool(self._problem)
        return self._problem

    def _work(self) -> None:
        try:
            self._tracker.open(self._record, resumed=self._resumed)
            while (batch := self._next()) is not None:
                self._tracker.log(batch)
            if self._end is not None:
                self._tracker.close(*self._end)
        except RunError as error:
            self._problem = str(error)
            return
        self._done = True

    def _next(self) -> list[Numbers] | None:
        """All that waits, at least one; None after the last."""
        batch = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if self._queue.empty():
                return batch
            item = self._queue.get()
        if batch:
            self._queue.put(None)
        return batch or None
