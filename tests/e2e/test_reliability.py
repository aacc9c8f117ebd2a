"""What docs/RELIABILITY.md measures, in small: kills, stops, full disks, jumping clocks, with nothing lost."""

import json
import subprocess
import sys
from typing import Any

import pytest

from core import paths
from core.runs.worker.heartbeats import ORPHAN_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the shows use Linux's /proc")]


def shown(name: str) -> dict[str, Any]:
    """The figures of one show."""
    command = [sys.executable, "-m", "benchmarks.reliability", name, "--small", "--json"]
    answer = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-3000:]
    figures: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    if "not shown" in figures:
        pytest.skip(figures["not shown"])
    return figures


def test_a_killed_training_ends_with_the_bits_of_its_twin() -> None:
    figures = shown("kills")
    assert figures["kills"] == 5
    assert (figures["lost"], figures["done twice"], figures["different bits"]) == (0, 0, 0)
    assert figures["resumed within a run"] >= 3
    assert figures["different bits in the negative control"] == 1


@pytest.mark.parametrize("name", ["queue", "queue-postgresql"])
def test_killed_workers_lose_no_job_and_do_none_twice(name: str) -> None:
    figures = shown(name)
    assert figures["kills"] == 15
    assert (figures["lost"], figures["attempts given to two"]) == (0, 0)
    assert figures["files of an attempt that did not finish"] == 0
    assert ORPHAN_SECONDS + 5 < 60


def test_a_search_whose_processes_are_killed_loses_and_doubles_no_trial() -> None:
    figures = shown("search")
    assert figures["kills"] == 6
    assert figures["of the search's own process, while it led"] >= 1
    assert figures["searches that did not end as done"] == 0
    assert figures["trials"] == 6 * figures["searches"]
    assert (figures["trials lost"], figures["trials doubled"], figures["attempts given to two"]) == (0, 0, 0)
    assert figures["epochs done twice or left out"] == 0
    assert figures["trials of which the engine knows something else"] == 0


@pytest.mark.parametrize("name", ["stops", "stops-postgresql"])
def test_a_worker_that_wakes_after_its_lease_writes_nothing(name: str) -> None:
    figures = shown(name)
    assert figures["stops with a job in hand"] > 0
    assert (figures["lost"], figures["attempts given to two"], figures["late writes"]) == (0, 0, 0)


@pytest.mark.parametrize("name", ["writers", "writers-postgresql"])
def test_of_twenty_writers_none_is_told_of_a_lock(name: str) -> None:
    figures = shown(name)
    assert (figures["writers"], figures["changes"], figures["writers told of a lock"]) == (20, 120, 0)


def test_a_full_disk_leaves_the_checkpoint_before() -> None:
    figures = shown("full")
    assert (figures["plain messages"], figures["one before is whole"], figures["saved with space again"]) == (10,) * 3
    assert figures["leftovers"] == 0


def test_one_changed_bit_is_always_found() -> None:
    figures = shown("corrupt")
    assert (figures["found"], figures["fell back and said so"]) == (40, 40)


def test_a_clock_that_jumps_costs_nothing() -> None:
    figures = shown("clocks")
    assert (figures["jumps that the run saw"], figures["jumps that hid the worker"]) == (4, 0)
    assert (figures["runs started again"], figures["restarts"], figures["negative times"]) == (0, 0, 0)
    assert figures["windows"] <= 2


def test_a_cancel_takes_effect_and_leaves_no_process() -> None:
    figures = shown("cancels")
    assert figures["queued, s, p95"] <= 2
    assert figures["running, s, p95"] <= 10
    assert figures["orphans"] == 0
