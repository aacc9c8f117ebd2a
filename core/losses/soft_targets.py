"""Soft targets: the student learns the teacher's whole distribution (Hinton et al., arXiv 1503.02531)."""

from torch import Tensor
from torch.nn import functional

from core.losses.masks import weighted_mean
from core.losses.sums import at_least_single


def soft_target_kl(*, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None) -> Tensor:
    """Per-pixel KL(teacher ‖ student) at temperature T, times T².

    Both logits are divided by T before the softmax. The divergence is summed over classes and averaged over valid
    pixels; T² keeps the size of its gradient from shrinking as T grows.

    Args:
        student: Logits (B, C, H, W); the gradient flows to them.
        teacher: Logits (B, C, H, W); they get no gradient.
        temperature: T, above 0.
        valid: Boolean (B, H, W): the pixels that count. None: all of them.

    Returns:
        A scalar () of at least 0 and at least float32; 0 where no pixel is valid.

    Reference:
        Hinton et al., Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
    """
    divergence = pixel_divergence(student=student, teacher=teacher, temperature=temperature)
    return weighted_mean(divergence, valid) * temperature**2


def pixel_divergence(*, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher ‖ student) of each pixel at temperature T, summed over classes, without T².

    Args:
        student: Logits (B, C, H, W); the gradient flows to them.
        teacher: Logits (B, C, H, W); they get no gradient.
        temperature: T, above 0.

    Returns:
        (B, H, W), each at least 0, at least float32.

    Reference:
        Hinton et al., Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
    """
    student_log = functional.log_softmax(at_least_single(student) / temperature, dim=1)
    teacher_log = functional.log_softmax(at_least_single(teacher.detach()) / temperature, dim=1)
    return functional.kl_div(student_log, teacher_log, reduction="none", log_target=True).sum(dim=1)
