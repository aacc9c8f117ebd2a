"""What the tests of jobs share: tiny pictures on disk, a teacher, a run from its settings."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import checkpoint
from core.classes import ClassMap
from core.config import ModelConfig, RunConfig, TrainConfig
from core.data.datasets.dubai import AERIAL
from core.data.palette import to_rgb
from core.image import encode_png
from core.models import build_model, count_macs, count_parameters
from core.runs import execution
from tests.unit.event_collector import EventCollector

TRAIN = TrainConfig(epochs=2, batch_size=4, learning_rate=1e-2, precision="float32", device="cpu")


def write_pair(root: Path, name: str, mask: NDArray[np.uint8]) -> None:
    colours = to_rgb(mask, AERIAL).astype(np.int64)
    noise = np.random.default_rng(len(name)).integers(-20, 21, colours.shape)
    for folder, picture in (("images", (colours + noise).clip(0, 255).astype(np.uint8)), ("masks", colours)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{name}.png").write_bytes(encode_png(picture.astype(np.uint8)))


def save_model(stem: Path, *, base: int, classes: ClassMap = AERIAL, seed: int = 5) -> None:
    torch.manual_seed(seed)
    config = ModelConfig("unet", {"base": base})
    model = build_model(config, outputs=classes.outputs)
    model(torch.randn(4, 3, 32, 32))
    card = checkpoint.ModelCard(
        name="a teacher",
        model=config,
        classes=classes,
        mean=(90.0, 100.0, 110.0),
        std=(50.0, 60.0, 70.0),
        parameters=count_parameters(model),
        macs_256=count_macs(model),
        training={"seconds": 123.5},
    )
    checkpoint.save(stem, model, card)


def run(config: RunConfig, runs: Path, name: str, collector: EventCollector | None = None) -> dict[str, Any]:
    collector = collector or EventCollector()
    (runs / name).mkdir(parents=True, exist_ok=True)
    return execution.execute(config, runs / name, emit=collector.emit, cancelled=collector.cancelled, runs=runs)


def weights(runs: Path, name: str) -> Tensor:
    model = checkpoint.load(runs / name / "student").model
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])
