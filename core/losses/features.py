"""What a loss on logits and a loss on features must offer, and the losses on features that a run has chosen."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from core.losses.catalogue import LOSSES


class LogitLoss(Protocol):
    """A function of both models' logits, for losses of kind `logits`."""

    def __call__(self, *, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            student: Logits (B, C, H, W); the gradient flows to them.
            teacher: Logits (B, C, H, W); they get no gradient.
            temperature: Above 0.
            valid: Boolean (B, H, W): the pixels that count. None: all of them.

        Returns:
            A scalar of at least float32, 0 where no pixel is valid.
        """


class FeatureLoss:
    """A loss of kind `features`, for a student and a teacher whose modules have these numbers of channels.

    `adapter` is what it learns beside the student, if anything: it is trained and saved with the run, and thrown away
    with it.
    """

    adapter: nn.Module | None = None

    def __init__(self, *, student_channels: int, teacher_channels: int) -> None:
        """A loss that learns nothing needs no channels."""

    def __call__(
        self, *, student: Tensor, teacher: Tensor, valid: Tensor, temperature: float, seed: int, share: tuple[int, int]
    ) -> Tensor:
        """The loss of a batch.

        Args:
            student: Features (B, C, H, W); the gradient flows to them and to the adapter.
            teacher: Features (B, D, h, w), of any stride.
            valid: Boolean (B, Y, X) of any resolution: the pixels that count.
            temperature: Above 0.
            seed: Of whatever the loss draws for the whole batch.
            share: (number, of how many): which part of the whole batch these B views are.

        Returns:
            A scalar of at least float32, 0 where no pixel is valid.
        """
        raise NotImplementedError


class FeatureTerms(nn.Module):
    """The named losses between a student's and a teacher's features, of any strides and channels.

    Its parameters are the losses' adapters: they train with the student and are thrown away with the run.
    """

    def __init__(self, names: Sequence[str], *, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.losses: dict[str, FeatureLoss] = {
            name: LOSSES[name].load()(student_channels=student_channels, teacher_channels=teacher_channels)
            for name in names
        }
        self.adapters = nn.ModuleDict(
            {name: loss.adapter for name, loss in self.losses.items() if loss.adapter is not None}
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
        """The value of each loss, not yet weighted.

        Args:
            student: Features (B, C, H, W); the gradient flows to them and to the adapters.
            teacher: Features (B, D, h, w) of any stride; they get no gradient.
            valid: Boolean (B, Y, X) of any resolution: the pixels that count.
            temperature: Above 0.
            seed: Of whatever a loss draws for the whole batch.
            share: (number, of how many): which part of the whole batch these B views are.

        Returns:
            A scalar () of at least float32 for each name.
        """
        return {
            name: loss(student=student, teacher=teacher, valid=valid, temperature=temperature, seed=seed, share=share)
            for name, loss in self.losses.items()
        }
