"""Masked generation: from features with holes, the student makes the teacher's whole (MGD, arXiv 2205.01529)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.losses.features import FeatureLoss
from core.losses.hints import Projection, feature_hint
from core.losses.sums import at_least_single


class Generator(nn.Module):
    """Student features with holes → what the teacher's might be; trained with the student, thrown away afterwards.

    A 1 × 1 projection where the channels differ, then the holes, then 3 × 3, ReLU, 3 × 3 in the teacher's channels.
    Under autocast it runs in its precision like any layer.
    """

    def __init__(self, *, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        same = student_channels == teacher_channels
        self.align = (
            nn.Identity() if same else Projection(student_channels=student_channels, teacher_channels=teacher_channels)
        )
        self.first = nn.Conv2d(teacher_channels, teacher_channels, 3, padding=1)
        self.second = nn.Conv2d(teacher_channels, teacher_channels, 3, padding=1)

    def forward(self, features: Tensor, keep: Tensor) -> Tensor:
        """What the teacher's features might be.

        Args:
            features: The student's, (B, student_channels, H, W).
            keep: Boolean (B, H, W): the positions that are not hidden.

        Returns:
            (B, teacher_channels, H, W).
        """
        kept = self.align(at_least_single(features)) * keep[:, None]
        generated: Tensor = self.second(functional.relu(self.first(kept)))
        return generated


def keep_mask(shape: tuple[int, int, int], *, random: torch.Generator, hidden: float = 0.75) -> Tensor:
    """Which positions are kept: each of each image is hidden with probability `hidden`, all its channels together.

    Args:
        shape: (B, H, W).
        random: Draws; its device is that of the result.
        hidden: From 0 to 1. The authors' code hides 0.75 in semantic segmentation.

    Returns:
        Boolean (B, H, W).
    """
    return torch.rand(shape, generator=random, device=random.device) >= hidden


def masked_generation(*, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean squared difference of the generated and the teacher's features over channels and valid positions.

    The paper sums over C, H and W (its weight is 2e-5), which grows with the picture: C·H·W times this.

    Args:
        student: What `Generator` made, (B, C, H, W); the gradient flows to it.
        teacher: Features (B, C, h, w) of any stride; they get no gradient.
        valid: Boolean (B, Y, X) of any resolution: the pixels that count. None: all of them.

    Returns:
        A scalar () of at least 0 and at least float32; 0 where no pixel is valid.

    Reference:
        Yang et al., Masked Generative Distillation, arXiv 2205.01529.
    """
    return feature_hint(student=student, teacher=teacher, valid=valid)


class MaskedGeneration(FeatureLoss):
    """`masked_generation` from the student's features, of which three quarters are hidden anew at every step."""

    adapter: Generator

    def __init__(self, *, student_channels: int, teacher_channels: int) -> None:
        self.adapter = Generator(student_channels=student_channels, teacher_channels=teacher_channels)

    def __call__(
        self, *, student: Tensor, teacher: Tensor, valid: Tensor, seed: int, share: tuple[int, int], **_: Any
    ) -> Tensor:
        """What is hidden is drawn for the whole batch, so that it does not depend on how devices share it."""
        number, of = share
        views, _channels, height, width = student.shape
        random = torch.Generator(student.device).manual_seed(seed)
        keep = keep_mask((views * of, height, width), random=random)[number * views : (number + 1) * views]
        return masked_generation(student=self.adapter(student, keep), teacher=teacher, valid=valid)
