"""The worker that the app starts: one, whoever asks and however often."""

import os
import signal
import subprocess
import sys
import time

import pytest

from app.services import launch, workers
from app.services.stores import open_store
from core import paths
from core.runs.store.records import RunState
from tests.ui.conftest import ask


def test_one_worker_is_started_and_a_second_call_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The started process is one that does nothing but hold the lock that it was given."""
    commands: list[list[str]] = []
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], _: object, *, hand_over: list[int]) -> subprocess.Popen[bytes]:
        commands.append(command[:-1])
        sleep = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
        started.append(subprocess.Popen(sleep, pass_fds=hand_over))
        return started[-1]

    monkeypatch.setattr(workers, "start", start)
    assert workers.worker_state().state == "absent"
    assert workers.ensure_worker()
    assert not workers.ensure_worker()
    assert workers.worker_state().state == "starting"
    started[0].kill()
    started[0].wait()
    assert workers.worker_state().state == "absent"
    assert workers.ensure_worker()
    assert commands == [[sys.executable, "-m", "core", "worker", "--lock"]] * 2
    open_store().register_worker("w", started[1].pid, "cpu")
    assert not workers.ensure_worker()
    assert workers.worker_state().state == "idle"
    started[1].kill()
    started[1].wait()


@pytest.mark.slow
def test_many_servers_that_want_a_worker_at_once_start_one() -> None:
    """Six servers, each a process of its own, each asked six times."""
    ask = (
        "from concurrent.futures import ThreadPoolExecutor as Pool\nfrom app.services import workers\n"
        "with Pool(6) as pool: print(sum(pool.map(lambda _: workers.ensure_worker(), range(6))))"
    )
    open_store()
    servers = [
        subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True, cwd=paths.ROOT)
        for _ in range(6)
    ]
    answers = [int(server.communicate(timeout=60)[0]) for server in servers]
    assert sum(answers) == 1
    deadline = time.monotonic() + 30
    while not (alive := open_store().workers()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (worker,) = alive
    os.kill(worker.pid, signal.SIGTERM)
    while open_store().workers():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_queue_left_over_wakes_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(workers, "ensure_worker", lambda: woken.append(True) or True)
    assert not workers.resume_queue()
    run = open_store().add(launch.to_config(ask()))
    assert workers.resume_queue()
    open_store().request_cancel(run.id)
    assert open_store().get(run.id).state == RunState.CANCELLED
    assert not workers.resume_queue()
    assert woken == [True]
