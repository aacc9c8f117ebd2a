"""One optimiser step on one batch: the same code for a labels-only run and for a distillation."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.config import RunConfig
from core.device import autocast
from core.losses.objective import distillation_terms, total
from core.losses.supervised import supervised
from core.train.batches import Batch, normalise


@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation of a model's input channels on 0..255, as tensors on its device."""

    mean: Tensor
    std: Tensor
    device: torch.device

    @classmethod
    def of(cls, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> "Normaliser":
        return cls(torch.tensor(mean, device=device), torch.tensor(std, device=device), device)

    def __call__(self, images: Tensor) -> Tensor:
        return normalise(images, self.mean, self.std, self.device)


class FrozenTeacher:
    """A teacher in eval mode that gives logits without a gradient, from its own normalisation of the same view."""

    def __init__(
        self,
        model: nn.Module,
        normaliser: Normaliser,
        dtype: torch.dtype,
        *,
        forward: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.forward = model if forward is None else forward
        self.normaliser = normaliser
        self.dtype = dtype

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """uint8 (B, H, W, 3) → logits (B, C, H, W)."""
        self.model.eval()
        with autocast(self.normaliser.device, self.dtype):
            return self.forward(self.normaliser(images))


@dataclass(frozen=True)
class Stepper:
    """What stays the same from step to step. `forward` is the model, or its compiled twin sharing its parameters."""

    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    normaliser: Normaliser
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    config: RunConfig
    ignore_index: int
    dtype: torch.dtype

    def terms(self, batch: Batch, teacher_logits: Tensor | None) -> dict[str, Tensor]:
        """Named, weighted losses of this batch with the model as it is."""
        device = self.normaliser.device
        labels = batch.labels.to(device, non_blocking=True)
        with autocast(device, self.dtype):
            logits = self.forward(self.normaliser(batch.images))
        dice_share = self.config.train.dice
        if self.config.distill is None or teacher_logits is None:
            return supervised(logits=logits, labels=labels, ignore_index=self.ignore_index, dice_share=dice_share)
        return distillation_terms(
            student=logits,
            teacher=teacher_logits.to(device, non_blocking=True),
            labels=labels,
            ignore_index=self.ignore_index,
            alpha=self.config.distill.alpha,
            temperature=self.config.distill.temperature,
            dice_share=dice_share,
        )

    def step(self, batch: Batch, teacher_logits: Tensor | None, learning_rate: float) -> dict[str, Tensor]:
        """Update the model once; gives the detached terms without waiting for the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        terms = self.terms(batch, teacher_logits)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(total(terms)).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return {name: term.detach() for name, term in terms.items()}
