"""Channel-wise distillation: where in the picture each channel is strong (Shu et al., arXiv 2011.13256)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from core.losses.features import FeatureLoss
from core.losses.hints import Projection
from core.losses.masks import common_grid, shares, weighted_mean
from core.losses.sums import at_least_single


def channel_wise_kl(*, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None) -> Tensor:
    """KL(teacher ‖ student) over the positions of each channel at temperature T, times T².

    The softmax runs over the valid positions of one channel of one image; the divergence is summed over them and
    averaged over channels and images.

    Args:
        student: Logits or features (B, C, H, W); the gradient flows to them.
        teacher: The same shape (`hints.Projection` gives features of it); they get no gradient.
        temperature: T, above 0.
        valid: Boolean (B, Y, X) of any resolution: the pixels that count. None: all of them.

    Returns:
        A scalar () of at least 0 and at least float32. An image without a valid position counts in neither sum nor
        average.

    Reference:
        Shu et al., Channel-wise Knowledge Distillation for Dense Prediction, arXiv 2011.13256.
    """
    assert student.shape == teacher.shape, "bring the student's features to the teacher's channels and size first"
    weights = shares(valid, like=student).flatten(1)
    student_log = _log_distribution(student, weights, temperature)
    teacher_log = _log_distribution(teacher.detach(), weights, temperature)
    divergence = functional.kl_div(student_log, teacher_log, reduction="none", log_target=True).sum(dim=2)
    return weighted_mean(divergence.mean(dim=1), weights.amax(dim=1) > 0) * temperature**2


class FeatureChannelWise(FeatureLoss):
    """`channel_wise_kl` between features, the student's brought to the teacher's channels by a learned projection."""

    adapter: Projection

    def __init__(self, *, student_channels: int, teacher_channels: int) -> None:
        self.adapter = Projection(student_channels=student_channels, teacher_channels=teacher_channels)

    def __call__(self, *, student: Tensor, teacher: Tensor, valid: Tensor, temperature: float, **_: Any) -> Tensor:
        ours, theirs, _weights = common_grid(student=self.adapter(student), teacher=teacher, valid=valid)
        return channel_wise_kl(student=ours, teacher=theirs, temperature=temperature, valid=valid)


def _log_distribution(features: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """ln (w_i exp(x_i / T) / Σ_j w_j exp(x_j / T)) over positions. (B, C, H, W), weights (B, H·W) → (B, C, H·W).

    Positions without weight get a finite score that exp takes to zero: −∞ would lead to NaN through 0 · ∞.
    """
    scores = at_least_single(features).flatten(2) / temperature + weights.log()[:, None]
    lowest = torch.finfo(scores.dtype).min / 2
    return functional.log_softmax(scores.masked_fill(weights[:, None] == 0, lowest), dim=2)
