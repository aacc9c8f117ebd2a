"""Soft targets that weigh more near the edges of what the teacher sees, where small students go wrong most."""

import torch
from torch import Tensor

from core.losses.masks import weighted_mean
from core.losses.soft_targets import pixel_divergence


def boundary_soft_target_kl(
    *,
    student: Tensor,
    teacher: Tensor,
    temperature: float,
    valid: Tensor | None = None,
    pixels: int = 3,
    emphasis: float = 4.0,
) -> Tensor:
    """`soft_target_kl` as a weighted mean: 1 + `emphasis` near an edge, 1 elsewhere; Σ w · KL / Σ w, times T².

    Near is within `pixels` of a pixel of another class of the teacher's argmax, along both axes. A weight that is the
    same everywhere changes nothing.

    Args:
        student: Logits (B, C, H, W); the gradient flows to them.
        teacher: Logits (B, C, H, W); they get no gradient.
        temperature: T, above 0.
        valid: Boolean (B, H, W): the pixels that count. None: all of them.
        pixels: How many rows and columns away an edge still counts, at least 1.
        emphasis: How much more a pixel near an edge weighs, at least 0.

    Returns:
        A scalar () of at least 0 and at least float32; 0 where no pixel is valid.

    Reference:
        The divergence is that of Hinton et al., Distilling the Knowledge in a Neural Network, arXiv 1503.02531; the
        weights are ours.
    """
    divergence = pixel_divergence(student=student, teacher=teacher, temperature=temperature)
    weights = 1 + emphasis * near_edge(teacher, pixels=pixels, valid=valid).to(divergence.dtype)
    return weighted_mean(divergence, weights if valid is None else weights * valid) * temperature**2


def near_edge(teacher: Tensor, *, pixels: int, valid: Tensor | None = None) -> Tensor:
    """Whether another class lies within `pixels` rows and columns of a pixel.

    Args:
        teacher: Logits (B, C, H, W); the class of a pixel is the highest of them.
        pixels: Rows and columns, at least 1.
        valid: Boolean (B, H, W). Pixels outside have no class here: what the teacher makes of them draws no edge.

    Returns:
        Boolean (B, H, W).
    """
    # Across channels that lie apart in memory, argmax is many times slower.
    classes = teacher.contiguous(memory_format=torch.channels_last).argmax(dim=1).to(torch.int16)
    above = below = classes
    if valid is not None:
        # As much as a pixel may count (a committee's agreement), it has a class where it counts at all.
        above, below = classes.where(valid > 0, -1), classes.where(valid > 0, 1 << 14)
    return _highest(above, pixels) > -_highest(-below, pixels)


def _highest(values: Tensor, pixels: int) -> Tensor:
    """The maximum of the square window of 2 · `pixels` + 1 around each pixel, rows and columns in turn. (B, H, W).

    By shifting whole numbers: on a CPU a pooling layer takes ten times as long.
    """
    for axis in (1, 2):
        highest, size = values.clone(), values.shape[axis]
        for shift in range(1, min(pixels, size - 1) + 1):
            ahead, behind = (torch.narrow(values, axis, start, size - shift) for start in (shift, 0))
            here, there = (torch.narrow(highest, axis, start, size - shift) for start in (0, shift))
            torch.maximum(here, ahead, out=here)
            torch.maximum(there, behind, out=there)
        values = highest
    return values
