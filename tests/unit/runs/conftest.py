"""A store in a folder of its own, with a clock that the test moves."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from core.config import RunConfig
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
