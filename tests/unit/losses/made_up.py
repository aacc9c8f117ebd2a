"""Two losses that do not exist, as somebody would write and register them: one on logits, one on features."""

from typing import Any

import torch
from torch import Tensor, nn

from core.losses.catalogue import Loss
from core.losses.features import FeatureLoss

ON_LOGITS = Loss(
    name="made_up_logits",
    kind="logits",
    title="Made up on logits",
    summary="The mean squared difference of the logits.",
    paper="Nobody 2030",
    arxiv="3001.00001",
    weight=7.0,
    colour="#123456",
    temperature="Divides the difference, says nobody.",
    factory=f"{__name__}:squared_difference",
)
ON_FEATURES = Loss(
    name="made_up_features",
    kind="features",
    title="Made up on features",
    summary="The mean of the features, scaled by a learned number.",
    paper="Nobody 2031",
    arxiv="3101.00001",
    weight=9.0,
    colour="#654321",
    temperature="Not used, says nobody.",
    factory=f"{__name__}:ScaledMean",
)


def squared_difference(*, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None) -> Tensor:
    gap = (student - teacher.detach()).square().mean(dim=1) / temperature
    return (gap if valid is None else gap * valid).mean()


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))


class ScaledMean(FeatureLoss):
    adapter: Scale

    def __init__(self, **_: Any) -> None:
        self.adapter = Scale()

    def __call__(self, *, student: Tensor, teacher: Tensor, **_: Any) -> Tensor:
        return (self.adapter.factor * student.mean() - teacher.mean()).square()
