"""What the store's database promises: a write that is done is on the disk, and two writers take turns."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import URL, insert, select, text

from core.errors import StoreError
from core.runs.store.database import Database
from core.runs.store.tables import SCHEMA, SCHEMA_VERSION


@pytest.fixture
def url(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "a store?#.db"))


def test_writes_are_durable_and_readers_are_never_blocked(url: URL) -> None:
    database = Database(url)
    with database.read() as connection:
        assert connection.scalar(text("pragma journal_mode")) == "wal"
        assert connection.scalar(text("pragma synchronous")) == 2
    with database.write() as writer:
        writer.execute(insert(SCHEMA).values(version=7))
        with database.read() as reader:
            assert reader.scalars(select(SCHEMA.c.version)).all() == [SCHEMA_VERSION]


def test_what_a_writer_has_read_stays_true_until_it_is_done(url: URL) -> None:
    database, other = Database(url), Database(url)
    began, finished = threading.Event(), threading.Event()

    def interfere() -> None:
        began.set()
        with other.write() as connection:
            connection.execute(text("update schema_version set version = 2"))
        finished.set()

    with database.write() as connection:
        seen = connection.scalar(select(SCHEMA.c.version))
        thread = threading.Thread(target=interfere)
        thread.start()
        assert began.wait(60)
        assert not finished.wait(0.2)
        assert connection.scalar(select(SCHEMA.c.version)) == seen
        connection.execute(text("update schema_version set version = version + 10"))
    thread.join(60)
    with database.read() as connection:
        assert connection.scalar(select(SCHEMA.c.version)) == 2


def test_a_failed_change_leaves_nothing_behind(url: URL) -> None:
    database = Database(url)

    def change_twice() -> None:
        with database.write() as connection:
            connection.execute(insert(SCHEMA).values(version=7))
            connection.execute(text("insert into nowhere values (1)"))

    with pytest.raises(StoreError, match="cannot be used"):
        change_twice()
    with database.read() as connection:
        assert connection.scalars(select(SCHEMA.c.version)).all() == [SCHEMA_VERSION]


def test_two_processes_may_create_the_store_at_once(url: URL) -> None:
    problems: list[StoreError] = []

    def open_it() -> None:
        try:
            Database(url)
        except StoreError as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
