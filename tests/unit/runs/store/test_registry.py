"""One machine runs one worker a store; whoever is dead does not count."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import NullPool, create_engine, text

from core.errors import RunStateError
from core.runs.store.database import Database
from core.runs.store.registry import WORKER_LEASE, WorkerRegistry, process_exists
from core.runs.store.run_store import RunStore
from tests.unit.runs.conftest import Clock


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_worker_is_known_while_it_lives_whatever_the_clock_does(store: RunStore, clock: Clock) -> None:
    store.worker_heartbeat("w", os.getpid(), "cpu")
    for jump in (3600, -7200, -86_400, 0):
        clock.pass_(jump)
        assert [worker.id for worker in store.workers()] == ["w"]
    store.worker_heartbeat("w", os.getpid(), "cuda:0,cpu", memory=7)
    (worker,) = store.workers()
    assert (worker.device, worker.memory, worker.heartbeat_at) == ("cuda:0,cpu", 7, clock())


def test_another_program_that_got_the_number_of_a_dead_worker_is_not_taken_for_it(store: RunStore) -> None:
    store.register_worker("dead", os.getpid(), "cpu")
    with create_engine(f"sqlite:///{store.home / 'runs.db'}", poolclass=NullPool).begin() as connection:
        connection.execute(text("update workers set born = born - 100"))
    assert store.workers() == []


def test_a_worker_elsewhere_is_listed_while_it_sends_heartbeats(store: RunStore, clock: Clock, dead: int) -> None:
    there = WorkerRegistry(Database(f"sqlite:///{store.home / 'runs.db'}"), now=clock, host="elsewhere")
    there.register("theirs", dead, "cuda:0")
    clock.pass_(WORKER_LEASE - 1)
    assert [worker.id for worker in store.workers()] == ["theirs"]
    clock.pass_(2)
    assert store.workers() == []


def test_a_second_worker_of_this_machine_is_turned_away(store: RunStore) -> None:
    store.register_worker("first", os.getpid(), "cpu")
    with pytest.raises(RunStateError, match=f"already running here \\(process {os.getpid()}\\)"):
        store.register_worker("second", os.getpid(), "cpu")
    assert [worker.id for worker in store.workers()] == ["first"]
    store.remove_worker("first")
    store.register_worker("second", os.getpid(), "cpu")


def test_a_killed_worker_holds_no_place(store: RunStore, dead: int) -> None:
    store.register_worker("killed", dead, "cpu")
    assert not process_exists(dead)
    assert store.workers() == []
    store.register_worker("next", os.getpid(), "cpu")
    assert [worker.id for worker in store.workers()] == ["next"]


def test_workers_of_other_machines_stand_beside_ours(store: RunStore, clock: Clock, dead: int) -> None:
    store.register_worker("ours", os.getpid(), "cpu")
    # Its process number means nothing here: only its heartbeat counts.
    there = WorkerRegistry(Database(f"sqlite:///{store.home / 'runs.db'}"), now=clock, host="elsewhere")
    there.register("theirs", dead, "cuda:0")
    assert {worker.id for worker in store.workers()} == {"ours", "theirs"}
