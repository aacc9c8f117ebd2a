"""One optimiser step on one batch: the same code for a labels-only run and for a distillation."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.band_set import COLOURS, BandSet
from core.config import RunConfig
from core.data.scene import TEACHABLE
from core.device import autocast
from core.losses import sums
from core.losses.features import FeatureTerms
from core.losses.objective import distillation_terms, total
from core.losses.supervised import supervised
from core.models.committee import Committee
from core.models.tap import Tap
from core.normalise import Normaliser
from core.train.batches import Batch
from core.train.consistency import TERM, consistency_term
from core.train.distributed import ALONE, Group


class TeacherOutput(NamedTuple):
    """A teacher's output for a batch: logits (B, C, H, W), and features (B, D, h, w) where a loss asks for them.

    `word` (B, H, W) is where its logits count, or as a number from 0 to 1 how much; None: everywhere.
    """

    logits: Tensor
    features: Tensor | None = None
    word: Tensor | None = None


class FrozenTeacher:
    """A teacher in eval mode that runs without a gradient, from its own normalisation of the same view.

    With `average_flips` its logits are the mean over the four mirror images of a view; features are of the view itself,
    and come only while `tap` is entered.
    """

    def __init__(
        self,
        model: nn.Module,
        normaliser: Normaliser,
        dtype: torch.dtype,
        *,
        forward: Callable[[Tensor], Tensor] | None = None,
        tap: Tap | None = None,
        average_flips: bool = False,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.forward = model if forward is None else forward
        self.normaliser = normaliser
        self.dtype = dtype
        self.tap = tap
        self.average_flips = average_flips

    @torch.no_grad()
    def output(self, images: Tensor) -> TeacherOutput:
        """What the teacher makes of views.

        Args:
            images: (B, H, W, D) of the bands that its normaliser takes.

        Returns:
            Logits (B, C, H, W), and features where a loss asks for them.
        """
        self.model.eval()
        with autocast(self.normaliser.device, self.dtype):
            pixels = self.normaliser(images)
            logits, word = self._answer(pixels)
            features = self.tap.take() if self.tap else None
            if self.average_flips:
                mirrored = [self.forward(pixels.flip(axes)).flip(axes).float() for axes in _MIRRORS]
                logits = torch.stack([logits.float(), *mirrored]).mean(dim=0)
        return TeacherOutput(logits, features, word)

    def _answer(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and of a committee that weighs by agreement how much they count."""
        if isinstance(self.model, Committee) and self.model.weigh:
            return self.model.answer(pixels)
        return self.forward(pixels), None


_MIRRORS = ((-1,), (-2,), (-2, -1))


@dataclass(frozen=True)
class Stepper:
    """What stays the same from step to step. `forward` is the model, or its compiled twin sharing its parameters.

    The devices in `group` share each batch; the losses are those of the whole of it, on all of them.
    """

    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    normaliser: Normaliser
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    config: RunConfig
    ignore_index: int
    dtype: torch.dtype
    features: FeatureTerms | None = None
    tap: Tap | None = None
    group: Group = ALONE
    averaged: nn.Module | None = None
    """The averaged copy that consistency training learns from; None: there is none."""
    bands: BandSet = COLOURS

    def terms(self, batch: Batch, output: TeacherOutput | None, done: float = 0.0) -> dict[str, Tensor]:
        """Named, weighted losses of this batch with the model as it is.

        Args:
            batch: Views and labels.
            output: The teacher's. None: labels alone.
            done: The share of the run that is over, from 0 to 1.

        Returns:
            A scalar () for each term.
        """
        if self.group.size == 1:
            return self._terms(batch, output, done)
        with sums.devices(self.group.add):
            return self._terms(batch, output, done)

    def _terms(self, batch: Batch, output: TeacherOutput | None, done: float) -> dict[str, Tensor]:
        device, distill = self.normaliser.device, self.config.distill
        labels = batch.labels.to(device, non_blocking=True)
        valid = labels != self.ignore_index
        labels = labels.where(labels != TEACHABLE, self.ignore_index)
        with autocast(device, self.dtype):
            # Losses go over few channels: on a CPU they are quicker where each channel lies in one piece (docs/LOG.md).
            logits = self.forward(self.normaliser(batch.images)).contiguous()
        dice_share = self.config.train.dice
        own = self._consistency(batch, valid)
        if distill is None or output is None:
            hard = supervised(logits=logits, labels=labels, ignore_index=self.ignore_index, dice_share=dice_share)
            return hard | own
        taught = distillation_terms(
            student=logits,
            teacher=output.logits.to(device, non_blocking=True).contiguous(),
            labels=labels,
            valid=valid if output.word is None else valid * output.word.to(device),
            ignore_index=self.ignore_index,
            alpha=distill.alpha_at(done),
            temperature=distill.temperature,
            dice_share=dice_share,
            weights=distill.losses,
            inside=self._inside(output, valid, batch),
        )
        return taught | own

    def _consistency(self, batch: Batch, valid: Tensor) -> dict[str, Tensor]:
        """What the student learns from its averaged copy, weighted."""
        if self.averaged is None:
            return {}
        train = self.config.train
        with autocast(self.normaliser.device, self.dtype):
            term = consistency_term(
                averaged=self.averaged,
                student=self.forward,
                images=batch.images,
                normalise=self.normaliser,
                valid=valid,
                confidence=train.confidence,
                ignore_index=self.ignore_index,
                seed=(train.seed, batch.turn, batch.epoch, batch.first),
                bands=self.bands,
            )
        return {TERM: train.consistency * term}

    def _inside(self, output: TeacherOutput, valid: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The losses on features, not yet weighted."""
        if self.features is None or self.tap is None or output.features is None:
            return {}
        assert self.config.distill is not None
        losses: dict[str, Tensor] = self.features(
            student=self.tap.take(),
            teacher=output.features.to(valid.device, non_blocking=True),
            valid=valid,
            temperature=self.config.distill.temperature,
            seed=hash((self.config.train.seed, batch.epoch, batch.first, batch.turn)),
            share=(self.group.rank, self.group.size),
        )
        return losses

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Of the student, and of what learns beside it and is not shipped."""
        beside = self.features.parameters() if self.features else ()
        return [*self.model.parameters(), *beside]

    def step(
        self, batch: Batch, output: TeacherOutput | None, learning_rate: float, done: float = 0.0
    ) -> dict[str, Tensor]:
        """Update the model once, without waiting for the device.

        Args:
            batch: Views and labels.
            output: The teacher's. None: labels alone.
            learning_rate: At least 0.
            done: The share of the run's steps before this one, of all but the last: from 0 to 1.

        Returns:
            A detached scalar () for each term, averaged over the parts of the batch.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        parts = self.config.train.accumulate
        summed: dict[str, Tensor] = {}
        for part, output_part in zip(_cut(batch, parts, self.group.size), _cut_answer(output, parts), strict=True):
            terms = {name: term / parts for name, term in self.terms(part, output_part, done).items()}
            self.scaler.scale(total(terms)).backward()  # type: ignore[no-untyped-call]
            summed = {name: summed.get(name, 0) + term.detach() for name, term in terms.items()}
        self.group.average_gradients(self.parameters)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.parameters, self.config.train.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return summed


def _cut(batch: Batch, parts: int, devices: int) -> list[Batch]:
    if parts == 1:
        return [batch]
    size = len(batch.images) // parts
    return [
        replace(
            batch,
            images=images,
            labels=labels,
            first=batch.first + at * size * devices,
            views=batch.views[at * size : (at + 1) * size],
        )
        for at, (images, labels) in enumerate(zip(batch.images.chunk(parts), batch.labels.chunk(parts), strict=True))
    ]


def _cut_answer(output: TeacherOutput | None, parts: int) -> list[TeacherOutput | None]:
    if output is None or parts == 1:
        return [output] * parts
    features, words = (
        [None] * parts if values is None else values.chunk(parts) for values in (output.features, output.word)
    )
    return [TeacherOutput(*part) for part in zip(output.logits.chunk(parts), features, words, strict=True)]
