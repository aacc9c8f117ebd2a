"""Soft targets of standardised logits: their order and spacing count, not their size (arXiv 2403.01427)."""

from torch import Tensor

from core.losses.soft_targets import soft_target_kl
from core.losses.sums import at_least_single, over_root

NO_VARIANCE = 1e-8


def standardised_kl(*, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None) -> Tensor:
    """`soft_target_kl` of the z-scores of both logits, times T².

    z = (x − mean) / deviation over the classes of each pixel, the deviation being √(Σ (x − mean)² / C), as the paper
    has it. (Its published code divides by C − 1: the same as ours at a temperature √(C / (C − 1)) times higher.) The
    paper suggests T 2 and a weight of 9.

    Args:
        student: Logits (B, C, H, W); the gradient flows to them.
        teacher: Logits (B, C, H, W); they get no gradient.
        temperature: T, above 0.
        valid: Boolean (B, H, W): the pixels that count. None: all of them.

    Returns:
        A scalar () of at least 0 and at least float32; 0 where no pixel is valid.

    Reference:
        Sun et al., Logit Standardization in Knowledge Distillation, arXiv 2403.01427.
    """
    return soft_target_kl(
        student=standardise(student), teacher=standardise(teacher), temperature=temperature, valid=valid
    )


def standardise(logits: Tensor) -> Tensor:
    """Each pixel's logits with mean 0 and variance 1 over its C classes.

    A pixel whose logits are all alike (a deviation below 1e-4) has no order: its scores are zero, without a gradient.

    Args:
        logits: (B, C, H, W).

    Returns:
        (B, C, H, W), at least float32.
    """
    logits = at_least_single(logits)
    # Off the highest first: the mean of large numbers that are alike is rounded, and would leave a deviation.
    lower = logits - logits.detach().amax(dim=1, keepdim=True)
    centred = lower - lower.mean(dim=1, keepdim=True)
    return over_root(centred, centred.square().mean(dim=1, keepdim=True), floor=NO_VARIANCE)
