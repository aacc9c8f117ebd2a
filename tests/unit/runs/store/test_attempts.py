"""Whoever worked on an earlier attempt writes nothing more, wherever it was stopped and whenever it wakes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.config import RunConfig
from core.errors import FencedError
from core.events import EpochEvent, MessageEvent, PreviewEvent
from core.files import discard, staged, write_aside
from core.runs.recorder import Recorder
from core.runs.store.run_files import append_line, atomic_write
from core.runs.store.run_store import RunStore, attempts
from core.train.checkpointing import TrainState, save_state
from core.train.schedule import build_optimiser
from tests.unit.runs.conftest import claimed, miss_heartbeats


def _contents(folder: Path) -> dict[str, bytes]:
    """All files of a run that anybody reads."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def folder(store: RunStore, config: RunConfig) -> Path:
    """The folder of a run that is in its first attempt."""
    return store.folder(claimed(store, config).id)


Late = Callable[[Recorder], object]


def _checkpoint(recorder: Recorder) -> None:
    model = nn.Linear(1, 1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    parts = {"modules": {"model": model}, "optimiser": build_optimiser(model, recorder.config.train), "scaler": scaler}
    save_state(recorder.folder / "last.ckpt", progress=TrainState(), best={}, **parts)


BLACK = np.zeros((2, 2), np.uint8)
LATE: dict[str, Late] = {
    "a checkpoint": _checkpoint,
    "a file": lambda recorder: atomic_write(recorder.folder / "student.json", b"late"),
    "scores": lambda recorder: recorder(EpochEvent(1, 4, {}, 1.0, miou5=0.5)),
    "a preview": lambda recorder: recorder(PreviewEvent(1, np.zeros((2, 2, 3), np.uint8), BLACK, BLACK)),
    "a removal": lambda recorder: discard(recorder.folder / "config.json"),
    "a new beginning": lambda recorder: Recorder(recorder.folder, recorder.config),
    "a line in a log that it opens": lambda recorder: append_line(recorder.folder / "log.txt", "late"),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_a_late_process_changes_nothing(folder: Path, config: RunConfig, late: Late) -> None:
    with staged(folder, attempts.stage(folder, 1)):
        recorder = Recorder(folder, config)
        attempts.take(folder, 2)
        before = _contents(folder)
        with pytest.raises(FencedError):
            late(recorder)
    assert _contents(folder) == before


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_the_same_process_changes_something_in_time(folder: Path, config: RunConfig, late: Late) -> None:
    """Without this the test above could not fail."""
    with staged(folder, attempts.stage(folder, 1)):
        recorder = Recorder(folder, config)
        before = _contents(folder)
        late(recorder)
    assert _contents(folder) != before


def test_lines_of_a_late_process_reach_nobody(folder: Path, config: RunConfig) -> None:
    with staged(folder, attempts.stage(folder, 1)):
        recorder = Recorder(folder, config)
        recorder(MessageEvent("in time"))
        attempts.take(folder, 2)
        before = _contents(folder)
        recorder(MessageEvent("too late"))
    assert _contents(folder) == before
    assert b"in time" in before["log.txt"]


def test_a_process_stopped_within_a_write_finishes_nothing(folder: Path) -> None:
    """Stopped between its check and its rename: the rename itself finds nothing."""
    (folder / "student.json").write_text("old")

    def write(aside: Path) -> None:
        aside.write_text("late")
        attempts.take(folder, 2)

    with staged(folder, attempts.stage(folder, 1)), pytest.raises(FencedError):
        write_aside(folder / "student.json", write)
    assert (folder / "student.json").read_text() == "old"


def test_a_claim_that_comes_late_takes_nothing(folder: Path) -> None:
    newer = attempts.take(folder, 3)
    with pytest.raises(FencedError, match="attempt 3 has begun"):
        attempts.take(folder, 2)
    assert newer.is_dir()
    assert not attempts.stage(folder, 2).exists()


def test_a_run_that_is_taken_back_is_closed_before_anybody_claims_it(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    folder = store.folder(run.id)
    miss_heartbeats(store, run.id)
    with staged(folder, attempts.stage(folder, run.attempt)), pytest.raises(FencedError):
        atomic_write(folder / "student.json", b"late")


def test_half_a_line_of_a_killed_process_is_left_out(folder: Path) -> None:
    (folder / "events.jsonl").write_bytes(b'{"type": "start"}\n{"type": "st')
    (folder / "log.txt").write_bytes(b"whole\nhalf")
    attempts.take(folder, 2)
    assert [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()] == [{"type": "start"}]
    assert (folder / "log.txt").read_text() == "whole\nhalf\n"


def test_a_deleted_run_is_not_made_again(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    folder = store.folder(run.id)
    store.fail(run.id, "w", "It broke.", attempt=1)
    store.delete(run.id)
    with staged(folder, attempts.stage(folder, 1)), pytest.raises(FencedError):
        atomic_write(folder / "preview" / "image.png", b"late")
    assert not folder.exists()


@pytest.mark.parametrize("report", ["reduce_batch", "abandon", "reclaim"])
def test_reporting_the_end_of_a_process_takes_its_right_to_write(
    store: RunStore, config: RunConfig, report: str
) -> None:
    """A process that only seemed dead must write nothing even before another attempt begins."""
    run = claimed(store, config)
    folder = store.folder(run.id)
    if report == "reduce_batch":
        store.reduce_batch(run.id, "w", attempt=run.attempt)
    elif report == "abandon":
        store.abandon(run.id, "w", "It died.", attempt=run.attempt)
    else:
        store.reclaim(store.get(run.id), "It sent no heartbeat.")
    with staged(folder, attempts.stage(folder, run.attempt)), pytest.raises(FencedError):
        atomic_write(folder / "student.json", b"late")
