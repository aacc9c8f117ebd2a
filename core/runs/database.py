"""How the database of the run store is opened, and its two kinds of transaction. SQLite, or PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from core.errors import StoreError
from core.runs.tables import METADATA, SCHEMA, SCHEMA_VERSION

BUSY_SECONDS = 30
"""How long a SQLite writer waits for another writer before it gives up."""


class Database:
    """One database with the store's schema, which is created when it is not there. Raises `StoreError`."""

    def __init__(self, url: str | URL) -> None:
        self._engine = _open_engine(url)
        with self.read() as connection:
            version = _schema_version(connection)
        if version is None:
            with self.write() as connection:
                _create_schema(connection)
        elif version != SCHEMA_VERSION:
            raise StoreError(
                f"The run store {self._engine.url!r} is of version {version}, and this program knows {SCHEMA_VERSION}: "
                "update the program, or set TERRASTILL_HOME to another folder."
            )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: it sees one moment, and waits for nobody."""
        with self._plainly(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is a writer from its start, so that what it reads cannot change before it writes."""
        with self._plainly(), self._engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StoreError(
                f"The run store {self._engine.url!r} cannot be used ({reason}): check that its folder can be "
                "written to and that the disk is not full, then try again."
            ) from error


def _open_engine(url: str | URL) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own late BEGIN is switched off: whether a transaction writes is said when it begins.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """SQLite does not wait for its busy timeout here, so that two processes that open a new store would collide."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _schema_version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(SCHEMA.name):
        return None
    return connection.scalar(select(SCHEMA.c.version))


def _create_schema(connection: Connection) -> None:
    # Another process may have been first: only what is missing is made, and this transaction is the only writer.
    METADATA.create_all(connection)
    if connection.scalar(select(SCHEMA.c.version)) is None:
        connection.execute(insert(SCHEMA).values(version=SCHEMA_VERSION))
