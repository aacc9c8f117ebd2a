"""Which worker processes are alive: each sends a heartbeat, and a machine runs one worker for a store."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from sqlalchemy import Connection, delete, insert, select, update

from core.errors import RunStateError
from core.runs.store.database import Database
from core.runs.store.records import WorkerRecord
from core.runs.store.tables import WORKERS, to_worker

WORKER_LEASE = 20.0
"""Seconds after its last heartbeat that a worker still counts as alive."""


class WorkerRegistry:
    """The workers of one store. `now` gives Unix seconds; `host` is the name of this machine."""

    def __init__(
        self, database: Database, *, now: Callable[[], float] = time.time, host: str = platform.node() or "localhost"
    ) -> None:
        self._database = database
        self._now = now
        self._host = host

    def register(self, worker_id: str, pid: int, device: str) -> WorkerRecord:
        """Add this machine's worker. Raises `RunStateError` when another one is alive here."""
        with self._database.write(alone=True) as connection:
            others = [
                worker for worker in self._alive(connection) if worker.host == self._host and worker.id != worker_id
            ]
            if others:
                raise RunStateError(f"A worker is already running here (process {others[0].pid}): nothing to start.")
            # All other workers of this machine are dead.
            connection.execute(delete(WORKERS).where(WORKERS.c.host == self._host))
            return self._enter(connection, worker_id, pid, device)

    def heartbeat(self, worker_id: str, pid: int, device: str, memory: int = 0) -> WorkerRecord:
        """Record a heartbeat of this worker; add the worker when it is not listed."""
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
        """The workers that are alive: here by process, elsewhere by a heartbeat within `WORKER_LEASE` seconds.

        A clock that is set back or forward changes nothing for the workers of this machine.
        """
        with self._database.read() as connection:
            return self._alive(connection)

    def _alive(self, connection: Connection) -> list[WorkerRecord]:
        rows = connection.execute(select(WORKERS).order_by(WORKERS.c.started_at))
        return [worker for worker in map(to_worker, rows) if self._lives(worker)]

    def _lives(self, worker: WorkerRecord) -> bool:
        if worker.host == self._host:
            return process_exists(worker.pid) and worker.born in (0, birth(worker.pid))
        return abs(self._now() - worker.heartbeat_at) <= WORKER_LEASE

    def _enter(self, connection: Connection, worker_id: str, pid: int, device: str, memory: int = 0) -> WorkerRecord:
        now = self._now()
        values = {"id": worker_id, "pid": pid, "host": self._host, "device": device, "memory": memory}
        connection.execute(insert(WORKERS).values(**values, started_at=now, beat_at=now, born=birth(pid)))
        return to_worker(connection.execute(select(WORKERS).where(WORKERS.c.id == worker_id)).one())


def birth(pid: int) -> int:
    """When a process of this machine began, in ticks since the machine did; 0 where the system does not report it.

    psutil gives it as a time of the wall clock, which changes when somebody sets the clock; ticks do not.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    # The name stands in brackets and may hold anything.
    return int(text.rpartition(")")[2].split()[19])


def process_exists(pid: int) -> bool:
    """Whether this machine has a process of this number, whoever owns it."""
    return bool(psutil.pid_exists(pid))
