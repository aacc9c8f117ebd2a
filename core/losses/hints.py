"""Hints: the student's features, projected, should be the teacher's (FitNets, Romero et al., arXiv 1412.6550)."""

from typing import Any

from torch import Tensor, nn

from core.losses.features import FeatureLoss
from core.losses.masks import common_grid, weighted_mean
from core.losses.sums import at_least_single


class Projection(nn.Module):
    """The learned 1 × 1 convolution that gives a student's features the teacher's channels; thrown away afterwards.

    (B, student_channels, H, W) → (B, teacher_channels, H, W), under autocast in its precision like any layer.
    """

    def __init__(self, *, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(student_channels, teacher_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """The student's features in the teacher's channels.

        Args:
            features: (B, student_channels, H, W).

        Returns:
            (B, teacher_channels, H, W).
        """
        projected: Tensor = self.convolution(at_least_single(features))
        return projected


def feature_hint(*, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean squared difference over channels and valid positions.

    Where sizes differ, the larger map is averaged down to the smaller, whosever it is. A position weighs its share of
    valid pixels. The paper's sum of squares with its ½ is C·H·W / 2 times this.

    Args:
        student: Features (B, C, H, W), in the teacher's channels (`Projection`); the gradient flows to them.
        teacher: Features (B, C, h, w) of any stride; they get no gradient.
        valid: Boolean (B, Y, X) of any resolution: the pixels that count. None: all of them.

    Returns:
        A scalar () of at least 0 and at least float32; 0 where no pixel is valid.

    Reference:
        Romero et al., FitNets: Hints for Thin Deep Nets, arXiv 1412.6550.
    """
    assert student.shape[1] == teacher.shape[1], "project the student's features to the teacher's channels first"
    student, teacher, weights = common_grid(student=student, teacher=teacher, valid=valid)
    return weighted_mean((student - teacher).square().mean(dim=1), weights)


class Hint(FeatureLoss):
    """`feature_hint` between features, the student's brought to the teacher's channels by a learned projection."""

    adapter: Projection

    def __init__(self, *, student_channels: int, teacher_channels: int) -> None:
        self.adapter = Projection(student_channels=student_channels, teacher_channels=teacher_channels)

    def __call__(self, *, student: Tensor, teacher: Tensor, valid: Tensor, **_: Any) -> Tensor:
        return feature_hint(student=self.adapter(student), teacher=teacher, valid=valid)
