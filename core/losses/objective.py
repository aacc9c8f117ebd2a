"""What a step minimises: a weighted sum of named terms, so that each one can be logged and drawn."""

from collections.abc import Mapping

from torch import Tensor

from core.losses.catalogue import LOSSES
from core.losses.supervised import supervised

_SOFT_TARGETS = {"soft_targets": 1.0}


def distillation_terms(
    *,
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    ignore_index: int,
    alpha: float,
    temperature: float,
    dice_share: float,
    valid: Tensor | None = None,
    weights: Mapping[str, float] = _SOFT_TARGETS,
    inside: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """alpha · supervised(student, labels) + (1 − alpha) · Σ weight · loss, as named terms that are already weighted.

    Logits (B, C, H, W) of both, labels (B, H, W). `weights` names losses on logits, and losses on features whose values
    are given in `inside`. `valid` (B, H, W) are the pixels that the teacher may speak about; without it, the labelled
    ones. Other pixels count in no term.
    """
    terms: dict[str, Tensor] = {}
    if alpha > 0:
        hard = supervised(logits=student, labels=labels, ignore_index=ignore_index, dice_share=dice_share)
        terms |= {name: alpha * term for name, term in hard.items()}
    if alpha < 1:
        valid = labels != ignore_index if valid is None else valid
        soft = {
            name: LOSSES[name].load()(student=student, teacher=teacher, temperature=temperature, valid=valid)
            for name in weights
            if not LOSSES[name].on_features
        }
        soft |= inside or {}
        terms |= {name: (1 - alpha) * weight * soft[name] for name, weight in weights.items()}
    return terms


def total(terms: dict[str, Tensor]) -> Tensor:
    """The sum of the terms: the scalar to differentiate."""
    values = list(terms.values())
    loss = values[0]
    for value in values[1:]:
        loss = loss + value
    return loss
