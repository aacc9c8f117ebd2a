"""Losses on features by name, together with what some of them learn beside the student."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.losses.affinity import pairwise_affinity
from core.losses.attention import attention_transfer
from core.losses.channel_wise import channel_wise_kl
from core.losses.hints import Projection, feature_hint
from core.losses.masked_generation import Generator, keep_mask, masked_generation
from core.losses.masks import common_grid

FEATURE_LOSSES = ("feature_channel_wise", "affinity", "attention", "hint", "masked_generation")


class FeatureTerms(nn.Module):
    """The named losses between a student's and a teacher's features, of any strides and channels.

    Its parameters are the projections and the generator: they train with the student and are thrown away with the run.
    """

    def __init__(self, names: Sequence[str], *, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.names = tuple(names)
        learned = {"feature_channel_wise": Projection, "hint": Projection, "masked_generation": Generator}
        self.adapters = nn.ModuleDict(
            {
                name: learned[name](student_channels=student_channels, teacher_channels=teacher_channels)
                for name in self.names
                if name in learned
            }
        )

    def forward(
        self,
        *,
        student: Tensor,
        teacher: Tensor,
        valid: Tensor,
        temperature: float,
        seed: int,
        share: tuple[int, int] = (0, 1),
    ) -> dict[str, Tensor]:
        """Features (B, C, H, W) and (B, D, h, w), mask (B, Y, X) → the loss of each name, not yet weighted.

        `seed` draws what masked generation hides in the whole batch, of which these are share number `share[0]` of
        `share[1]` shares.
        """
        losses: dict[str, Tensor] = {}
        for name in self.names:
            if name == "affinity":
                losses[name] = pairwise_affinity(student=student, teacher=teacher, valid=valid)
            elif name == "attention":
                losses[name] = attention_transfer(student=student, teacher=teacher, valid=valid)
            elif name == "hint":
                losses[name] = feature_hint(student=self.adapters[name](student), teacher=teacher, valid=valid)
            elif name == "masked_generation":
                views, height, width = _positions(student)
                random = torch.Generator(student.device).manual_seed(seed)
                keep = keep_mask((views * share[1], height, width), random=random)[
                    share[0] * views : (share[0] + 1) * views
                ]
                generated = self.adapters[name](student, keep)
                losses[name] = masked_generation(student=generated, teacher=teacher, valid=valid)
            else:
                projected = self.adapters[name](student)
                ours, theirs, _ = common_grid(student=projected, teacher=teacher, valid=valid)
                losses[name] = channel_wise_kl(student=ours, teacher=theirs, temperature=temperature, valid=valid)
        return losses


def _positions(features: Tensor) -> tuple[int, int, int]:
    return features.shape[0], features.shape[2], features.shape[3]
