"""Losses against labels. Pixels of the ignored class count nowhere, neither in sums nor in averages."""

import torch
from torch import Tensor
from torch.nn import functional

from core.losses.sums import across, at_least_single


def cross_entropy(*, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Mean over labelled pixels of −log softmax at the label.

    Args:
        logits: (B, C, H, W); the gradient flows to them.
        labels: Class indices (B, H, W).
        ignore_index: The label of pixels that count nowhere.

    Returns:
        A scalar () of at least 0 and at least float32; 0, with a gradient of 0, when no pixel is labelled.
    """
    valid = labels != ignore_index
    total = functional.cross_entropy(at_least_single(logits), labels, ignore_index=ignore_index, reduction="sum")
    return across(total) / across(valid.sum()).clamp(min=1)


def dice(*, logits: Tensor, labels: Tensor, ignore_index: int, smooth: float = 1.0) -> Tensor:
    """One minus the soft Dice coefficient, averaged over the classes that occur in the batch.

    Args:
        logits: (B, C, H, W); the gradient flows to them.
        labels: Class indices (B, H, W).
        ignore_index: The label of pixels that count nowhere.
        smooth: Added above and below the fraction line, above 0.

    Returns:
        A scalar () from 0 to 1, at least float32.

    Reference:
        Milletari et al., V-Net, arXiv 1606.04797.
    """
    classes = torch.arange(logits.shape[1], device=labels.device)[:, None, None]
    valid = (labels != ignore_index)[:, None]
    truth = (labels[:, None] == classes) & valid
    probabilities = at_least_single(logits).softmax(dim=1) * valid
    overlap, guessed, there = (
        across(values.sum(dim=(0, 2, 3))) for values in (probabilities * truth, probabilities, truth)
    )
    scores = (2 * overlap + smooth) / (guessed + there + smooth)
    present = there > 0
    return ((1 - scores) * present).sum() / present.sum().clamp(min=1)


def supervised(*, logits: Tensor, labels: Tensor, ignore_index: int, dice_share: float) -> dict[str, Tensor]:
    """The named terms (1 − share) · cross-entropy and share · Dice, already weighted: their sum is the loss.

    Args:
        logits: (B, C, H, W); the gradient flows to them.
        labels: Class indices (B, H, W).
        ignore_index: The label of pixels that count nowhere.
        dice_share: From 0 to 1.

    Returns:
        A scalar () for each term; Dice only where it has a share.
    """
    terms = {"cross_entropy": (1 - dice_share) * cross_entropy(logits=logits, labels=labels, ignore_index=ignore_index)}
    if dice_share:
        terms["dice"] = dice_share * dice(logits=logits, labels=labels, ignore_index=ignore_index)
    return terms
