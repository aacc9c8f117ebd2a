"""How alike two masks are, and how far a model's confidence can be trusted. numpy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

NEAR = 3
"""Borders within this many pixels (Euclidean) count as the same border."""
BINS = 10


@dataclass(frozen=True)
class Calibration:
    """`ece` from 0 to 1, nan without a labelled pixel; for each bin its pixels, mean confidence and accuracy (or 0)."""

    ece: float
    counts: NDArray[np.float64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def kappa(matrix: NDArray[np.int64]) -> float:
    """Cohen's kappa of a confusion matrix.

    Args:
        matrix: Counts (C, C).

    Returns:
        1 for full agreement, 0 for what chance would give; nan without a pixel, and where chance alone agrees fully:
        both masks are one and the same class.

    Reference:
        Cohen, A Coefficient of Agreement for Nominal Scales, 1960.
    """
    total = float(matrix.sum())
    if not total:
        return float("nan")
    chance = float((matrix.sum(axis=0) / total) @ (matrix.sum(axis=1) / total))
    agreed = float(np.trace(matrix)) / total
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def border(mask: Mask) -> NDArray[np.bool_]:
    """Pixels whose class differs from that of their right or lower neighbour.

    Args:
        mask: Class indices (H, W).

    Returns:
        Boolean (H, W).
    """
    found = np.zeros(mask.shape, bool)
    found[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    found[:-1] |= mask[:-1] != mask[1:]
    return found


def border_agreement(one: Mask, other: Mask, *, near: int = NEAR) -> float:
    """Share of all border pixels of two masks that have a border pixel of the other within `near` pixels.

    Args:
        one: Class indices (H, W).
        other: The same shape; the result is the same both ways round.
        near: Distance in pixels, at least 0.

    Returns:
        From 0 to 1, nan where neither has a border.
    """
    first, second = border(one), border(other)
    total = int(first.sum() + second.sum())
    if not total:
        return float("nan")
    hits = (first & _widened(second, near)).sum() + (second & _widened(first, near)).sum()
    return float(hits / total)


def calibration(*, correct: NDArray[np.bool_], confidence: NDArray[np.floating], bins: int = BINS) -> Calibration:
    """Expected calibration error over bins of equal width.

    Args:
        correct: Whether a model was right, of any shape (…).
        confidence: The probability of the class that it chose, 0 to 1, of the same shape.
        bins: How many.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    index = np.minimum((confidence * bins).astype(int), bins - 1).ravel()
    counts = np.bincount(index, minlength=bins).astype(np.float64)
    filled = np.maximum(counts, 1)
    sure = np.bincount(index, weights=confidence.ravel().astype(np.float64), minlength=bins) / filled
    right = np.bincount(index, weights=correct.ravel().astype(np.float64), minlength=bins) / filled
    total = counts.sum()
    ece = float((counts * np.abs(sure - right)).sum() / total) if total else float("nan")
    return Calibration(ece, counts, sure, right)


def _widened(found: NDArray[np.bool_], near: int) -> NDArray[np.bool_]:
    """Every pixel within `near` pixels of one that is set."""
    height, width = found.shape
    padded = np.pad(found, near)
    result = np.zeros_like(found)
    for dy in range(-near, near + 1):
        for dx in range(-near, near + 1):
            if dx * dx + dy * dy <= near * near:
                result |= padded[near + dy : near + dy + height, near + dx : near + dx + width]
    return result
