"""What the tests of own images share: a segmentation as a worker would leave it, and a real worker."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.services.mapping import SegmentationJob, SegmentationState
from app.services.stores import open_store
from app.services.workers import ensure_worker
from core.runs.store.records import MACHINE, RunKind, RunRecord

PATIENCE_SECONDS = 100.0
PREDICTION = (RunKind.PREDICTION,)


def predictions() -> list[RunRecord]:
    """Every prediction in the store, newest first."""
    return open_store().list(kinds=PREDICTION)


def claim() -> RunRecord:
    """A worker takes the segmentation that is next."""
    taken = open_store().claim("w", [MACHINE], RunKind.PREDICTION)
    assert taken is not None
    return taken


def report(job: SegmentationJob, *results: dict[str, Any]) -> None:
    """What the worker has finished so far."""
    told = {"at": len(results), "of": len(job.pictures), "results": results}
    (open_store().folder(job.run_id) / "report.json").write_text(json.dumps(told))


def complete(job: SegmentationJob, *results: dict[str, Any]) -> None:
    """The worker takes this segmentation, reports these results and ends it."""
    taken = claim()
    assert taken.id == job.run_id
    report(job, *results)
    open_store().finish(job.run_id, "w", {}, attempt=taken.attempt)


def finish(job: SegmentationJob) -> SegmentationState:
    """Wait until a real worker has ended a segmentation."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := job.read_state()).state in ("waiting", "running"):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


@contextmanager
def real_worker() -> Iterator[int]:
    """The process number of a real worker, which ends with the block."""
    # The function itself: tests put another in its place.
    ensure_worker()
    until = time.monotonic() + PATIENCE_SECONDS
    while not open_store().workers():
        assert time.monotonic() < until
        time.sleep(0.05)
    (worker,) = open_store().workers()
    yield worker.pid
    os.kill(worker.pid, signal.SIGTERM)
    while open_store().workers() and time.monotonic() < until:
        time.sleep(0.05)
