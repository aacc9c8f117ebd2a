"""A tiny model on disk, and a folder for what is exported from it."""

from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.cards import ModelCard
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.models import build_model, count_macs, count_parameters
from tests.unit.networks import balance, noise


@pytest.fixture(scope="module")
def stem(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = ModelConfig("unet", {"base": 2})
    model = build_model(config, outputs=AERIAL.outputs)
    balance(model, model.head, noise())  # type: ignore[arg-type]
    sizes = {"parameters": count_parameters(model), "macs_256": count_macs(model)}
    card = ModelCard("tiny", config, AERIAL, mean=(127.0,) * 3, std=(128.0,) * 3, **sizes)
    path = tmp_path_factory.mktemp("models") / "tiny"
    checkpoint.save(path, model, card)
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")
