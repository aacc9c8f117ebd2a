"""The tables of the run store, the order of its queue, and a row as a record."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    exists,
    false,
    func,
    insert,
    select,
    update,
)

from core.config import RunConfig
from core.errors import ConfigError, RunNotFoundError, RunStateError
from core.runs.store.records import JobRequest, RunKind, RunRecord, RunState, StudyPart, WorkerRecord, choose_slot

SCHEMA_VERSION = 6

METADATA = MetaData()
# Four columns have an older name than the field of the record: lapses, beats, narrowed and beat_at.

RUNS = Table(
    "runs",
    METADATA,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("config", Text, nullable=False),
    Column("wanted", String(32), nullable=False),
    Column("device", String(32), nullable=False),
    Column("control_of", String(40)),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("heartbeat_at", Float),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("lapses", Integer, nullable=False, default=0),
    Column("worker", String(200), nullable=False, default=""),
    Column("progress", Float, nullable=False, default=0.0),
    Column("summary", Text, nullable=False, default="{}"),
    Column("priority", Integer, nullable=False, default=0, server_default="0"),
    Column("pinned", Boolean, nullable=False, default=False, server_default=false()),
    Column("beats", BigInteger, nullable=False, default=0, server_default="0"),
    Column("narrowed", Integer, nullable=False, default=0, server_default="0"),
    Column("launched_by", String(200), nullable=False, default="", server_default=""),
    Column("kind", String(16), nullable=False, default=RunKind.TRAINING, server_default="training"),
    Column("job", Text, nullable=False, default="{}", server_default="{}"),
    Column("study", String(80)),
    Column("role", String(16)),
    Column("trial", Integer),
    Column("owner", String(64), nullable=False, default="", server_default=""),
    Column("shared", Boolean, nullable=False, default=False, server_default=false()),
    Index("runs_by_state", "state", "sequence"),
    Index("runs_by_study", "study", "role", "trial", unique=True),
    sqlite_autoincrement=True,
)

QUEUE_ORDER = (RUNS.c.priority.desc(), RUNS.c.sequence)
"""The highest priority first, then the oldest."""

WORKERS = Table(
    "workers",
    METADATA,
    Column("id", String(200), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("host", String(200), nullable=False),
    Column("device", String(200), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
    Column("memory", BigInteger, nullable=False, default=0, server_default="0"),
    Column("born", BigInteger, nullable=False, default=0, server_default="0"),
)

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))


def find(connection: Connection, run_id: str, *, lock: bool = True) -> Row[Any]:
    """The row of a run, locked where the database can lock one. Raises `RunNotFoundError`."""
    query = select(RUNS).where(RUNS.c.id == run_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RunNotFoundError(f"There is no run {run_id}: it may have been deleted.")
    return row


def change(connection: Connection, run_id: str, **values: Any) -> RunRecord:
    """Set columns of a run, and give it as it is then."""
    connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(**values))
    return to_run(find(connection, run_id))


def startable(kind: RunKind, *columns: Any) -> Select[Any]:
    """The queued runs of a kind that may start, in the order in which they will.

    A control waits for the run it controls, and a student for the run that trains its teacher.
    """
    controlled = RUNS.alias()
    unfinished = controlled.c.state.in_((RunState.QUEUED, RunState.RUNNING))
    waits = exists().where(controlled.c.id == RUNS.c.control_of, unfinished)
    return select(*columns).where(RUNS.c.state == RunState.QUEUED, RUNS.c.kind == kind, ~waits).order_by(*QUEUE_ORDER)


def require_room(connection: Connection, kind: RunKind, more: int, most: int | None) -> None:
    """Raises `RunStateError` when `more` runs of a kind in the queue would be more than `most` queued and running."""
    active = RUNS.c.state.in_((RunState.QUEUED, RunState.RUNNING)), RUNS.c.kind == kind
    if most is not None and connection.scalars(select(func.count()).where(*active)).one() + more > most:
        raise RunStateError(kind.full.format(most=most))


def insert_run(
    connection: Connection,
    run_id: str,
    config: RunConfig,
    now: float,
    *,
    worker: str | None = None,
    priority: int = 0,
    launched_by: str = "",
    job: JobRequest | None = None,
    part: StudyPart | None = None,
    owner: str = "",
) -> RunRecord:
    """Add a queued run; with `worker`, one that this worker runs in attempt 1. `now`: Unix seconds.

    With `job` it is of that kind, at the kind's priority; with `part` it belongs to a search. `owner` is for
    `RunRecord.owner`.
    """
    row: dict[str, Any] = {
        "id": run_id,
        "name": config.name or run_id,
        "config": config.to_json(),
        "state": RunState.QUEUED,
        "priority": priority,
        "launched_by": launched_by,
        "owner": owner,
        "wanted": config.train.device,
        "device": config.train.device,
        # The run that this one waits for.
        "control_of": config.control_of or (config.distill.teacher[:40] if config.distill else None),
        "created_at": now,
    }
    if job is not None:
        row |= {"kind": job.kind, "job": json.dumps(job.settings), "priority": job.kind.priority}
        row |= {"wanted": job.machine, "device": job.machine}
    if part is not None:
        row |= {"study": part.study, "role": part.role, "trial": part.number, "job": json.dumps(part.facts)}
    if worker is not None:
        row |= {"state": RunState.RUNNING, "worker": worker, "attempt": 1, "beats": 1}
        row |= {"started_at": now, "heartbeat_at": now}
    connection.execute(insert(RUNS).values(**row))
    return to_run(find(connection, run_id))


def claim_first(
    connection: Connection, kind: RunKind, worker: str, devices: Sequence[str], now: float
) -> RunRecord | None:
    """Give the first startable run of a kind that suits one of the free slots to `worker`; None where there is none.

    One whose settings cannot be read fails. `now`: Unix seconds.
    """
    for run_id, wanted in connection.execute(startable(kind, RUNS.c.id, RUNS.c.wanted)).all():
        slot = choose_slot(wanted, devices)
        if slot is None:
            continue
        # One row is locked at a time: whoever claims beside us skips it and takes the next.
        waiting = select(RUNS).where(RUNS.c.id == run_id, RUNS.c.state == RunState.QUEUED)
        row = connection.execute(waiting.with_for_update(skip_locked=True)).one_or_none()
        if row is None:
            continue
        if problem := read_settings(row)[1]:
            end_run(connection, row, RunState.FAILED, now, error=problem)
            continue
        times = {"heartbeat_at": now, "started_at": row.started_at or now, "beats": row.beats + 1}
        holder = {"worker": worker, "device": slot, "attempt": row.attempt + 1}
        return change(connection, run_id, state=RunState.RUNNING, error=None, **holder, **times)
    return None


def requeue(connection: Connection, row: Row[Any], **values: Any) -> RunRecord:
    """Put a run back in the queue: nobody holds it, and it asks for the device that it asked for at first."""
    waiting = {"state": RunState.QUEUED, "worker": "", "device": row.wanted, "heartbeat_at": None}
    return change(connection, row.id, **waiting, **values)


def end_run(connection: Connection, row: Row[Any], state: RunState, now: float, **values: Any) -> RunRecord:
    """Put a run into a final state. `now`: Unix seconds."""
    # A clock that was set back must not end a run before it began.
    finished = max(now, row.started_at or row.created_at)
    return change(connection, row.id, state=state, worker="", finished_at=finished, **values)


def read_settings(row: Row[Any]) -> tuple[RunConfig, str | None]:
    """The settings of a run, or default ones and a sentence when another version wrote what this one cannot read.

    One such run must not hide all others from the list.
    """
    try:
        return _parsed(row.config), None
    except ConfigError as error:
        problem = (
            f"The settings of this run cannot be read ({error}): where another version wrote them, start the worker "
            "again and retry; else delete it."
        )
        return RunConfig(kind="train", name=row.name), problem


@lru_cache(maxsize=4096)
def _parsed(text: str) -> RunConfig:
    """Reading and checking settings takes a millisecond, and those of a run never change."""
    return RunConfig.from_json(text)


def to_run(row: Row[Any]) -> RunRecord:
    """A row of `runs` as a record; unreadable settings are reported in its `error`."""
    config, problem = read_settings(row)
    return RunRecord(
        id=row.id,
        name=row.name,
        state=RunState(row.state),
        config=config,
        device=row.device,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        heartbeat_at=row.heartbeat_at,
        error=problem or row.error,
        cancel_requested=row.cancel_requested,
        attempt=row.attempt,
        restarts=row.lapses,
        heartbeats=row.beats,
        batch_reductions=row.narrowed,
        worker=row.worker,
        priority=row.priority,
        pinned=row.pinned,
        launched_by=row.launched_by,
        owner=row.owner,
        shared=row.shared,
        progress=row.progress,
        summary=json.loads(row.summary),
        kind=RunKind(row.kind),
        job=json.loads(row.job),
        part=None if row.study is None else StudyPart(row.study, row.role, row.trial, json.loads(row.job)),
    )


def to_worker(row: Row[Any]) -> WorkerRecord:
    """A row of `workers` as a record."""
    return WorkerRecord(row.id, row.pid, row.host, row.device, row.started_at, row.beat_at, row.memory, row.born)
