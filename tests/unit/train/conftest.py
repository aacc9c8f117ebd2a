"""A training task that takes seconds: two tiny scenes, the smallest unet, a few steps an epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from core.data.datasets.dubai import AERIAL
from core.data.scene import Scene
from core.data.transforms import ViewSampler
from core.models import build_model
from core.normalise import Normaliser
from core.train.loop import Task
from tests.unit.event_collector import EventCollector

CPU = torch.device("cpu")


def tiny_scene(seed: int, side: int = 64) -> Scene:
    """Four quarters of different classes, each in a colour of its own under noise, with an unlabelled stripe."""
    random = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    half = side // 2
    quarters = ((slice(None, half), slice(None, half)), (slice(None, half), slice(half, None)))
    quarters += ((slice(half, None), slice(None, half)), (slice(half, None), slice(half, None)))
    for window, label in zip(quarters, random.permutation(5)[:4], strict=True):
        mask[window] = label
    colours = np.array(AERIAL.colours, np.int64)[mask] + random.integers(-20, 21, (side, side, 3))
    mask[half - 2 : half] = AERIAL.ignore_index
    return Scene(f"scene {seed}", colours.clip(0, 255).astype(np.uint8), mask)


def tiny_sampler(seed: int = 0, crop: int = 32) -> ViewSampler:
    return ViewSampler(
        scenes=[tiny_scene(1), tiny_scene(2)],
        crop=crop,
        scale=(0.8, 1.25),
        colour=0.2,
        ignore_index=AERIAL.ignore_index,
        seed=seed,
    )


def tiny_task(**changes: Any) -> Task:
    """`changes` go to the settings of training; `views`, `distill`, `teacher_outputs` and the like to the task."""
    own = {key: changes.pop(key) for key in ("views", "view_epochs", "teacher_outputs", "validation") if key in changes}
    distill = changes.pop("distill", None)
    train = TrainConfig(**({"epochs": 3, "batch_size": 4, "learning_rate": 2e-2, "precision": "float32"} | changes))
    config = RunConfig(
        kind="distill" if distill else "train",
        data=DataConfig(crop=32),
        model=ModelConfig("unet", {"base": 2}),
        train=train,
        distill=distill,
    ).validate()
    torch.manual_seed(train.seed)
    model = build_model(config.model, outputs=AERIAL.outputs).to(memory_format=torch.channels_last)
    return Task(
        **(
            {
                "config": config,
                "model": model,
                "sampler": tiny_sampler(train.seed),
                "validation": [tiny_scene(3)],
                "class_map": AERIAL,
                "normaliser": Normaliser.of((127.0,) * 3, (128.0,) * 3, CPU),
                "dtype": torch.float32,
                "views": 16,
                "compile": train.compile,
            }
            | own
        )
    )


@pytest.fixture
def make_task() -> Callable[..., Task]:
    return tiny_task


@pytest.fixture
def collector() -> EventCollector:
    return EventCollector()


@pytest.fixture
def make_collector() -> Callable[..., EventCollector]:
    return EventCollector


@pytest.fixture
def sampler() -> ViewSampler:
    return tiny_sampler()


@pytest.fixture
def scene() -> Scene:
    return tiny_scene(3)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """Two threads may add in another order; these tests compare bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        return folder

    return make
