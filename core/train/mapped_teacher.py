"""A teacher of other classes: where it has a word, and its outputs in the data's classes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.class_mapping import ClassMapping
from core.models.mapped import in_own_classes
from core.train.batches import Batch
from core.train.step import TeacherOutput


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
        word = word if output.word is None else word * output.word
        return TeacherOutput(in_own_classes(output.logits, self.mapping), output.features, word)
