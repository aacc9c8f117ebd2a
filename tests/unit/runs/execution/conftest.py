"""Four tiny pictures in a folder, a run on their labels, a teacher, and a distillation from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig
from core.runs import execution
from core.train.loop import Outcome, Task
from tests.unit.runs.execution.kit import TRAIN, save_model, write_pair


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """Two threads may add in another order; some of these tests compare bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    """Four pictures of 48 x 48: a class on either side, another pair in each."""
    for number in range(4):
        mask = np.full((48, 48), number, np.uint8)
        mask[:, 24:] = (number + 1) % 5
        write_pair(tmp_path / "pictures", f"scene_{number}", mask)
    return DataConfig(dataset="folder", root=str(tmp_path / "pictures"), crop=32, views_per_epoch=8)


@pytest.fixture
def labels(data: DataConfig) -> RunConfig:
    return RunConfig(kind="train", name="labels", data=data, model=ModelConfig("unet", {"base": 2}), train=TRAIN)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A home with one finished run, `taught`, whose model can teach. Its normalisation is not the usual one."""
    save_model(tmp_path / "runs" / "taught" / "student", base=4)
    return tmp_path / "runs"


@pytest.fixture
def distilled(labels: RunConfig) -> RunConfig:
    return replace(labels, kind="distill", name="distilled", distill=DistillConfig(teacher="taught", temperature=2.0))


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks that were ready to train; the training itself is left out."""
    tasks: list[Task] = []

    def fit(task: Task, **_: object) -> Outcome:
        tasks.append(task)
        return Outcome(task.model.state_dict(), {}, 0.5, 1, 1, 60.0, False)

    monkeypatch.setattr(execution, "fit", fit)
    return tasks
