"""A store that an older version of the program made is brought to this one, with all that is in it."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, NullPool, Table, create_engine, insert, inspect

from core.config import RunConfig
from core.errors import StoreError
from core.runs.store.records import RunKind, RunState
from core.runs.store.run_store import RunStore
from core.runs.store.tables import RUNS, SCHEMA, WORKERS

NEW_SINCE_1 = {
    "runs": {
        "priority",
        "pinned",
        "beats",
        "narrowed",
        "launched_by",
        "kind",
        "job",
        "study",
        "role",
        "trial",
        "owner",
        "shared",
    },
    "workers": {"memory", "born"},
}


@pytest.fixture
def old_store(store_url: str, config: RunConfig) -> str:
    """A store as version 1 left it, with one run under way."""
    metadata = MetaData()
    for table in (RUNS, WORKERS, SCHEMA):
        kept = [column for column in table.columns if column.name not in NEW_SINCE_1.get(table.name, set())]
        columns = [Column(c.name, c.type, primary_key=c.primary_key, nullable=c.nullable) for c in kept]
        Table(table.name, metadata, *columns)
    row = {"id": "20260101-000000-aaaa", "name": "old", "state": "running", "config": config.to_json()}
    row |= {"wanted": "auto", "device": "cpu", "created_at": 1.0, "started_at": 2.0, "heartbeat_at": 3.0}
    row |= {"cancel_requested": False, "attempt": 4, "lapses": 1, "worker": "w", "progress": 0.5}
    with create_engine(store_url, poolclass=NullPool).begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(metadata.tables["runs"]).values(**row, summary=json.dumps({"best_miou5": 0.5})))
        connection.execute(insert(metadata.tables["schema_version"]).values(version=1))
    return store_url


def _columns(url: str, table: str) -> set[str]:
    return {column["name"] for column in inspect(create_engine(url, poolclass=NullPool)).get_columns(table)}


def _indexes(url: str) -> list[Any]:
    return list(inspect(create_engine(url, poolclass=NullPool)).get_indexes("runs"))


def test_a_store_of_version_1_goes_on(old_store: str, tmp_path: Path) -> None:
    assert not _columns(old_store, "runs") & NEW_SINCE_1["runs"]
    store = RunStore(old_store, home=tmp_path / "home")
    (run,) = store.list()
    assert (run.name, run.state, run.attempt, run.restarts, run.progress) == ("old", RunState.RUNNING, 4, 1, 0.5)
    assert (run.priority, run.pinned, run.heartbeats, run.batch_reductions) == (0, False, 0, 0)
    assert (run.launched_by, run.kind, run.job) == ("", RunKind.TRAINING, {})
    assert run.summary == {"best_miou5": 0.5}
    after = store.heartbeat(run.id, "w", 0.6, attempt=4)
    assert after is not None
    assert after.heartbeats == 1
    store.close()
    for table, names in NEW_SINCE_1.items():
        assert names <= _columns(old_store, table)
    (index,) = [one for one in _indexes(old_store) if one["name"] == "runs_by_study"]
    assert index["unique"]
    again = RunStore(old_store, home=tmp_path / "home")
    assert len(again.list()) == 1
    again.close()


def test_many_that_open_an_old_store_at_once_bring_it_up_once(old_store: str, tmp_path: Path) -> None:
    problems: list[StoreError] = []

    def open_it() -> None:
        try:
            RunStore(old_store, home=tmp_path / "home").close()
        except StoreError as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
