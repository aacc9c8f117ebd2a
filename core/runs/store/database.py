"""How the database of the run store is opened, and its two kinds of transaction. SQLite, or PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from core.errors import StoreError
from core.runs.store.migrations import migrate
from core.runs.store.tables import METADATA, SCHEMA, SCHEMA_VERSION

BUSY_SECONDS = 30
"""How long a SQLite writer waits for another writer before it gives up."""
_ALONE = 7_310_771
"""The number of the PostgreSQL lock that stands for the whole store; any number that nobody else there uses."""


class Database:
    """One database with the store's schema, which is made or brought to this version. Raises `StoreError`."""

    def __init__(self, url: str | URL) -> None:
        self._engine = _open_engine(url)
        self._sqlite = self._engine.dialect.name == "sqlite"
        with self.read() as connection:
            version = _schema_version(connection)
        if version is None or version < SCHEMA_VERSION:
            with self.write(alone=True) as connection:
                version = _prepare_schema(connection)
        if version != SCHEMA_VERSION:
            self.close()
            raise StoreError(
                f"The run store {self._engine.url!r} is of version {version}, and this program knows {SCHEMA_VERSION}: "
                "update the program, or set TERRASTILL_HOME to another folder."
            )

    @property
    def url(self) -> URL:
        """Where it lies, its password included."""
        return self._engine.url

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: it sees one moment, and waits for nobody."""
        options: dict[str, Any] = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._plainly(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction whose reads stay true until it has written.

        On SQLite it is a writer from its start, and so the only one. On PostgreSQL it locks the rows that it reads with
        `find`; `alone` keeps out every other that is `alone`.
        """
        with self._plainly(), self._engine.connect().execution_options(write=True) as connection, connection.begin():
            if alone and not self._sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ALONE})
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StoreError(f"The run store {self._engine.url!r} {_advice(reason)}") from error


def _advice(reason: str) -> str:
    if "locked" in reason or "lock timeout" in reason:
        return f"has been busy for {BUSY_SECONDS} seconds: try again in a moment."
    if "disk is full" in reason or "No space left" in reason:
        return "cannot be written: the disk is full. Free some space, or delete old runs, then try again."
    return (
        f"cannot be used ({reason}): check that its folder can be written to and that the disk is not full, then try "
        "again."
    )


def _open_engine(url: str | URL) -> Engine:
    try:
        # A server that was restarted is noticed before a connection is used, not by a failed one.
        engine = create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StoreError(f'The run store needs the driver {error.name}: pip install "psycopg[binary]".') from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(
            "TERRASTILL_STORE is not the URL of a database: write postgresql+psycopg://USER@HOST/NAME, or leave it "
            "unset for SQLite."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own late BEGIN is switched off: each transaction declares at its start whether it writes.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    """A process that was stopped within a transaction must not hold everybody else up for ever."""
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{BUSY_SECONDS}s'")
    cursor.close()
    connection.commit()


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


def _prepare_schema(connection: Connection) -> int:
    """Make the tables, or bring them to this version; another process may have been first. Gives the version."""
    version = _schema_version(connection)
    METADATA.create_all(connection)
    if version is None:
        connection.execute(insert(SCHEMA).values(version=SCHEMA_VERSION))
        return SCHEMA_VERSION
    if version < SCHEMA_VERSION:
        migrate(connection, version, SCHEMA_VERSION)
        return SCHEMA_VERSION
    return version
