"""Pairwise affinity: which parts of the picture are alike (structured distillation, Liu et al., arXiv 1903.04197)."""

from typing import Any

from torch import Tensor

from core.losses.kinds import FeatureLoss
from core.losses.masks import common_grid, weighted_mean
from core.losses.precision import over_root, without_autocast

NO_LENGTH = 1e-24


def pairwise_affinity(*, student: Tensor, teacher: Tensor, valid: Tensor | None = None, grid: int = 16) -> Tensor:
    """Mean over pairs of cells of (cosine of the student's − cosine of the teacher's)². → scalar from 0 to 4.

    Features (B, C, H, W) of any strides and channels, mask (B, h, w) of any resolution. Both are averaged over their
    valid positions onto the smaller of the two sizes, at most `grid` × `grid`: cells are the nodes of the paper, all
    pairs of one image its connections (the pair of a cell with itself too). A pair weighs the product of its cells'
    shares of valid pixels, and the mean runs over all pairs of the batch. A cell of zeros is like no other.
    """
    student, teacher, weights = common_grid(student=student, teacher=teacher, valid=valid, at_most=grid)
    with without_autocast(student):
        gap = _cosines(student) - _cosines(teacher)
    cells = weights.flatten(1)
    return weighted_mean(gap.square(), cells[:, :, None] * cells[:, None, :])


class Affinity(FeatureLoss):
    """`pairwise_affinity` between features; it learns nothing."""

    def __call__(self, *, student: Tensor, teacher: Tensor, valid: Tensor, **_: Any) -> Tensor:
        return pairwise_affinity(student=student, teacher=teacher, valid=valid)


def _cosines(features: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H·W, H·W)."""
    cells = features.flatten(2)
    directions = over_root(cells, cells.square().sum(dim=1, keepdim=True), floor=NO_LENGTH)
    return directions.mT @ directions
