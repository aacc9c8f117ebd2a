"""What a step minimises: a weighted sum of named terms, so that each one can be logged and drawn."""

from torch import Tensor

from core.losses.soft_targets import soft_target_kl
from core.losses.supervised import supervised


def distillation_terms(
    *,
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    ignore_index: int,
    alpha: float,
    temperature: float,
    dice_share: float,
) -> dict[str, Tensor]:
    """alpha · supervised(student, labels) + (1 − alpha) · soft targets, as named terms that are already weighted.

    Logits (B, C, H, W) of both, labels (B, H, W). Pixels that nobody labelled count in no term.
    """
    terms: dict[str, Tensor] = {}
    if alpha > 0:
        hard = supervised(logits=student, labels=labels, ignore_index=ignore_index, dice_share=dice_share)
        terms |= {name: alpha * term for name, term in hard.items()}
    if alpha < 1:
        valid = labels != ignore_index
        soft = soft_target_kl(student=student, teacher=teacher, temperature=temperature, valid=valid)
        terms["soft_targets"] = (1 - alpha) * soft
    return terms


def total(terms: dict[str, Tensor]) -> Tensor:
    """The sum of the terms: the scalar to differentiate."""
    values = list(terms.values())
    loss = values[0]
    for value in values[1:]:
        loss = loss + value
    return loss
