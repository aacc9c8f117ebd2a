"""A store in a folder of its own, with a clock that the test moves."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from core.config import RunConfig
from core.runs.records import LAST_CHECKPOINT, RunRecord
from core.runs.store import RunStore


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> RunStore:
    return RunStore(home=tmp_path / "home", now=clock)


@pytest.fixture
def config() -> RunConfig:
    return RunConfig(kind="train", name="a run")


def claimed(store: RunStore, config: RunConfig) -> RunRecord:
    """A run that worker `w` holds."""
    store.add(config)
    record = store.claim("w", ["cpu"])
    assert record is not None
    return record


def make_checkpoint(store: RunStore, run_id: str) -> None:
    """Leave what a run can go on from."""
    (store.folder(run_id) / LAST_CHECKPOINT).mkdir()
