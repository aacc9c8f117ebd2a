"""Attention transfer: where the activations are strong (Zagoruyko and Komodakis, arXiv 1612.03928)."""

from typing import Any

import torch
from torch import Tensor

from core.losses.features import FeatureLoss
from core.losses.masks import common_grid, weighted_mean
from core.losses.sums import at_least_single, over_root

NO_LENGTH = 1e-24


def attention_transfer(*, student: Tensor, teacher: Tensor, valid: Tensor | None = None) -> Tensor:
    """How far apart the maps of strong activations are: mean over images of ‖Q_S / ‖Q_S‖ − Q_T / ‖Q_T‖‖, Q = Σ_c x².

    The map Q with more positions is averaged down to the smaller size. Both norms are L2 over the positions of one
    image, each weighed by its share of valid pixels. This is equation 2 of the paper with p = 2, without its β/2; the
    authors' code takes the mean over positions of the squared difference instead, which grows weaker with H·W.

    Args:
        student: Features (B, C, H, W) of any stride; the gradient flows to them.
        teacher: Features (B, D, h, w) of any stride and number of channels; they get no gradient.
        valid: Boolean (B, Y, X) of any resolution: the pixels that count. None: all of them.

    Returns:
        A scalar () from 0 to √2, at least float32. Images without a valid position count nowhere.

    Reference:
        Zagoruyko and Komodakis, Paying More Attention to Attention, arXiv 1612.03928.
    """
    student, teacher, weights = common_grid(student=_energy(student), teacher=_energy(teacher), valid=valid)
    roots = weights.flatten(1).sqrt()
    gap = _direction(student.flatten(1) * roots) - _direction(teacher.flatten(1) * roots)
    return weighted_mean(torch.linalg.vector_norm(gap, dim=1), roots.amax(dim=1) > 0)


class Attention(FeatureLoss):
    """`attention_transfer` between features; it learns nothing."""

    def __call__(self, *, student: Tensor, teacher: Tensor, valid: Tensor, **_: Any) -> Tensor:
        return attention_transfer(student=student, teacher=teacher, valid=valid)


def _energy(features: Tensor) -> Tensor:
    return at_least_single(features).square().sum(dim=1, keepdim=True)


def _direction(rows: Tensor) -> Tensor:
    return over_root(rows, rows.square().sum(dim=1, keepdim=True), floor=NO_LENGTH)
