"""The run store: a table that is the list of runs and the queue at once, and one folder a run.

The contract that any database behind it must keep (tests/unit/runs/store/ runs it over each):

- Every change is one transaction that is on the disk when it is given back (SQLite: BEGIN IMMEDIATE, WAL,
  synchronous=FULL; PostgreSQL: its row is locked). A writer waits up to `BUSY_SECONDS`, then raises `StoreError`.
- `claim` gives a queued run to exactly one worker: the highest priority first, then the oldest, that suits a free slot;
  a row that another is claiming is skipped (PostgreSQL: SKIP LOCKED). The row stays: a killed worker loses nothing. A
  control waits until the run it controls is in a final state (or deleted).
- A claim counts `attempt` up: the fencing token. `heartbeat`, `finish`, `fail`, `release`, `narrow` and `abandon` work
  only for who holds the run now: worker and attempt must both fit, and neither has a default. A process that lost its
  run gets None for its heartbeat and `RunStateError` for every other word, and must stop; it cannot undo its successor.
  Nor can it write into the run's folder: core/runs/store/attempts.py.
- A limit on how many runs wait is checked in the transaction that queues them (`add_all`, `retry_all`): of any number
  who launch at once, so many get in as fit (PostgreSQL: an advisory lock keeps these apart).
- Whether a run lives is told by `beats`, which count up, never by comparing clocks: a watcher that has seen no new beat
  for a lease by its own monotonic clock calls `reclaim` with what it saw, and that works only if there was none since.
- A run that is taken back goes to queued and resumes from `last.ckpt`. After `MAX_LAPSES` such returns the next one
  fails it with a sentence. A run that was asked to cancel never goes back to queued.
- done, failed and cancelled are final: only `retry` (failed, cancelled) and `delete` (anything but running) leave them.
- Times are for people to read. They come from `now`, so that a test can move the clock; no end is before its beginning.
- The schema has a version; an older store is brought to this one when it is opened, a newer one is refused.
- The files of a run lie in `home/ID/`, never in the database.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from core.config import RunConfig
from core.errors import DiskFullError, RunStateError, StoreError, TerrastillError
from core.runs.store import attempts
from core.runs.store.claims import MAX_LAPSES, QUEUE_ORDER, Claims, queue_again
from core.runs.store.records import RunRecord, RunState, WorkerRecord
from core.runs.store.registry import WorkerRegistry
from core.runs.store.run_files import atomic_write, remove_folder
from core.runs.store.tables import RUNS, change, find, to_run

__all__ = ["MAX_LAPSES", "RunStore"]

_Runs = list[RunRecord]
_Workers = list[WorkerRecord]


class RunStore(Claims):
    """The runs under `home` (default `core.paths.home()`), listed in `url`.

    The default is what `TERRASTILL_STORE` names, else the SQLite file `home/runs.db`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        home: Path | None = None,
        now: Callable[[], float] = time.time,
        token: Callable[[], str] = lambda: secrets.token_hex(2),
    ) -> None:
        super().__init__(url, home, now)
        self._token = token
        self._workers = WorkerRegistry(self._database, now=now)

    def get(self, run_id: str) -> RunRecord:
        """One run. Raises `RunNotFoundError`."""
        with self._database.read() as connection:
            return to_run(find(connection, run_id, lock=False))

    def list(self, states: Iterable[RunState] | None = None) -> _Runs:
        """The runs in these states (None: all), newest first."""
        query = select(RUNS).order_by(RUNS.c.sequence.desc())
        if states is not None:
            query = query.where(RUNS.c.state.in_(tuple(states)))
        with self._database.read() as connection:
            return [to_run(row) for row in connection.execute(query)]

    def queue(self) -> _Runs:
        """The queued runs, the next one first. A control stands where its turn is, though it may still have to wait."""
        query = select(RUNS).where(RUNS.c.state == RunState.QUEUED).order_by(*QUEUE_ORDER)
        with self._database.read() as connection:
            return [to_run(row) for row in connection.execute(query)]

    def add(self, config: RunConfig, *, worker: str | None = None, priority: int = 0) -> RunRecord:
        """Queue a run and make its folder; with `worker` it is that worker's at once. Raises `ConfigError`."""
        config.validate()
        run_id = self._make_folder(config.to_json())
        with self._database.write() as connection:
            return self._insert(connection, run_id, config, worker=worker, priority=priority)

    def add_all(
        self,
        configs: Sequence[RunConfig],
        *,
        control: Callable[[RunConfig, str], RunConfig] | None = None,
        most: int | None = None,
        launched_by: str = "",
    ) -> _Runs:
        """Queue several runs, or none of them, in one transaction that also counts.

        Args:
            configs: What to queue, in order.
            control: Makes the control of a run from its settings and its id; it is queued behind that run.
            most: How many runs may be queued and running then. No other `add_all` or `retry_all` counts meanwhile.
            launched_by: Who launches them, for `RunRecord.launched_by`.

        Raises:
            ConfigError: Settings that are out of range.
            RunStateError: They would be more than `most`.
        """
        made: list[str] = []
        try:
            with self._database.write(alone=True) as connection:
                self._require_room(connection, len(configs) * (1 if control is None else 2), most)
                for config in configs:
                    made.append(self._make_folder(config.validate().to_json()))
                    self._insert(connection, made[-1], config, launched_by=launched_by)
                    if control is not None:
                        partner = control(config, made[-1]).validate()
                        made.append(self._make_folder(partner.to_json()))
                        self._insert(connection, made[-1], partner, launched_by=launched_by)
                return [to_run(find(connection, run_id)) for run_id in made]
        except TerrastillError:
            for run_id in made:
                remove_folder(self.folder(run_id))
            raise

    def _insert(
        self,
        connection: Connection,
        run_id: str,
        config: RunConfig,
        *,
        worker: str | None = None,
        priority: int = 0,
        launched_by: str = "",
    ) -> RunRecord:
        now = self._now()
        row: dict[str, Any] = {
            "id": run_id,
            "name": config.name or run_id,
            "config": config.to_json(),
            "state": RunState.QUEUED,
            "priority": priority,
            "launched_by": launched_by,
        }
        row |= {"wanted": config.train.device, "device": config.train.device, "control_of": config.control_of}
        if worker is not None:
            attempts.take(self.folder(run_id), 1)
            row |= {"state": RunState.RUNNING, "worker": worker, "attempt": 1, "beats": 1}
            row |= {"started_at": now, "heartbeat_at": now}
        connection.execute(insert(RUNS).values(**row, created_at=now))
        return to_run(find(connection, run_id))

    @staticmethod
    def _require_room(connection: Connection, more: int, most: int | None) -> None:
        """Raises `RunStateError` when `more` runs in the queue would be more than `most`."""
        active = RUNS.c.state.in_((RunState.QUEUED, RunState.RUNNING))
        if most is not None and connection.scalars(select(func.count()).where(active)).one() + more > most:
            raise RunStateError(f"At most {most} runs wait here at a time: cancel one, or come back later.")

    def request_cancel(self, run_id: str) -> RunRecord:
        """Cancel a queued run at once, ask a running one to stop, leave a cancelled one. Raises `RunStateError`."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state == RunState.QUEUED:
                return self._end(connection, row, RunState.CANCELLED)
            if row.state == RunState.RUNNING:
                return change(connection, run_id, cancel_requested=True)
            if row.state == RunState.CANCELLED:
                return to_run(row)
            raise RunStateError(f"Run {run_id} is already {row.state}: there is nothing to cancel.")

    def retry(self, run_id: str) -> RunRecord:
        """Put a failed or cancelled run back in the queue; it goes on from `last.ckpt` if it has one."""
        return self.retry_all([run_id])[0]

    def retry_all(self, run_ids: Sequence[str], *, most: int | None = None) -> _Runs:
        """The same for several, or for none of them. Raises `RunStateError`, also when more than `most` would wait."""
        with self._database.write(alone=most is not None) as connection:
            self._require_room(connection, len(run_ids), most)
            return [self._retry(connection, run_id) for run_id in run_ids]

    def _retry(self, connection: Connection, run_id: str) -> RunRecord:
        row = find(connection, run_id)
        if row.state not in (RunState.FAILED, RunState.CANCELLED):
            raise RunStateError(f"Run {run_id} is {row.state}: only a failed or cancelled run can be tried again.")
        progress = row.progress if self.has_checkpoint(run_id) else 0.0
        fresh: dict[str, Any] = {"started_at": None, "finished_at": None, "error": None, "cancel_requested": False}
        return queue_again(connection, row, progress=progress, lapses=0, narrowed=0, **fresh)

    def prioritise(self, run_id: str, priority: int | None = None) -> RunRecord:
        """Set the priority of a queued run; None puts it before all that wait. Raises `RunStateError`."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state != RunState.QUEUED:
                raise RunStateError(f"Run {run_id} is {row.state}: only a waiting run can be moved in the queue.")
            if priority is None:
                waiting = select(RUNS.c.priority).where(RUNS.c.state == RunState.QUEUED, RUNS.c.id != run_id)
                priority = max(connection.scalars(waiting).all(), default=-1) + 1
            return change(connection, run_id, priority=priority)

    def pin(self, run_id: str, pinned: bool = True) -> RunRecord:
        """Keep a run from being pruned, or no longer."""
        with self._database.write() as connection:
            find(connection, run_id)
            return change(connection, run_id, pinned=pinned)

    def delete(self, run_id: str, *, to_prune: bool = False) -> None:
        """Remove a run with its folder; links are removed themselves, never followed. Not while it is running.

        `to_prune` also spares what is pinned or was queued again since somebody looked. Raises `RunStateError`.
        """
        folder, aside = self.folder(run_id), self.home / f".deleted-{run_id}"
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state == RunState.RUNNING:
                raise RunStateError(f"Run {run_id} is running: cancel it first, then delete it.")
            if to_prune and (row.pinned or not RunState(row.state).final):
                raise RunStateError(f"Run {run_id} is pinned or waits in the queue: it is not pruned.")
            connection.execute(delete(RUNS).where(RUNS.c.id == run_id))
            # Renamed within the transaction: row and folder go together, and the slow removal holds no lock.
            if folder.is_symlink() or folder.exists():
                folder.rename(aside)
        remove_folder(aside)

    def register_worker(self, worker_id: str, pid: int, device: str) -> WorkerRecord:
        """Enter this machine's one worker. Raises `RunStateError` when another is alive here."""
        return self._workers.register(worker_id, pid, device)

    def beat_worker(self, worker_id: str, pid: int, device: str, *, memory: int = 0) -> WorkerRecord:
        """Say that a worker is alive; `device` lists its slots, `memory` is what its runs take in bytes."""
        return self._workers.beat(worker_id, pid, device, memory)

    def remove_worker(self, worker_id: str) -> None:
        """Take a worker that leaves out of the list."""
        self._workers.leave(worker_id)

    def workers(self) -> _Workers:
        """The workers that are alive."""
        return self._workers.alive()

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
            except DiskFullError:
                remove_folder(self.folder(run_id))
                raise
            except OSError as error:
                reason = f"No run can be kept in {self.home} ({error.strerror})"
                raise StoreError(f"{reason}: free some space, or set TERRASTILL_HOME to another folder.") from error
            return run_id
