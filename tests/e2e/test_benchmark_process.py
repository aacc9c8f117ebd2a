"""A benchmark as the page starts it: a run of its own kind that can be followed, stopped, and read back."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.services import benchmarks
from app.services.stores import open_store
from core import paths
from core.errors import CheckpointError, RunStateError
from tests.ui.conftest import ANYBODY

pytestmark = [pytest.mark.slow]

PATIENCE_SECONDS = 240.0


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, benchmarks.job()
        time.sleep(0.2)


def start(**changes: object) -> str:
    settings: dict[str, object] = {"models": ["student-2"], "teacher": "student-2", "runtimes": ["pytorch"]}
    settings |= {"sizes": [256], "batches": [1], "threads": [1], "labelled": "none", "care": "Quick"}
    return benchmarks.start(ANYBODY, **{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _worker_ends() -> Iterator[None]:
    """With the test: it was started by the service."""
    yield
    for worker in open_store().workers():
        os.kill(worker.pid, signal.SIGTERM)
    wait_until(lambda: not open_store().workers())


@pytest.fixture
def shipped() -> Path:
    model = paths.CHECKPOINTS / "student-2.json"
    if not model.is_file():
        pytest.skip("the shipped checkpoints are not here")
    return model


@pytest.mark.usefixtures("shipped")
def test_it_runs_beside_the_page_and_its_result_is_read_back() -> None:
    made = start()
    job = benchmarks.job()
    assert job is not None
    assert job.id == made
    with pytest.raises(RunStateError, match="Another benchmark is running"):
        start()
    wait_until(lambda: benchmarks.job() is None)
    (result,) = benchmarks.found()
    assert result.id == made
    assert result.rows[0].p50_ms is not None
    benchmarks.delete(made, ANYBODY)
    assert benchmarks.found() == []


@pytest.mark.usefixtures("shipped")
def test_it_stops_when_asked_and_says_so() -> None:
    made = start(sizes=[256, 512, 1024], care="Careful")
    wait_until(lambda: bool((job := benchmarks.job()) and job.progress.doing))
    benchmarks.cancel(made, ANYBODY)
    wait_until(lambda: not ((job := benchmarks.job()) and job.running))
    job = benchmarks.job()
    assert job is not None
    assert "was stopped" in (job.problem or "")
    benchmarks.dismiss(ANYBODY)
    assert benchmarks.job() is None


def test_a_model_that_is_not_in_the_list_is_refused_before_a_process_starts() -> None:
    with pytest.raises(CheckpointError, match="There is no model 'nobody'"):
        start(models=["nobody"], teacher="nobody")
    assert benchmarks.job() is None


def test_a_failure_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a model goes away between the choice and the start."""
    monkeypatch.setattr(benchmarks, "require_known", lambda *_, **__: None)
    start(models=["nobody"], teacher="nobody")
    wait_until(lambda: not ((job := benchmarks.job()) and job.running))
    job = benchmarks.job()
    assert job is not None
    assert "There is no model nobody" in (job.problem or "")
