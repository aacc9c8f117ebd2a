"""Pairwise affinity: which parts of the picture are alike (structured distillation, Liu et al., arXiv 1903.04197)."""

from typing import Any

from torch import Tensor

from core.losses.features import FeatureLoss
from core.losses.masks import common_grid, weighted_mean
from core.losses.sums import over_root, without_autocast

NO_LENGTH = 1e-24


def pairwise_affinity(*, student: Tensor, teacher: Tensor, valid: Tensor | None = None, grid: int = 16) -> Tensor:
    """How much the likenesses between the parts of a picture differ: mean of (student's cosine − teacher's cosine)².

    Both maps are averaged over their valid positions onto the smaller of the two sizes, at most `grid` × `grid`: cells
    are the nodes of the paper, all pairs of one image its connections (the pair of a cell with itself too). A pair
    weighs the product of its cells' shares of valid pixels, and the mean runs over all pairs of the batch. A cell of
    zeros is like no other.

    Args:
        student: Features (B, C, H, W) of any stride; the gradient flows to them.
        teacher: Features (B, D, h, w) of any stride and number of channels; they get no gradient.
        valid: Boolean (B, Y, X) of any resolution: the pixels that count. None: all of them.
        grid: Most cells along a side.

    Returns:
        A scalar () from 0 to 4, at least float32; 0 where no pixel is valid.

    Reference:
        Liu et al., Structured Knowledge Distillation for Semantic Segmentation, arXiv 1903.04197.
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
