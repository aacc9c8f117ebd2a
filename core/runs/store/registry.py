"""Which worker processes are alive: each says so every few seconds, and one machine runs one worker a store."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update

from core.errors import RunStateError
from core.runs.store.database import Database
from core.runs.store.records import WorkerRecord
from core.runs.store.tables import WORKERS, to_worker

WORKER_LEASE = 20.0
"""Seconds after its last beat that a worker still counts as alive."""


class WorkerRegistry:
    """The workers of one store. `now` gives Unix seconds; `host` is the name of this machine."""

    def __init__(
        self, database: Database, *, now: Callable[[], float] = time.time, host: str = platform.node() or "localhost"
    ) -> None:
        self._database = database
        self._now = now
        self._host = host

    def register(self, worker_id: str, pid: int, device: str) -> WorkerRecord:
        """Enter this machine's worker. Raises `RunStateError` when another one is alive here."""
        with self._database.write(alone=True) as connection:
            others = [
                worker for worker in self._alive(connection) if worker.host == self._host and worker.id != worker_id
            ]
            if others:
                raise RunStateError(f"A worker is already running here (process {others[0].pid}): nothing to start.")
            # Whoever is left under this machine's name is dead: its row would only gather dust.
            connection.execute(delete(WORKERS).where(WORKERS.c.host == self._host))
            return self._enter(connection, worker_id, pid, device)

    def beat(self, worker_id: str, pid: int, device: str, memory: int = 0) -> WorkerRecord:
        """Say that this worker is alive, entering it when it is not there."""
        with self._database.write() as connection:
            mine = WORKERS.c.id == worker_id
            values = {"pid": pid, "device": device, "beat_at": self._now(), "memory": memory}
            if connection.execute(update(WORKERS).where(mine).values(**values)).rowcount:
                return to_worker(connection.execute(select(WORKERS).where(mine)).one())
            return self._enter(connection, worker_id, pid, device, memory)

    def leave(self, worker_id: str) -> None:
        """Take this worker out of the list."""
        with self._database.write() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.id == worker_id))

    def alive(self) -> list[WorkerRecord]:
        """The workers that are alive: of this machine a process, of another one a beat within `WORKER_LEASE` seconds.

        A clock that was set back or forward makes nobody here look dead.
        """
        with self._database.read() as connection:
            return self._alive(connection)

    def _alive(self, connection: Connection) -> list[WorkerRecord]:
        rows = connection.execute(select(WORKERS).order_by(WORKERS.c.started_at))
        return [worker for worker in map(to_worker, rows) if self._lives(worker)]

    def _lives(self, worker: WorkerRecord) -> bool:
        if worker.host == self._host and os.name == "posix":
            return process_exists(worker.pid) and worker.born in (0, birth(worker.pid))
        return abs(self._now() - worker.beat_at) <= WORKER_LEASE

    def _enter(self, connection: Connection, worker_id: str, pid: int, device: str, memory: int = 0) -> WorkerRecord:
        now = self._now()
        worker = WorkerRecord(
            worker_id, pid, self._host, device, started_at=now, beat_at=now, memory=memory, born=birth(pid)
        )
        connection.execute(insert(WORKERS).values(**vars(worker)))
        return worker


def birth(pid: int) -> int:
    """When a process of this machine began, in ticks since the machine did; 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    # The name stands in brackets and may hold anything.
    return int(text.rpartition(")")[2].split()[19])


def process_exists(pid: int) -> bool:
    """Whether this machine has a process of this number; always yes where the system cannot tell without harm."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
