"""Losses against labels. Pixels of the ignored class count nowhere, neither in sums nor in averages."""

from torch import Tensor
from torch.nn import functional

from core.losses.across import across
from core.losses.precision import at_least_single


def cross_entropy(*, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Mean over labelled pixels of −log softmax at the label. Logits (B, C, H, W), labels (B, H, W) → scalar.

    Zero, with a gradient of zero, when no pixel is labelled.
    """
    valid = labels != ignore_index
    total = functional.cross_entropy(at_least_single(logits), labels, ignore_index=ignore_index, reduction="sum")
    return across(total) / across(valid.sum()).clamp(min=1)


def dice(*, logits: Tensor, labels: Tensor, ignore_index: int, smooth: float = 1.0) -> Tensor:
    """One minus the soft Dice coefficient, averaged over the classes that occur in the batch (arXiv 1606.04797).

    Logits (B, C, H, W), labels (B, H, W) → scalar from 0 to 1.
    """
    classes = logits.shape[1]
    valid = labels != ignore_index
    truth = functional.one_hot(labels.where(valid, 0), classes).permute(0, 3, 1, 2) * valid[:, None]
    probabilities = at_least_single(logits).softmax(dim=1) * valid[:, None]
    overlap = across((probabilities * truth).sum(dim=(0, 2, 3)))
    sizes = across((probabilities + truth).sum(dim=(0, 2, 3)))
    present = across(truth.sum(dim=(0, 2, 3))) > 0
    scores = (2 * overlap + smooth) / (sizes + smooth)
    return ((1 - scores) * present).sum() / present.sum().clamp(min=1)


def supervised(*, logits: Tensor, labels: Tensor, ignore_index: int, dice_share: float) -> dict[str, Tensor]:
    """The named terms (1 − share) · cross-entropy and share · Dice, already weighted: their sum is the loss."""
    terms = {"cross_entropy": (1 - dice_share) * cross_entropy(logits=logits, labels=labels, ignore_index=ignore_index)}
    if dice_share:
        terms["dice"] = dice_share * dice(logits=logits, labels=labels, ignore_index=ignore_index)
    return terms
