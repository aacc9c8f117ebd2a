"""The half of the store that workers use: taking a run, holding it, and giving it back. The contract is in store.py."""

import errno
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Row, Select, exists, select

from core import paths
from core.errors import FencedError, RunNotFoundError, RunStateError, StoreError
from core.runs.out_of_memory import once_more, shortage
from core.runs.store import attempts
from core.runs.store.database import Database
from core.runs.store.records import LAST_CHECKPOINT, RunRecord, RunState, choose_slot
from core.runs.store.tables import RUNS, change, find, read_settings

MAX_LAPSES = 3
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")


class Claims:
    """What `RunStore` gives to workers and to the processes of runs."""

    max_lapses = MAX_LAPSES

    def __init__(self, url: str | None, home: Path | None, now: Callable[[], float]) -> None:
        self.home = (home or paths.home()).resolve()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"The folder {self.home} cannot be made ({error.strerror})"
            raise StoreError(f"{reason}: set TERRASTILL_HOME to a folder that can be written to.") from error
        self._now = now
        url = url or paths.store_url()
        self._database = Database(url or URL.create("sqlite", database=str(self.home / "runs.db")))

    def close(self) -> None:
        """Give all connections to the database back."""
        self._database.close()

    def folder(self, run_id: str) -> Path:
        """The folder of a run. Raises `RunNotFoundError` for a text that cannot be the id of one (`..`, say)."""
        if not _ID.fullmatch(run_id):
            raise RunNotFoundError(f"{run_id!r} is not the id of a run: choose one from the list of runs.")
        return self.home / run_id

    def has_checkpoint(self, run_id: str) -> bool:
        """Whether the run can go on from where it stopped."""
        return (self.folder(run_id) / LAST_CHECKPOINT).exists()

    def claim(self, worker: str, devices: Sequence[str]) -> RunRecord | None:
        """Take the first queued run that suits one of the free slots in `devices` (best first), or None."""
        while True:
            record = self._claim_row(worker, devices)
            if record is None:
                return None
            try:
                attempts.take(self.folder(record.id), record.attempt)
            except FencedError:
                # Stopped for so long between the two that another attempt has begun: it is not ours any more.
                continue
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    self.release(record.id, worker, attempt=record.attempt, reason="The disk is full.")
                    return None
                words = f"Its folder cannot be written ({error.strerror}): check the disk, then retry."
                self.fail(record.id, worker, words, attempt=record.attempt)
                continue
            return record

    def _claim_row(self, worker: str, devices: Sequence[str]) -> RunRecord | None:
        with self._database.write() as connection:
            for run_id, wanted in connection.execute(in_turn(RUNS.c.id, RUNS.c.wanted)).all():
                slot = choose_slot(wanted, devices)
                if slot is None:
                    continue
                # One row is locked at a time: whoever claims beside us skips it and takes the next.
                waiting = select(RUNS).where(RUNS.c.id == run_id, RUNS.c.state == RunState.QUEUED)
                row = connection.execute(waiting.with_for_update(skip_locked=True)).one_or_none()
                if row is None:
                    continue
                if problem := read_settings(row)[1]:
                    self._end(connection, row, RunState.FAILED, error=problem)
                    continue
                now = self._now()
                times = {"heartbeat_at": now, "started_at": row.started_at or now, "beats": row.beats + 1}
                holder = {"worker": worker, "device": slot, "attempt": row.attempt + 1}
                return change(connection, run_id, state=RunState.RUNNING, error=None, **holder, **times)
        return None

    def heartbeat(self, run_id: str, worker: str, progress: float, *, attempt: int) -> RunRecord | None:
        """Say that a run moves. Gives its record, which tells whether to cancel; None when the run is held no more.

        After None the process must stop: the run was taken back, is over, was given to another attempt, or is deleted.
        Raises `StoreError`.
        """
        try:
            with self._held(run_id, worker, attempt) as (connection, row):
                signs = {"heartbeat_at": self._now(), "beats": row.beats + 1}
                return change(connection, run_id, progress=min(max(progress, 0.0), 1.0), **signs)
        except (RunStateError, RunNotFoundError):
            return None

    def finish(self, run_id: str, worker: str, summary: dict[str, Any], *, attempt: int) -> RunRecord:
        """running → done, with what the run found."""
        with self._held(run_id, worker, attempt) as (connection, row):
            return self._end(connection, row, RunState.DONE, summary=json.dumps(summary), progress=1.0)

    def fail(self, run_id: str, worker: str, error: str, *, attempt: int) -> RunRecord:
        """running → failed, with a sentence for the person."""
        with self._held(run_id, worker, attempt) as (connection, row):
            return self._end(connection, row, RunState.FAILED, error=error)

    def release(self, run_id: str, worker: str, *, attempt: int, reason: str | None = None) -> RunRecord:
        """The process stopped in good order: running → cancelled if that was wanted, else → queued, with a reason.

        No lapse is counted.
        """
        with self._held(run_id, worker, attempt) as (connection, row):
            if row.cancel_requested:
                return self._end(connection, row, RunState.CANCELLED)
            return _queue(connection, row, error=reason)

    def narrow(self, run_id: str, worker: str, *, attempt: int) -> RunRecord:
        """Memory ran out: what becomes of the run, whoever reports it (core/runs/out_of_memory.py says who may).

        The first time running → queued, its batch in at least twice as many parts; the second time, or where one
        picture at a time was too much, → failed. A run that was asked to cancel → cancelled. No lapse is counted.
        """
        with self._held(run_id, worker, attempt) as (connection, row):
            attempts.close(self.folder(run_id), attempt)
            if row.cancel_requested:
                return self._end(connection, row, RunState.CANCELLED)
            config, problem = read_settings(row)
            smaller = None if problem else once_more(config, row.narrowed)
            words = problem or shortage(config, row.device)
            if smaller is None:
                return self._end(connection, row, RunState.FAILED, error=words)
            return _queue(connection, row, config=smaller.to_json(), narrowed=row.narrowed + 1, error=words)

    def abandon(self, run_id: str, worker: str, error: str, *, attempt: int) -> RunRecord:
        """The process of a run died: back to queued with `last.ckpt` and returns left, else failed with `error`."""
        with self._held(run_id, worker, attempt) as (connection, row):
            attempts.close(self.folder(run_id), attempt)
            if row.cancel_requested or self.has_checkpoint(run_id):
                return self._return(connection, row, error)
            return self._end(connection, row, RunState.FAILED, error=error)

    def reclaim(self, record: RunRecord, reason: str) -> RunRecord | None:
        """Take a run back that has given no sign of life since `record` was read, or None when it has.

        Its process loses the right to write into the folder before the row says that nobody holds it.
        """
        with self._database.write() as connection:
            row = find(connection, record.id)
            if (row.state, row.attempt, row.beats) != (RunState.RUNNING, record.attempt, record.beats):
                return None
            attempts.close(self.folder(record.id), record.attempt)
            return self._return(connection, row, reason)

    @contextmanager
    def _held(self, run_id: str, worker: str, attempt: int) -> Iterator[tuple[Connection, Row[Any]]]:
        """A write transaction on a run that this worker holds in this attempt."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state != RunState.RUNNING or row.worker != worker or row.attempt != attempt:
                raise RunStateError(f"Run {run_id} is {row.state} and not held by worker {worker} any more.")
            yield connection, row

    def _end(self, connection: Connection, row: Row[Any], state: RunState, **values: Any) -> RunRecord:
        # A clock that was set back must not end a run before it began.
        finished = max(self._now(), row.started_at or row.created_at)
        return change(connection, row.id, state=state, worker="", finished_at=finished, **values)

    def _return(self, connection: Connection, row: Row[Any], reason: str) -> RunRecord:
        """What becomes of a run that lost its process."""
        if row.cancel_requested:
            return self._end(connection, row, RunState.CANCELLED)
        if row.lapses >= self.max_lapses:
            error = f"{reason} It was started again {row.lapses} times without reaching the end: look at its log."
            return self._end(connection, row, RunState.FAILED, error=error)
        return _queue(connection, row, lapses=row.lapses + 1)


def in_turn(*columns: Any) -> Select[Any]:
    """The queued runs that may start, in the order in which they will. A control waits for the run it controls."""
    controlled = RUNS.alias()
    unfinished = controlled.c.state.in_((RunState.QUEUED, RunState.RUNNING))
    waits = exists().where(controlled.c.id == RUNS.c.control_of, unfinished)
    return select(*columns).where(RUNS.c.state == RunState.QUEUED, ~waits).order_by(*QUEUE_ORDER)


QUEUE_ORDER = (RUNS.c.priority.desc(), RUNS.c.sequence)


def _queue(connection: Connection, row: Row[Any], **values: Any) -> RunRecord:
    waiting = {"state": RunState.QUEUED, "worker": "", "device": row.wanted, "heartbeat_at": None}
    return change(connection, row.id, **waiting, **values)


queue_again = _queue
