"""How long a run lasts and how fast it learns: epochs for a budget of seconds, optimiser, learning rate.

The rate is a pure function of the step, so there is no scheduler to resume.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from core.config import TrainConfig

CLIMB = {"one-cycle": 0.25, "cosine": 0.02}
"""The share of a run in which the learning rate climbs to its peak."""
_WARM_STEPS = 3


def clock_of(config: TrainConfig) -> Callable[[], float]:
    """What tells the seconds of a run: those that pass, or those that all threads of this process worked."""
    return time.process_time if config.clock == "processor" else time.perf_counter


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


@dataclass
class Budget:
    """The speed of a run's first epoch. `budget` in seconds of training (None: no budget), `steps` of an epoch."""

    budget: float | None
    steps: int
    warm_steps: int = 0
    warm_seconds: float = 0.0

    def epochs(self, *, elapsed: float, taken: int, step: int) -> int | None:
        """As many whole epochs as the budget pays for, as far as is known; None where nothing new is.

        Each step of the first epoch tells better than the one before; its last settles it. So the learning rate, which
        depends on the length, climbs as it should from the start. `elapsed` seconds for `taken` steps are those since
        the start or the resume. The first of them, which are slow, do not count where there are others. `step` counts
        from the start of the epoch.
        """
        if self.budget is None:
            return None
        found = None
        if taken > _WARM_STEPS or step == self.steps:
            per_step = (elapsed - self.warm_seconds) / (taken - self.warm_steps)
            found = round(self.budget / (per_step * self.steps))
        if taken <= _WARM_STEPS:
            self.warm_steps, self.warm_seconds = taken, elapsed
        return found
