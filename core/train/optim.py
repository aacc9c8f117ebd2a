"""The optimiser and the learning rate. The rate is a pure function of the step, so there is no scheduler to resume."""

import math

import torch
from torch import nn

from core.config import TrainConfig

CLIMB = {"one-cycle": 0.25, "cosine": 0.02}
"""The share of a run in which the learning rate climbs to its peak."""


def build_optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); weight decay on convolution and linear weights only, not on biases and norms."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, foreach=True)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The rate at `step` of `steps`.

    One-cycle (arXiv 1708.07120) climbs from 1/25 of the peak over the first quarter, then falls by a cosine to
    1/1000 of it.
    Cosine (arXiv 1608.03983) climbs over the first 2 %.
    """
    climb = CLIMB[config.schedule]
    progress = step / max(1, steps - 1)
    if progress < climb:
        return config.learning_rate * _between(0.04, 1.0, progress / climb)
    return config.learning_rate * _between(1.0, 1e-3, (progress - climb) / (1 - climb))


def _between(start: float, end: float, fraction: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(fraction, 1.0))) / 2
