"""The tables of the run store, and a row as a record."""

import json
from typing import Any

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, Row, String, Table, Text

from core.config import RunConfig
from core.errors import ConfigError, StoreError
from core.runs.records import RunRecord, RunState, WorkerRecord

SCHEMA_VERSION = 1

METADATA = MetaData()

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
    Index("runs_by_state", "state", "sequence"),
    sqlite_autoincrement=True,
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("id", String(200), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("host", String(200), nullable=False),
    Column("device", String(200), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
)

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))


def to_run(row: Row[Any]) -> RunRecord:
    """A row of `runs` as a record. Raises `StoreError` when its settings, of another version, cannot be read."""
    try:
        config = RunConfig.from_json(row.config)
    except ConfigError as error:
        raise StoreError(f"The settings of run {row.id} cannot be read ({error}): delete this run.") from error
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
        error=row.error,
        cancel_requested=row.cancel_requested,
        attempt=row.attempt,
        lapses=row.lapses,
        worker=row.worker,
        progress=row.progress,
        summary=json.loads(row.summary),
    )


def to_worker(row: Row[Any]) -> WorkerRecord:
    """A row of `workers` as a record."""
    return WorkerRecord(row.id, row.pid, row.host, row.device, row.started_at, row.beat_at)
