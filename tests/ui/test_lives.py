"""Who lives when memory runs out, and what goes on when the server or the worker ends: real processes."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from app.services import launch, mapping, workers
from app.services.stores import open_store
from app.services.workspaces import Own, open_workspace
from core import paths
from core.errors import ImageError
from core.imagery.confined_picture import ConfinedPicture
from core.out_of_memory import DECODING, PREDICTING, TRAINING
from tests.ui.segmentations import finish, real_worker

pytestmark = pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux alone tells")
SCENE = paths.SAMPLES / "images"


def _score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_decoding_process_is_killed_first_and_that_is_one_sentence() -> None:
    scene = next(iter(sorted(SCENE.iterdir())))
    before = set(_children(os.getpid()))
    with ConfinedPicture(scene) as picture:
        (child,) = set(_children(os.getpid())) - before
        assert _score(child) == DECODING > _score(os.getpid())
        os.kill(child, signal.SIGKILL)
        with pytest.raises(ImageError, match=r"needs more than .* MB"):
            picture.read(0, 0, 8, 8)


@pytest.mark.slow
def test_the_predicting_process_is_killed_first_and_the_visitor_reads_why() -> None:
    scene = next(iter(sorted(SCENE.iterdir())))
    workspace = open_workspace()
    workspace.folder.mkdir(parents=True)
    job = mapping.SegmentationJob(workspace, [Own("a.png", scene, 1)], mapping.Choice("student"))
    with real_worker() as worker:
        deadline = time.monotonic() + 120
        while PREDICTING not in map(_score, _children(worker)) and time.monotonic() < deadline:
            time.sleep(0.02)
        (process,) = _children(worker)
        assert _score(process) == PREDICTING > _score(worker) == _score(os.getpid())
        os.kill(process, signal.SIGKILL)
        found = finish(job)
    assert found.state == "failed"
    assert "Memory ran out" in (found.error or "")
    workspace.close()


def test_training_is_killed_after_decoding_and_before_the_worker() -> None:
    assert DECODING > PREDICTING > TRAINING > 0


def test_a_worker_that_died_is_started_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, started = [0.0], []
    monkeypatch.setattr(workers, "ensure_worker", lambda: started.append(clock[0]) or True)
    keeper = workers.WorkerKeeper(most=3, window=600.0, now=lambda: clock[0])
    assert not keeper.check()
    open_store().add(launch.to_config(launch.Request()))
    for _ in range(10):
        keeper.check()
        clock[0] += 5.0
    assert started == [0.0, 5.0, 10.0]
    clock[0] = 601.0
    assert keeper.check()


@pytest.mark.slow
def test_the_keeper_replaces_a_killed_worker() -> None:
    """A real worker is killed; the next looks start another one, which takes the queue."""
    run = open_store().add(launch.to_config(launch.Request()))
    keeper = workers.WorkerKeeper()
    deadline = time.monotonic() + 120
    seen: list[int] = []
    while len(seen) < 2:
        assert time.monotonic() < deadline
        keeper.check()
        for worker in open_store().workers():
            if worker.pid not in seen:
                seen.append(worker.pid)
                if len(seen) == 1:
                    os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.2)
    os.kill(seen[1], signal.SIGTERM)
    while open_store().workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    # The run outlives its killed worker on purpose, and would train on beside other tests.
    for process in psutil.process_iter(["cmdline"]):
        if run.id in (process.info["cmdline"] or ()):
            process.kill()
