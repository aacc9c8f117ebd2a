"""The queue alone: kills, a worker that is stopped past its lease, and twenty writers at once."""

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reliability.kit import Figures, claim_until_killed, end, ended, fork, open_store, p95, scratch
from core.config import RunConfig
from core.events import Cancelled, Emit, MessageEvent
from core.files import write_aside
from core.runs.recorder import read_events
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore, attempts
from core.runs.worker.heartbeats import ORPHAN_SECONDS, HeartbeatMonitor
from core.runs.worker.run_process import Heartbeat, perform

CONFIG = RunConfig(kind="train", name="job")
_FILES = 6


class StoppedError(Exception):
    """A job here was told to stop."""


def job(
    config: RunConfig,
    folder: Path,
    *,
    emit: Emit,
    cancelled: Cancelled,
    runs: Path,
    resume: bool = True,
    attempt: int = 0,
) -> dict[str, Any]:
    """Write a few files, each with the name of who wrote it."""
    del config, runs, resume
    mine = f"{os.getpid()} {attempt}"
    for number in range(_FILES):
        if cancelled():
            raise StoppedError
        write_aside(folder / f"part_{number}.txt", lambda path: path.write_text(mine))
        emit(MessageEvent(mine))
        time.sleep(0.005)
    return {"by": mine}


def work(home: Path, url: str | None, name: str, started: Path) -> None:
    """A worker that does its jobs itself, until it is ended: the harder case, for nobody watches it from beside."""

    def do(record: RunRecord) -> None:
        execute = partial(job, attempt=record.attempt)
        perform(store, Heartbeat(store, record), execute=execute, stopped=StoppedError)

    store = open_store(home, url)
    claim_until_killed(partial(store.claim, f"{name}-{os.getpid()}", ["cpu"]), do, started)


@dataclass
class Reclaims:
    """The watcher of another machine: it takes runs back, and times how long each lay idle."""

    store: RunStore
    monitor: HeartbeatMonitor
    killed: dict[int, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def turn(self) -> None:
        for record in self.monitor.expired(self.store.list([RunState.RUNNING]), []):
            if self.store.reclaim(record, "The run sent no heartbeat for too long.") is not None:
                pid = int(record.worker.rpartition("-")[2])
                if pid in self.killed:
                    self.seconds.append(time.monotonic() - self.killed[pid])


def kills(count: int = 300, *, workers: int = 4, url: str | None = None, lease: float = ORPHAN_SECONDS) -> Figures:
    """Kill a worker every moment, until `count` are dead; then let what is left be done."""
    chance = random.Random(0)
    with scratch() as home:
        store, started = open_store(home, url), home / "started.txt"
        # One job may meet its death often here; that a person is asked after three times is another matter.
        store.max_restarts = 1000
        reclaims = Reclaims(store, HeartbeatMonitor(orphaned=lease))
        pids = [fork(lambda: work(home, url, "w", started), log=home / "output.txt") for _ in range(workers)]
        ids: list[str] = []
        while len(reclaims.killed) < count:
            reclaims.turn()
            # As many as are taken in a moment, and no endless race with the workers: the watcher must have its turns.
            ids.extend(store.add(CONFIG).id for _ in range(2 * workers - len(store.queue())))
            time.sleep(chance.uniform(0.0, 0.25))
            place = chance.randrange(workers)
            end(pids[place])
            reclaims.killed[pids[place]] = time.monotonic()
            pids[place] = fork(lambda: work(home, url, "w", started), log=home / "output.txt")
            reclaims.turn()
        _drain(store, reclaims, within=4 * lease + 60)
        for pid in pids:
            end(pid)
        return {"kills": count, "jobs": len(ids), **_account(store, ids, started, reclaims)}


def _drain(store: RunStore, reclaims: Reclaims, *, within: float) -> None:
    deadline = time.monotonic() + within
    while store.list([RunState.QUEUED, RunState.RUNNING]) and time.monotonic() < deadline:
        reclaims.turn()
        time.sleep(0.05)


def _account(store: RunStore, ids: list[str], started: Path, reclaims: Reclaims) -> Figures:
    """What became of each job, and whether an attempt was ever given to two."""
    records = {record.id: record for record in store.list()}
    lines = [line.split() for line in started.read_text().splitlines()]
    starts = Counter((run, attempt) for run, attempt, *_ in lines)
    return {
        "lost": sum(name not in records or records[name].state != RunState.DONE for name in ids),
        "attempts given to two": sum(times > 1 for times in starts.values()),
        "jobs taken back": len(reclaims.seconds),
        "taken back within, s, p95": p95(reclaims.seconds) if reclaims.seconds else 0.0,
        "taken back within, s, at most": max(reclaims.seconds, default=0.0),
        "files of an attempt that did not finish": sum(_late(store, records[name]) for name in ids if name in records),
    }


def _late(store: RunStore, record: RunRecord) -> int:
    """Files and lines in the folder of a finished run that an earlier attempt wrote after the last one had begun."""
    folder, by = store.folder(record.id), record.summary.get("by")
    files = [folder / f"part_{number}.txt" for number in range(_FILES)]
    wrong = sum(path.read_text() != by for path in files if path.exists())
    said = [event["text"] for event in read_events(folder / "events.jsonl")[0] if event["type"] == "message"]
    parts = [text for text in said if not text.startswith("Started")]
    first = parts.index(by) if by in parts else 0
    return wrong + sum(text != by for text in parts[first:])


def stops(jobs: int = 200, *, url: str | None = None, lease: float = 1.0, fenced: bool = True) -> Figures:
    """Two workers; one of them is stopped past its lease again and again, and continued when its job has another."""
    if not fenced:
        _switch_off_the_fence()
    chance = random.Random(0)
    with scratch() as home:
        store, started = open_store(home, url), home / "started.txt"
        ids = [store.add(CONFIG).id for _ in range(jobs)]
        reclaims = Reclaims(store, HeartbeatMonitor(window=lease, orphaned=lease))
        steady, sleepy = (fork(lambda: work(home, url, "w", started), log=home / "output.txt") for _ in range(2))
        stopped = overtaken = 0
        while store.list([RunState.QUEUED, RunState.RUNNING]):
            time.sleep(chance.uniform(0.02, 0.2))
            os.kill(sleepy, signal.SIGSTOP)
            stopped += 1
            overtaken += _overtake(store, reclaims, sleepy, lease)
            os.kill(sleepy, signal.SIGCONT)
            if ended(steady) is not None or ended(sleepy) is not None:
                raise RuntimeError((home / "output.txt").read_text()[-2000:])
        for pid in (steady, sleepy):
            end(pid)
        account = _account(store, ids, started, reclaims)
        late = account.pop("files of an attempt that did not finish")
        return {"jobs": jobs, "stops": stopped, "stops with a job in hand": overtaken, **account, "late writes": late}


def _overtake(store: RunStore, reclaims: Reclaims, pid: int, lease: float) -> bool:
    """Hold it until its job, if it has one, is done by the other.

    A stop within a transaction is let go at once: it holds a lock that others wait for, as any database has it.
    """
    held = [run for run in store.list([RunState.RUNNING]) if run.worker.endswith(f"-{pid}")]
    if not held or _stopped_with_a_lock(store):
        return False
    deadline = time.monotonic() + 4 * lease + 3
    while time.monotonic() < deadline and not store.get(held[0].id).state.final:
        reclaims.turn()
        time.sleep(0.02)
    return store.get(held[0].id).state.final


def _stopped_with_a_lock(store: RunStore) -> bool:
    """Whether nobody can write now. PostgreSQL locks rows, and `reclaim` waits for one no longer than its timeout."""
    path = store.home / "runs.db"
    if not path.exists():
        return False
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        connection = sqlite3.connect(path, timeout=0.3, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            continue
        finally:
            connection.close()
        return False
    return True


def _switch_off_the_fence() -> None:
    """The negative control: claims that leave earlier attempts their right to write."""

    def take(folder: Path, attempt: int) -> Path:
        mine = attempts.stage(folder, attempt)
        mine.mkdir(parents=True, exist_ok=True)
        return mine

    def leave_open(folder: Path, attempt: int | None = None) -> None:
        del folder, attempt

    attempts.take = take
    attempts.close = leave_open


def writers(count: int = 20, *, each: int = 25, url: str | None = None) -> Figures:
    """Processes that all write at once: none may be told that the database is locked."""
    with scratch() as home:
        open_store(home, url)
        pids = [fork(lambda: _write(home, url, each), log=home / "output.txt") for _ in range(count)]
        failed = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 for pid in pids)
        said = (home / "output.txt").read_text()
        seconds = [float(line) for line in said.splitlines() if line.replace(".", "", 1).isdecimal()]
        return {
            "writers": count,
            "changes": len(seconds),
            "writers told of a lock": failed or said.count("locked"),
            "one change, s, p95": p95(seconds) if seconds else 0.0,
            "one change, s, at most": max(seconds, default=0.0),
        }


def _write(home: Path, url: str | None, each: int) -> None:
    store = open_store(home, url)
    for _ in range(each):
        run = store.add(CONFIG, worker="w")
        changes = partial(store.heartbeat, run.id, "w", 0.5), partial(store.finish, run.id, "w", {})
        for change in changes:
            began = time.monotonic()
            change(attempt=1)
            os.write(1, f"{time.monotonic() - began:.4f}\n".encode())
