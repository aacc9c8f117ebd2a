"""Which positions count, and how much: masks of pixels brought to the resolution of features, and weighted means.

A position of a feature map weighs as much as the share of valid pixels behind it, from 0 to 1: one without a valid
pixel counts nowhere, one at the border of an ignored area counts in part. (What a network saw of ignored pixels through
its receptive field stays in its features; no mask can take that out.)
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.losses.sums import across, at_least_single, mean_across


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Σ weights · values / Σ weights over all positions; the plain mean where there are no weights.

    Args:
        values: (…) of any shape.
        weights: Of a shape that `values` can be multiplied by, at least 0; a boolean mask is a weight of 1 or 0.

    Returns:
        A scalar (); 0, with a gradient of 0, when all weights are 0.
    """
    if weights is None:
        return mean_across(values)
    total = across(weights.sum())
    return across((values * weights).sum()) / total.where(total > 0, 1)


def shares(valid: Tensor | None, *, like: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """The share of valid pixels behind each position.

    Args:
        valid: Boolean (B, Y, X) of any resolution. None: every pixel is valid.
        like: (B, C, h, w), whose device the shares have, and its precision where that is at least float32.
        size: (H, W) of the result; by default that of `like`.

    Returns:
        (B, H, W) from 0 to 1.
    """
    height, width = size or like.shape[-2:]
    if valid is None:
        return at_least_single(like.new_ones(len(like), height, width))
    weights = valid.to(torch.promote_types(like.dtype, torch.float32))
    if weights.shape[-2:] == (height, width):
        return weights
    return functional.adaptive_avg_pool2d(weights, (height, width))


def common_grid(
    *, student: Tensor, teacher: Tensor, valid: Tensor | None, at_most: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Both feature maps at the smaller height and width of the two (and `at_most`), and the weight of each position.

    The larger map is averaged down over its valid positions, none is ever enlarged.

    Args:
        student: Features (B, C, Y, X) of any stride.
        teacher: Features (B, D, y, x) of any stride; what comes of them carries no gradient.
        valid: Boolean (B, Y', X') of any resolution: the pixels that count. None: all of them.
        at_most: Most positions along a side.

    Returns:
        Student (B, C, H, W), teacher (B, D, H, W) and weights (B, H, W) from 0 to 1, all at least float32.
    """
    sides = [min(ours, theirs) for ours, theirs in zip(student.shape[-2:], teacher.shape[-2:], strict=True)]
    height, width = sides if at_most is None else [min(side, at_most) for side in sides]
    size = (height, width)
    weights = shares(valid, like=student, size=size)
    return _averaged(student, valid, size), _averaged(teacher.detach(), valid, size), weights


def _averaged(features: Tensor, valid: Tensor | None, size: tuple[int, int]) -> Tensor:
    features = at_least_single(features)
    if features.shape[-2:] == size:
        return features
    weights = shares(valid, like=features)[:, None]
    summed, total = (functional.adaptive_avg_pool2d(values, size) for values in (features * weights, weights))
    return summed / total.where(total > 0, 1)
