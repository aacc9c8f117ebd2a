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

    Args:
        student: Logits (B, C, H, W); the gradient flows to them.
        teacher: Logits (B, C, H, W); they get no gradient.
        labels: Class indices (B, H, W).
        ignore_index: The label of pixels that the supervised loss leaves out.
        alpha: From 0 (the teacher alone) to 1 (labels alone).
        temperature: Above 0.
        dice_share: From 0 to 1: how much of the supervised loss is Dice.
        valid: Boolean (B, H, W): the pixels that the teacher may speak about. None: the labelled ones. Others count in
            no term.
        weights: Losses by name, on logits and on features.
        inside: Values () of the losses on features, by name.

    Returns:
        A scalar () of at least float32 for each term.
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
    """The sum of the terms, which is differentiated.

    Args:
        terms: Scalars () by name, at least one.

    Returns:
        A scalar ().
    """
    values = list(terms.values())
    loss = values[0]
    for value in values[1:]:
        loss = loss + value
    return loss
