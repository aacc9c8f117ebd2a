"""The settings of a run: frozen, checked once where they enter, to and from JSON. Pure Python."""

from core.config.data import DataConfig
from core.config.distill import DistillConfig
from core.config.run import FAMILIES, Kind, ModelConfig, RunConfig
from core.config.train import TrainConfig

__all__ = [
    "FAMILIES",
    "DataConfig",
    "DistillConfig",
    "Kind",
    "ModelConfig",
    "RunConfig",
    "TrainConfig",
]
