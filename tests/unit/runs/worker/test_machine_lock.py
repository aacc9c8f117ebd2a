"""One worker on a machine, however many want to be it at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import paths
from core.runs.worker import machine_lock

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the lock is a POSIX one")

TRY = """
import sys, time
from pathlib import Path
from core.runs.worker import machine_lock
lock = machine_lock.acquire(Path(sys.argv[1]))
print("mine" if lock is not None else "taken", flush=True)
sys.stdin.read()
"""


def _contender(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRY, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=paths.ROOT)


def test_of_many_processes_one_gets_it(tmp_path: Path) -> None:
    path = machine_lock.path_of(tmp_path)
    contenders = [_contender(path) for _ in range(6)]
    answers = [one.stdout.readline().strip() for one in contenders if one.stdout]
    assert sorted(answers) == ["mine", *["taken"] * 5]
    assert machine_lock.is_held(path)
    for one in contenders:
        one.communicate(timeout=60)
    assert not machine_lock.is_held(path)


def test_a_killed_holder_leaves_it_free(tmp_path: Path) -> None:
    path = machine_lock.path_of(tmp_path)
    one = _contender(path)
    assert one.stdout is not None
    assert one.stdout.readline() == "mine\n"
    assert machine_lock.acquire(path) is None
    one.kill()
    one.communicate()
    lock = machine_lock.acquire(path)
    assert lock is not None
    os.close(lock)


def test_it_can_be_handed_over(tmp_path: Path) -> None:
    """The giver lets go, and there is no moment in which nobody has it."""
    path = machine_lock.path_of(tmp_path)
    lock = machine_lock.acquire(path)
    assert lock is not None
    heir = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock])
    os.close(lock)
    assert machine_lock.is_held(path)
    heir.communicate(b"\n", timeout=60)
    assert not machine_lock.is_held(path)


def test_two_machines_have_a_lock_each(tmp_path: Path) -> None:
    assert machine_lock.path_of(tmp_path, "here") != machine_lock.path_of(tmp_path, "there")
