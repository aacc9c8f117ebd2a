"""The message for a cluster that is not there, and how a remote process ends."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core import paths
from core.out_of_memory import OUT_OF_MEMORY_EXIT, ExitWatch
from core.runs.cluster import ray_cluster


def test_a_missing_cluster_is_reported_at_once_in_a_sentence() -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "core", "worker", "--engine", "ray", "--address", "127.0.0.1:1"]
    answer = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=110, check=False)
    said = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert "No Ray cluster answers at 127.0.0.1:1: start one with ray start --head, or give its address." in said
    assert "Traceback" not in said


class _RayError(Exception):
    """What Ray raises."""


class _Ray:
    """As much of Ray as a run's process asks of it; what an actor did is raised or given back by `get`."""

    exceptions = SimpleNamespace(RayError=_RayError)

    def __init__(self, ended: int | Exception) -> None:
        self.ended = ended

    def wait(self, answers: list[Any], *, timeout: float) -> tuple[list[Any], list[Any]]:
        assert timeout == 0
        return answers, []

    def get(self, answer: str) -> Any:
        if answer == "run" and isinstance(self.ended, Exception):
            raise self.ended
        return self.ended

    def kill(self, _actor: Any, *, no_restart: bool) -> None:
        assert no_restart


def _process(ended: int | Exception) -> ray_cluster.RemoteProcess:
    def remote(name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda *_: name)

    actor = SimpleNamespace(is_placed=remote("there"), run=remote("run"), end=remote("end"))
    return ray_cluster.RemoteProcess(_Ray(ended), actor, ["-c", "pass"], Path("log.txt"), "node-1")


@pytest.mark.parametrize(
    ("ended", "lost", "short"),
    [
        (_RayError("Task was killed due to the node running low on memory."), False, True),
        (_RayError("OutOfMemoryError: the actor died."), False, True),
        (_RayError("The actor died because its node has died."), True, False),
        (OUT_OF_MEMORY_EXIT, False, True),
        (-signal.SIGKILL, False, False),
        (0, False, False),
    ],
)
def test_rays_reports_of_missing_memory_are_recognised(ended: int | Exception, lost: bool, short: bool) -> None:
    process = _process(ended)
    code = process.poll()
    assert code is not None
    assert process.lost == lost
    assert ExitWatch(lambda: 0).ended_out_of_memory(code) == short


@pytest.mark.parametrize(("kills", "code"), [((3, 4), OUT_OF_MEMORY_EXIT), ((3, 3), -signal.SIGKILL)])
def test_the_machine_of_a_run_reports_what_its_kernel_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kills: tuple[int, int], code: int
) -> None:
    counted = iter(kills)
    monkeypatch.setattr(ray_cluster, "ExitWatch", lambda: ExitWatch(lambda: next(counted)))
    dies = ["-S", "-c", "import os; os.kill(os.getpid(), 9)"]
    assert ray_cluster.ProcessActor().run(dies, str(tmp_path / "log.txt"), {}) == code
