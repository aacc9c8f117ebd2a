"""Correlation: the student keeps the teacher's relations, not its exact probabilities (DIST, arXiv 2205.10536)."""

from collections.abc import Callable

from torch import Tensor

from core.losses.masks import shares
from core.losses.sums import across, at_least_single, over_root

NO_VARIANCE = 1e-8


def correlation(*, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None) -> Tensor:
    """T² · ((1 − r between classes) + (1 − r within classes)), r being Pearson's correlation of probabilities at T.

    Between classes: over the C classes of one pixel, averaged over valid pixels. Within classes: over all valid pixels
    of the batch for one class, averaged over classes. Where either side is constant (a deviation below 1e-4), r is zero
    without a gradient.

    Args:
        student: Logits (B, C, H, W); the gradient flows to them.
        teacher: Logits (B, C, H, W); they get no gradient.
        temperature: T, above 0.
        valid: Boolean (B, H, W): the pixels that count. None: all of them.

    Returns:
        A scalar () from 0 to 4 T², at least float32; 0 where no pixel is valid.

    Reference:
        Huang et al., Knowledge Distillation from A Stronger Teacher (DIST), arXiv 2205.10536.
    """
    weights = shares(valid, like=student)[:, None]
    everything = across(weights.sum())
    weights = weights / everything.where(everything > 0, 1)
    ours = (at_least_single(student) / temperature).softmax(dim=1)
    theirs = (at_least_single(teacher.detach()) / temperature).softmax(dim=1)
    between = _pearson(student=ours, teacher=theirs, mean=lambda values: values.mean(dim=1, keepdim=True))
    within = _pearson(
        student=ours, teacher=theirs, mean=lambda values: across((values * weights).sum(dim=(0, 2, 3), keepdim=True))
    )
    return (across(((1 - between) * weights).sum()) + (1 - within).mean() * everything.sign()) * temperature**2


def _pearson(*, student: Tensor, teacher: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """The correlation over whatever `mean` averages over, in its shape."""
    student, teacher = student - mean(student), teacher - mean(teacher)
    scaled = over_root(mean(student * teacher), mean(student.square()), floor=NO_VARIANCE)
    return over_root(scaled, mean(teacher.square()), floor=NO_VARIANCE)
