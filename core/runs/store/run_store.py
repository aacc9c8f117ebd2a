"""The run store: a table that is the list of runs and the queue at once, and one folder a run.

The contract that any database behind it must keep (tests/unit/runs/store/ runs it over each):

- Every change is one transaction that is on the disk when it is given back (SQLite: BEGIN IMMEDIATE, WAL,
  synchronous=FULL; PostgreSQL: its row is locked). A writer waits up to `BUSY_SECONDS`, then raises `StoreError`.
- A run is of a kind: training, prediction or benchmark. All kinds keep this contract; `list`, `queue` and `claim` give
  training runs unless they are asked for others, so that nobody is shown a visitor's predictions by mistake.
- `claim` gives a queued run to exactly one worker: the highest priority first, then the oldest, that suits a free slot;
  a row that another is claiming is skipped (PostgreSQL: SKIP LOCKED). The row stays: a killed worker loses nothing. A
  control waits until the run it controls is in a final state (or deleted).
- A claim counts `attempt` up: the fencing token. `heartbeat`, `finish`, `fail`, `release`, `reduce_batch` and
  `abandon` work only for the holder of the run: worker and attempt must both match, and neither has a default. A
  process that lost its run gets None for its heartbeat and `RunStateError` for every other call, and must stop; it
  cannot change what a later attempt did. Nor can it write into the run's folder: core/runs/store/attempts.py.
- A limit on how many runs of a kind wait is checked in the transaction that queues them (`add_all`, `add_job`,
  `retry_all`), so that it holds however many people launch at once (PostgreSQL: an advisory lock keeps these apart).
- Whether a run is alive follows from its count of heartbeats, never from comparing clocks. An observer that has seen no
  new one for a lease, by its own monotonic clock, calls `reclaim` with the record that it saw, and that works only if
  there was none since.
- A run that is reclaimed goes to queued and resumes from `last.ckpt`. After `MAX_RESTARTS` such restarts the next one
  fails it with a sentence. A run that was asked to cancel never goes back to queued.
- done, failed and cancelled are final: only `retry` (failed, cancelled) and `delete` (anything but running) leave them.
- Times are shown to people. They come from `now`, so that a test can set the clock; no end is before its beginning.
- The schema has a version; an older store is brought to this one when it is opened, a newer one is refused.
- The files of a run lie in `home/ID/`, never in the database. Whose models a run uses, theirs it is (`model_use`).
"""

import errno
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Row, delete, select, update

from core import paths
from core.config import RunConfig
from core.errors import FencedError, RunNotFoundError, RunStateError, StoreError, TerrastillError
from core.out_of_memory import plan_retry, too_large
from core.runs.store import attempts, listing
from core.runs.store.database import Database
from core.runs.store.model_use import ModelUse
from core.runs.store.records import (
    LAST_CHECKPOINT,
    MACHINE_WIDTH,
    QUICK_KINDS,
    JobRequest,
    RunKind,
    RunPage,
    RunQuery,
    RunRecord,
    RunState,
    WorkerRecord,
)
from core.runs.store.registry import WorkerRegistry
from core.runs.store.run_files import announce_job, make_run_folder, remove_folder
from core.runs.store.tables import (
    RUNS,
    change,
    claim_first,
    end_run,
    find,
    read_settings,
    requeue,
    require_room,
    to_run,
)

MAX_RESTARTS = 3
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
_TRAINING = (RunKind.TRAINING,)
_Runs = list[RunRecord]
_Behind = Callable[[RunConfig, str], RunConfig]


class RunStore:
    """The runs under `home` (default `core.paths.home()`), listed in `url`.

    The default is what `TERRASTILL_STORE` names, else the SQLite file `home/runs.db`. `now` gives Unix seconds, and
    `token` the four hexadecimal digits at the end of a run's id. Raises `StoreError`.
    """

    max_restarts = MAX_RESTARTS

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
        self._now, self._token = now, token
        self._database = Database(url or paths.store_url() or URL.create("sqlite", database=str(self.home / "runs.db")))
        self._workers = WorkerRegistry(self._database, now=now)
        self.model_use = ModelUse(self._database, self.home)

    def close(self) -> None:
        """Give all connections to the database back."""
        self._database.close()

    def folder(self, run_id: str) -> Path:
        """The folder of a run. Raises `RunNotFoundError` for a text that cannot be the id of one (`..`, say)."""
        if not _ID.fullmatch(run_id):
            raise RunNotFoundError(f"{run_id!r} is not the id of a run: choose one from the list of runs.")
        return self.home / run_id

    def has_checkpoint(self, run_id: str) -> bool:
        """Whether the run has a checkpoint to resume from."""
        return (self.folder(run_id) / LAST_CHECKPOINT).exists()

    def get(self, run_id: str) -> RunRecord:
        """One run. Raises `RunNotFoundError`."""
        with self._database.read() as connection:
            return to_run(find(connection, run_id, lock=False))

    def list(self, states: Iterable[RunState] | None = None, *, kinds: Sequence[RunKind] = _TRAINING) -> _Runs:
        """The runs of these kinds in these states (None: all), newest first."""
        with self._database.read() as connection:
            return listing.all_runs(connection, states, kinds)

    def page(self, query: RunQuery) -> RunPage:
        """Some runs of a list that may be long, newest first; the others are not read."""
        with self._database.read() as connection:
            return listing.page_of_runs(connection, query)

    def queue(self, *, kinds: Sequence[RunKind] = _TRAINING) -> _Runs:
        """The queued runs, the next one first. A control is listed at its turn, though it may still have to wait."""
        with self._database.read() as connection:
            return listing.queued_runs(connection, kinds)

    def add(self, config: RunConfig, *, worker: str | None = None, priority: int = 0) -> RunRecord:
        """Queue a run and make its folder; with `worker` it is that worker's at once. Raises `ConfigError`."""
        run_id = self._new_folder(config.validate().to_json())
        if worker is not None:
            attempts.take(self.folder(run_id), 1)
        with self._database.write() as connection:
            return self.model_use.insert(connection, run_id, config, self._now(), worker=worker, priority=priority)

    def add_job(self, job: JobRequest, *, most: int | None = None, launched_by: str = "") -> RunRecord:
        """Queue a quick run. Raises `RunStateError` when more than `most` of its kind would be queued and running."""
        with self._database.write(alone=True) as connection:
            require_room(connection, job.kind, 1, most)
            run_id, config = self._new_folder(json.dumps({"kind": job.kind})), RunConfig(kind="train", name=job.name)
            made = self.model_use.insert(connection, run_id, config, self._now(), launched_by=launched_by, job=job)
        announce_job(self.home)
        return made

    def add_all(
        self,
        configs: Sequence[RunConfig],
        *,
        control: _Behind | Sequence[_Behind] | None = None,
        most: int | None = None,
        launched_by: str = "",
    ) -> _Runs:
        """Queue several runs, or none of them, in one transaction that also counts.

        Args:
            configs: What to queue, in order.
            control: Makes the run behind one from its settings and its id, such as its control. Several make a chain.
            most: How many runs may be queued and running then. No other `add_all` or `retry_all` counts meanwhile.
            launched_by: Who launches them, for `RunRecord.launched_by`.

        Raises `ConfigError` for settings that are out of range, `RunStateError` when they would be more than `most`.
        """
        made: list[str] = []
        behind = () if control is None else (control,) if callable(control) else tuple(control)
        try:
            with self._database.write(alone=True) as connection:
                require_room(connection, RunKind.TRAINING, len(configs) * (1 + len(behind)), most)
                for config in configs:
                    wanted = config
                    for make in (None, *behind):
                        wanted = wanted if make is None else make(wanted, made[-1])
                        made.append(self._new_folder(wanted.validate().to_json()))
                        self.model_use.insert(connection, made[-1], wanted, self._now(), launched_by=launched_by)
                return [to_run(find(connection, run_id)) for run_id in made]
        except TerrastillError:
            for run_id in made:
                remove_folder(self.folder(run_id))
            raise

    def request_cancel(self, run_id: str) -> RunRecord:
        """Cancel a queued run at once, ask a running one to stop, leave a cancelled one. Raises `RunStateError`."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state == RunState.QUEUED:
                return end_run(connection, row, RunState.CANCELLED, self._now())
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
            require_room(connection, RunKind.TRAINING, len(run_ids), most)
            return [self._retry(connection, run_id) for run_id in run_ids]

    def _retry(self, connection: Connection, run_id: str) -> RunRecord:
        row = find(connection, run_id)
        if row.state not in (RunState.FAILED, RunState.CANCELLED):
            raise RunStateError(f"Run {run_id} is {row.state}: only a failed or cancelled run can be tried again.")
        progress = row.progress if self.has_checkpoint(run_id) else 0.0
        fresh: dict[str, Any] = {"started_at": None, "finished_at": None, "error": None, "cancel_requested": False}
        return requeue(connection, row, progress=progress, lapses=0, narrowed=0, **fresh)

    def prioritise(self, run_id: str, priority: int | None = None) -> RunRecord:
        """Set the priority of a queued run; None puts it before all that wait. Raises `RunStateError`."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state != RunState.QUEUED:
                raise RunStateError(f"Run {run_id} is {row.state}: only a waiting run can be moved in the queue.")
            if priority is None:
                others = RUNS.c.state == RunState.QUEUED, RUNS.c.kind == row.kind, RUNS.c.id != run_id
                priority = max(connection.scalars(select(RUNS.c.priority).where(*others)).all(), default=-1) + 1
            return change(connection, run_id, priority=priority)

    def pin(self, run_id: str, pinned: bool = True) -> RunRecord:
        """Keep a run from being pruned, or no longer."""
        with self._database.write() as connection:
            return change(connection, run_id, pinned=pinned)

    def delete(self, run_id: str, *, to_prune: bool = False, running: bool = False) -> None:
        """Remove a run with its folder; links are removed themselves, never followed. Not while it is running.

        `to_prune` also spares what is pinned or was queued again meanwhile; `running` removes even then: the process
        holds it no longer, and its worker ends it. Raises `RunStateError`, also while its student is needed.
        """
        folder, aside = self.folder(run_id), self.home / f".deleted-{run_id}"
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state == RunState.RUNNING and not running:
                raise RunStateError(f"Run {run_id} is running: cancel it first, then delete it.")
            if to_prune and (row.pinned or not RunState(row.state).final):
                raise RunStateError(f"Run {run_id} is pinned or waits in the queue: it is not pruned.")
            if not running:
                self.model_use.require_unneeded(run_id, connection)
            connection.execute(delete(RUNS).where(RUNS.c.id == run_id))
            # Renamed within the transaction: row and folder go together, and the slow removal holds no lock.
            if folder.is_symlink() or folder.exists():
                folder.rename(aside)
        remove_folder(aside)

    def register_worker(self, worker_id: str, pid: int, device: str) -> WorkerRecord:
        """Add this machine's one worker. Raises `RunStateError` when another is alive here."""
        return self._workers.register(worker_id, pid, device)

    def worker_heartbeat(self, worker_id: str, pid: int, device: str, *, memory: int = 0) -> WorkerRecord:
        """Record a worker's heartbeat; `device` lists its slots, `memory` is what its runs take in bytes."""
        return self._workers.heartbeat(worker_id, pid, device, memory)

    def remove_worker(self, worker_id: str) -> None:
        """Remove a worker that stops from the list."""
        self._workers.leave(worker_id)

    def workers(self) -> Sequence[WorkerRecord]:
        """Those that are alive."""
        return self._workers.alive()

    def waiting_kinds(self) -> set[RunKind]:
        """The kinds of which a run is queued: what a worker asks before it opens a transaction that locks."""
        with self._database.read() as connection:
            return listing.waiting_kinds(connection)

    def adopt_jobs(self, machine: str) -> None:
        """Let `machine` do the quick runs that wait for one whose worker is gone: it may never come back."""
        alive = {machine, *(worker.host[:MACHINE_WIDTH] for worker in self.workers())}
        lost = RUNS.c.state == RunState.QUEUED, RUNS.c.kind.in_(QUICK_KINDS), RUNS.c.wanted.not_in(alive)
        with self._database.write() as connection:
            connection.execute(update(RUNS).where(*lost).values(wanted=machine, device=machine))

    def claim(self, worker: str, devices: Sequence[str], kind: RunKind = RunKind.TRAINING) -> RunRecord | None:
        """Take the first queued run of a kind that suits one of the free slots in `devices` (best first), or None."""
        while True:
            with self._database.write() as connection:
                record = claim_first(connection, kind, worker, devices, self._now())
            if record is None:
                return None
            try:
                attempts.take(self.folder(record.id), record.attempt)
            except FencedError:
                # This process was suspended between the two, and another attempt has begun.
                continue
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    self.release(record.id, worker, attempt=record.attempt, reason="The disk is full.")
                    return None
                problem = f"Its folder cannot be written ({error.strerror}): check the disk, then retry."
                self.fail(record.id, worker, problem, attempt=record.attempt)
                continue
            return record

    def heartbeat(self, run_id: str, worker: str, progress: float, *, attempt: int) -> RunRecord | None:
        """Record that a run is alive. Gives its record, with `cancel_requested`; None when this attempt lost the run.

        After None the process must stop: another attempt has the run, or it is over or deleted. Raises `StoreError`.
        """
        try:
            with self._held(run_id, worker, attempt) as (connection, row):
                alive = {"heartbeat_at": self._now(), "beats": row.beats + 1}
                return change(connection, run_id, progress=min(max(progress, 0.0), 1.0), **alive)
        except (RunStateError, RunNotFoundError):
            return None

    def finish(self, run_id: str, worker: str, summary: dict[str, Any], *, attempt: int) -> RunRecord:
        """running → done, with the run's summary."""
        with self._held(run_id, worker, attempt) as (connection, row):
            return end_run(connection, row, RunState.DONE, self._now(), summary=json.dumps(summary), progress=1.0)

    def fail(self, run_id: str, worker: str, error: str, *, attempt: int) -> RunRecord:
        """running → failed, with a sentence for people."""
        with self._held(run_id, worker, attempt) as (connection, row):
            return end_run(connection, row, RunState.FAILED, self._now(), error=error)

    def release(self, run_id: str, worker: str, *, attempt: int, reason: str | None = None) -> RunRecord:
        """The process stopped as asked: → cancelled if requested, else → queued with a reason; no restart counts."""
        with self._held(run_id, worker, attempt) as (connection, row):
            if row.cancel_requested:
                return end_run(connection, row, RunState.CANCELLED, self._now())
            return requeue(connection, row, error=reason)

    def reduce_batch(self, run_id: str, worker: str, *, attempt: int) -> RunRecord:
        """Memory ran out, whoever reports it (core/out_of_memory.py): the first time → queued, then → failed.

        It is queued with its batch in at least twice as many parts; a batch of single images cannot be reduced, and
        fails at once, as quick runs do. A run that was asked to cancel → cancelled. No restart is counted.
        """
        with self._held(run_id, worker, attempt) as (connection, row):
            attempts.close(self.folder(run_id), attempt)
            if row.cancel_requested:
                return end_run(connection, row, RunState.CANCELLED, self._now())
            config, problem = read_settings(row)
            if row.kind != RunKind.TRAINING:
                return end_run(connection, row, RunState.FAILED, self._now(), error=too_large(row.kind))
            smaller, message = plan_retry(config, row.device, row.narrowed)
            if smaller is None or problem:
                return end_run(connection, row, RunState.FAILED, self._now(), error=problem or message)
            return requeue(connection, row, config=smaller.to_json(), narrowed=row.narrowed + 1, error=message)

    def abandon(self, run_id: str, worker: str, error: str, *, attempt: int) -> RunRecord:
        """The process of a run died: queued with `last.ckpt` and restarts left, else failed with `error`."""
        with self._held(run_id, worker, attempt) as (connection, row):
            attempts.close(self.folder(run_id), attempt)
            if row.cancel_requested or self.has_checkpoint(run_id):
                return self._restart(connection, row, error)
            return end_run(connection, row, RunState.FAILED, self._now(), error=error)

    def reclaim(self, record: RunRecord, reason: str) -> RunRecord | None:
        """Requeue a run that has sent no heartbeat since `record` was read; None when it has.

        Its process loses the right to write into the folder before the row shows that nobody holds it.
        """
        with self._database.write() as connection:
            row = find(connection, record.id)
            if (row.state, row.attempt, row.beats) != (RunState.RUNNING, record.attempt, record.heartbeats):
                return None
            attempts.close(self.folder(record.id), record.attempt)
            return self._restart(connection, row, reason)

    def _new_folder(self, settings: str) -> str:
        """Make the folder of a new run, and give its id. Raises `DiskFullError` and `StoreError`."""
        return make_run_folder(self.home, settings, self._now(), self._token)

    @contextmanager
    def _held(self, run_id: str, worker: str, attempt: int) -> Iterator[tuple[Connection, Row[Any]]]:
        """A write transaction on a run that this worker holds in this attempt."""
        with self._database.write() as connection:
            row = find(connection, run_id)
            if row.state != RunState.RUNNING or row.worker != worker or row.attempt != attempt:
                raise RunStateError(f"Run {run_id} is {row.state} and not held by worker {worker} any more.")
            yield connection, row

    def _restart(self, connection: Connection, row: Row[Any], reason: str) -> RunRecord:
        """Restart a run that lost its process, or end it."""
        if row.cancel_requested:
            return end_run(connection, row, RunState.CANCELLED, self._now())
        if row.lapses >= self.max_restarts:
            error = f"{reason} It was started again {row.lapses} times without reaching the end: read its log."
            return end_run(connection, row, RunState.FAILED, self._now(), error=error)
        return requeue(connection, row, lapses=row.lapses + 1)
