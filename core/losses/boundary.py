"""Soft targets that weigh more near the edges of what the teacher sees, where small students go wrong most."""

from torch import Tensor
from torch.nn import functional

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
    """`soft_target_kl` (arXiv 1503.02531) as a weighted mean: 1 + `emphasis` near an edge, 1 elsewhere. → scalar.

    Logits (B, C, H, W), mask (B, H, W). Near is within `pixels` of a pixel of another class of the teacher's argmax,
    along both axes. Σ w · KL / Σ w over valid pixels, times T²: a weight that is the same everywhere changes nothing.
    """
    divergence = pixel_divergence(student=student, teacher=teacher, temperature=temperature)
    weights = 1 + emphasis * near_edge(teacher, pixels=pixels, valid=valid).to(divergence.dtype)
    return weighted_mean(divergence, weights if valid is None else weights * valid) * temperature**2


def near_edge(teacher: Tensor, *, pixels: int, valid: Tensor | None = None) -> Tensor:
    """Whether another class lies within `pixels` rows and columns. Logits (B, C, H, W), mask → boolean (B, H, W).

    Ignored pixels have no class here: what the teacher makes of them draws no edge.
    """
    classes = teacher.argmax(dim=1, keepdim=True).float()
    known = None if valid is None else valid[:, None]
    highest = _highest(classes if known is None else classes.where(known, -1), pixels)
    lowest = -_highest(-(classes if known is None else classes.where(known, teacher.shape[1])), pixels)
    return (highest > lowest)[:, 0]


def _highest(values: Tensor, pixels: int) -> Tensor:
    """The maximum of the square window of 2 · `pixels` + 1 around each pixel, rows and columns in turn."""
    rows = functional.max_pool2d(values, (2 * pixels + 1, 1), stride=1, padding=(pixels, 0))
    return functional.max_pool2d(rows, (1, 2 * pixels + 1), stride=1, padding=(0, pixels))
