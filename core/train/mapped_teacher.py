"""A teacher of other classes, in those of the data: probabilities of what stands for one class are summed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.class_mapping import ClassMapping
from core.train.batches import Batch
from core.train.step import TeacherOutput

_NOTHING = math.log(1e-6)
"""The logarithm of the share that a class gets of which the teacher knows nothing: half precision can hold it."""


def in_own_classes(logits: Tensor, mapping: ClassMapping) -> Tensor:
    """A teacher's logits as those of the data's classes: logarithms of summed probabilities.

    Args:
        logits: (B, C, H, W), of the teacher's classes.
        mapping: Which of them stand for which of the data's; those that stand for none have no part in it.

    Returns:
        (B, D, H, W), float32.
    """
    logits = logits.float()
    groups = [[at for at, to in enumerate(mapping.to) if to == number] for number in range(len(mapping.own))]
    known = [logits[:, group].logsumexp(dim=1) if group else None for group in groups]
    every = torch.stack([found for found in known if found is not None], dim=1).logsumexp(dim=1)
    return torch.stack([every + _NOTHING if found is None else found for found in known], dim=1)


def has_word(logits: Tensor, labels: Tensor, mapping: ClassMapping) -> Tensor:
    """Where the teacher may speak.

    Args:
        logits: Its own, (B, C, H, W).
        labels: Of the data, (B, H, W).
        mapping: Which of its classes stand for one of the data's.

    Returns:
        Boolean (B, H, W).
    """
    stands = torch.tensor([to is not None for to in mapping.to], device=logits.device)
    found = stands[logits.argmax(dim=1)]
    for number in mapping.unknown:
        found = found & (labels.to(logits.device) != number)
    return found


@dataclass(frozen=True)
class MappedOutputs:
    """A source of a teacher's outputs, given in the data's classes."""

    source: Callable[[Batch], TeacherOutput]
    mapping: ClassMapping

    def __call__(self, batch: Batch) -> TeacherOutput:
        output = self.source(batch)
        word = has_word(output.logits, batch.labels, self.mapping)
        return TeacherOutput(in_own_classes(output.logits, self.mapping), output.features, word)


class MappedModel(nn.Module):
    """A teacher that answers in the data's classes."""

    def __init__(self, model: nn.Module, mapping: ClassMapping) -> None:
        super().__init__()
        self.model, self.mapping = model, mapping

    def forward(self, pixels: Tensor) -> Tensor:
        """One forward pass.

        Args:
            pixels: (B, 3, H, W), normalised.

        Returns:
            Logits (B, D, H, W) of the data's classes.
        """
        return in_own_classes(self.model(pixels), self.mapping)
