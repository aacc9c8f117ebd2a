"""The run store: a table that is the list of runs and the queue at once, and one folder a run.

The contract that any database behind it must keep:

- Every change is one transaction that is a writer from its start (SQLite: BEGIN IMMEDIATE, WAL, synchronous=FULL), so a
  change that was given back survives a power cut. A writer waits up to `BUSY_SECONDS`, then raises `StoreError`.
- `claim` gives a queued run to exactly one worker, the oldest that suits a free slot first. The row stays: a killed
  worker loses nothing. A control waits until the run it controls is in a final state (or deleted).
- `heartbeat`, `finish`, `fail`, `release` and `abandon` work only for who holds the run now: worker and attempt must
  both fit. A process that lost its run gets `RunStateError` and must stop; it cannot undo its successor.
- A run whose heartbeat is older than the lease goes back to queued and resumes from `last.ckpt`. After `MAX_LAPSES`
  such returns the next one fails it with a sentence. A run that was asked to cancel never goes back to queued.
- done, failed and cancelled are final: only `retry` (failed, cancelled) and `delete` (anything but running) leave them.
- Times come from `now`, so that a test can move the clock. The files of a run lie in `home/ID/`, never in the database.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Row, delete, exists, insert, select

from core import paths
from core.config import RunConfig
from core.errors import RunNotFoundError, RunStateError, StoreError
from core.runs.database import Database
from core.runs.files import atomic_write, remove_folder
from core.runs.records import LAST_CHECKPOINT, RunRecord, RunState, WorkerRecord, choose_slot
from core.runs.registry import WorkerRegistry
from core.runs.tables import RUNS, change, find, read_settings, to_run

MAX_LAPSES = 3
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
_Runs = list[RunRecord]
_Workers = list[WorkerRecord]


class RunStore:
    """The runs under `home` (default `core.paths.home()`), listed in `url` (default the SQLite file `home/runs.db`)."""

    def __init__(
        self,
        url: str | None = None,
        *,
        home: Path | None = None,
        now: Callable[[], float] = time.time,
        token: Callable[[], str] = lambda: secrets.token_hex(2),
    ) -> None:
        self.home = (home or paths.home()).resolve()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"The folder {self.home} cannot be made ({error.strerror})"
            raise StoreError(f"{reason}: set TERRASTILL_HOME to a folder that can be written to.") from error
        self._now = now
        self._token = token
        self._database = Database(url or URL.create("sqlite", database=str(self.home / "runs.db")))
        self._workers = WorkerRegistry(self._database, now=now)

    def folder(self, run_id: str) -> Path:
        """The folder of a run. Raises `RunNotFoundError` for a text that cannot be the id of one (`..`, say)."""
        if not _ID.fullmatch(run_id):
            raise RunNotFoundError(f"{run_id!r} is not the id of a run: choose one from the list of runs.")
        return self.home / run_id

    def has_checkpoint(self, run_id: str) -> bool:
        """Whether the run can go on from where it stopped."""
        return (self.folder(run_id) / LAST_CHECKPOINT).exists()

    def get(self, run_id: str) -> RunRecord:
        """One run. Raises `RunNotFoundError`."""
        with self._database.read() as connection:
            return to_run(find(connection, run_id))

    def list(self, states: Iterable[RunState] | None = None) -> _Runs:
        """The runs in these states (None: all), newest first."""
        query = select(RUNS).order_by(RUNS.c.sequence.desc())
        if states is not None:
            query = query.where(RUNS.c.state.in_(tuple(states)))
        with self._database.read() as connection:
            return [to_run(row) for row in connection.execute(query)]

    def add(self, config: RunConfig, *, worker: str | None = None) -> RunRecord:
        """Queue a run and make its folder; with `worker` it is that worker's at once. Raises `ConfigError`."""
        config.validate()
        run_id = self._make_folder(text := config.to_json())
        with self._database.write() as connection:
            now = self._now()
            row: dict[str, Any] = {
                "id": run_id,
                "name": config.name or run_id,
                "config": text,
                "state": RunState.QUEUED,
            }
            row |= {"wanted": config.train.device, "device": config.train.device, "control_of": config.control_of}
            if worker is not None:
                row |= {"state": RunState.RUNNING, "worker": worker, "attempt": 1}
                row |= {"started_at": now, "heartbeat_at": now}
            connection.execute(insert(RUNS).values(**row, created_at=now))
            return to_run(find(connection, run_id))

    def request_cancel(self, run_id: str) -> RunRecord:
        """Cancel a queued run at once, ask a running one to stop, leave a cancelled one. Raises `RunStateError`."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state == RunState.QUEUED:
                return self._end(connection, run_id, RunState.CANCELLED)
            if row.state == RunState.RUNNING:
                return change(connection, run_id, cancel_requested=True)
            if row.state == RunState.CANCELLED:
                return to_run(row)
            raise RunStateError(f"Run {run_id} is already {row.state}: there is nothing to cancel.")

    def retry(self, run_id: str) -> RunRecord:
        """Put a failed or cancelled run back in the queue; it goes on from `last.ckpt` if it has one."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state not in (RunState.FAILED, RunState.CANCELLED):
                raise RunStateError(f"Run {run_id} is {row.state}: only a failed or cancelled run can be tried again.")
            progress = row.progress if self.has_checkpoint(run_id) else 0.0
            fresh = {"started_at": None, "finished_at": None, "error": None, "lapses": 0, "cancel_requested": False}
            return _queue(connection, row, progress=progress, **fresh)

    def delete(self, run_id: str) -> None:
        """Remove a run with its folder; links are removed themselves, never followed. Not while it is running."""
        folder, aside = self.folder(run_id), self.home / f".deleted-{run_id}"
        with self._database.write() as connection:
            if find(connection, run_id).state == RunState.RUNNING:
                raise RunStateError(f"Run {run_id} is running: cancel it first, then delete it.")
            connection.execute(delete(RUNS).where(RUNS.c.id == run_id))
            # Renamed within the transaction: row and folder go together, and the slow removal holds no lock.
            if folder.is_symlink() or folder.exists():
                folder.rename(aside)
        remove_folder(aside)

    def claim(self, worker: str, devices: Sequence[str]) -> RunRecord | None:
        """Take the oldest queued run that suits one of the free slots in `devices` (best first), or None."""
        controlled = RUNS.alias()
        unfinished = controlled.c.state.in_((RunState.QUEUED, RunState.RUNNING))
        waits = exists().where(controlled.c.id == RUNS.c.control_of, unfinished)
        queued = select(RUNS).where(RUNS.c.state == RunState.QUEUED, ~waits).order_by(RUNS.c.sequence)
        with self._database.write() as connection:
            for row in connection.execute(queued.with_for_update(skip_locked=True)).all():
                if problem := read_settings(row)[1]:
                    self._end(connection, row.id, RunState.FAILED, error=problem)
                elif slot := choose_slot(row.wanted, devices):
                    now = self._now()
                    times = {"heartbeat_at": now, "started_at": row.started_at or now}
                    holder = {"worker": worker, "device": slot, "attempt": row.attempt + 1}
                    return change(connection, row.id, state=RunState.RUNNING, error=None, **holder, **times)
        return None

    def heartbeat(self, run_id: str, worker: str, progress: float, *, attempt: int | None = None) -> RunRecord:
        """Say that a run moves. The record that comes back also tells whether to cancel. Raises `RunStateError`."""
        with self._held(run_id, worker, attempt) as (connection, _):
            return change(connection, run_id, heartbeat_at=self._now(), progress=min(max(progress, 0.0), 1.0))

    def finish(self, run_id: str, worker: str, summary: dict[str, Any], *, attempt: int | None = None) -> RunRecord:
        """running → done, with what the run found."""
        with self._held(run_id, worker, attempt) as (connection, _):
            return self._end(connection, run_id, RunState.DONE, summary=json.dumps(summary), progress=1.0)

    def fail(self, run_id: str, worker: str, error: str, *, attempt: int | None = None) -> RunRecord:
        """running → failed, with a sentence for the person."""
        with self._held(run_id, worker, attempt) as (connection, _):
            return self._end(connection, run_id, RunState.FAILED, error=error)

    def release(self, run_id: str, worker: str, *, attempt: int | None = None) -> RunRecord:
        """The process stopped as asked: running → cancelled if that was wanted, else → queued; no lapse is counted."""
        with self._held(run_id, worker, attempt) as (connection, row):
            if row.cancel_requested:
                return self._end(connection, run_id, RunState.CANCELLED)
            return _queue(connection, row)

    def abandon(self, run_id: str, worker: str, error: str, *, attempt: int | None = None) -> RunRecord:
        """The process of a run died: back to queued with `last.ckpt` and returns left, else failed with `error`."""
        with self._held(run_id, worker, attempt) as (connection, row):
            if row.cancel_requested or self.has_checkpoint(run_id):
                return self._return(connection, row, error)
            return self._end(connection, run_id, RunState.FAILED, error=error)

    def requeue_lapsed(self, lease_seconds: float) -> _Runs:
        """Take back every run whose heartbeat is older than the lease; gives them in their new state."""
        silent = (RUNS.c.state == RunState.RUNNING) & (RUNS.c.heartbeat_at < self._now() - lease_seconds)
        reason = f"The run gave no sign of life for {lease_seconds:.0f} seconds."
        with self._database.write() as connection:
            rows = connection.execute(select(RUNS).where(silent).with_for_update(skip_locked=True)).all()
            return [self._return(connection, row, reason) for row in rows]

    def register_worker(self, worker_id: str, pid: int, device: str) -> WorkerRecord:
        """Enter this machine's one worker. Raises `RunStateError` when another is alive here."""
        return self._workers.register(worker_id, pid, device)

    def beat_worker(self, worker_id: str, pid: int, device: str) -> WorkerRecord:
        """Say that a worker is alive; `device` lists its slots."""
        return self._workers.beat(worker_id, pid, device)

    def remove_worker(self, worker_id: str) -> None:
        """Take a worker that leaves out of the list."""
        self._workers.leave(worker_id)

    def workers(self) -> _Workers:
        """The workers that are alive."""
        return self._workers.alive()

    @contextmanager
    def _held(self, run_id: str, worker: str, attempt: int | None) -> Iterator[tuple[Connection, Row[Any]]]:
        """A write transaction on a run that this worker holds, in this attempt when one is named."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state != RunState.RUNNING or row.worker != worker or attempt not in (None, row.attempt):
                raise RunStateError(f"Run {run_id} is {row.state} and not held by worker {worker} any more.")
            yield connection, row

    def _make_folder(self, config: str) -> str:
        """Make the folder of a new id. Making it fails when the id is taken, so two processes never share one."""
        while True:
            stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._now()))
            run_id = f"{stamp}-{self._token()}"
            try:
                self.folder(run_id).mkdir()
                atomic_write(self.folder(run_id) / "config.json", config.encode())
            except FileExistsError:
                continue
            except OSError as error:
                reason = f"No run can be kept in {self.home} ({error.strerror})"
                raise StoreError(f"{reason}: free some space, or set TERRASTILL_HOME to another folder.") from error
            return run_id

    def _end(self, connection: Connection, run_id: str, state: RunState, **values: Any) -> RunRecord:
        return change(connection, run_id, state=state, worker="", finished_at=self._now(), **values)

    def _return(self, connection: Connection, row: Row[Any], reason: str) -> RunRecord:
        """What becomes of a run that lost its process."""
        if row.cancel_requested:
            return self._end(connection, row.id, RunState.CANCELLED)
        if row.lapses >= MAX_LAPSES:
            error = f"{reason} It was started again {MAX_LAPSES} times without reaching the end: look at its log."
            return self._end(connection, row.id, RunState.FAILED, error=error)
        return _queue(connection, row, lapses=row.lapses + 1)


def _queue(connection: Connection, row: Row[Any], **values: Any) -> RunRecord:
    waiting = {"state": RunState.QUEUED, "worker": "", "device": row.wanted, "heartbeat_at": None}
    return change(connection, row.id, **waiting, **values)
