"""Every distillation loss with a pair of small tensors to try it on: the laws are in `test_every_loss.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from core.losses.affinity import pairwise_affinity
from core.losses.attention import attention_transfer
from core.losses.catalogue import LOSSES, names
from core.losses.channel_wise import channel_wise_kl
from core.losses.hints import feature_hint
from core.losses.masked_generation import masked_generation
from tests.unit.losses.tensors import enlarged, normal

SIDE = 4


@dataclass(frozen=True)
class Case:
    """A loss, the channels of student and teacher, and how much finer than the student teacher and mask are."""

    loss: Callable[..., Tensor]
    channels: tuple[int, int] = (4, 4)
    teacher_factor: int = 1
    mask_factor: int = 1

    def pair(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        student = normal(0, 2, self.channels[0], SIDE, SIDE, scale=2, dtype=dtype)
        side = SIDE * self.teacher_factor
        return student, normal(1, 2, self.channels[1], side, side, scale=2, dtype=dtype)

    def mask(self, coarse: Tensor) -> Tensor:
        return enlarged(coarse, self.mask_factor)

    def value(self, student: Tensor, teacher: Tensor, coarse: Tensor | None = None) -> Tensor:
        return self.loss(student=student, teacher=teacher, valid=None if coarse is None else self.mask(coarse))

    def gradient(self, student: Tensor, teacher: Tensor, coarse: Tensor | None = None) -> Tensor:
        student = student.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.value(student, teacher, coarse), student)
        return gradient


# The pictures of these tests are small: without this, every pixel would lie near an edge.
_MORE: dict[str, dict[str, int]] = {"boundary": {"pixels": 1}}
LOGITS = {name: Case(partial(LOSSES[name].load(), temperature=3.0, **_MORE.get(name, {}))) for name in names("logits")}
FEATURES = {
    "channel_wise features": Case(partial(channel_wise_kl, temperature=3.0), (3, 3), 1, 4),
    "affinity": Case(pairwise_affinity, (3, 5), 2, 4),
    "coarse affinity": Case(partial(pairwise_affinity, grid=2), (3, 5), 2, 4),
    "attention": Case(attention_transfer, (3, 5), 2, 4),
    "hint": Case(feature_hint, (3, 3), 2, 4),
    "masked_generation": Case(masked_generation, (3, 3), 1, 4),
}
CASES = {**LOGITS, **FEATURES}
