"""Soft targets: the student learns the teacher's whole distribution (Hinton et al., arXiv 1503.02531)."""

from torch import Tensor
from torch.nn import functional

from core.losses.masks import weighted_mean
from core.losses.precision import at_least_single


def soft_target_kl(*, student: Tensor, teacher: Tensor, temperature: float, valid: Tensor | None = None) -> Tensor:
    """Per-pixel KL(teacher ‖ student) at `temperature`, times T². Logits (B, C, H, W), mask (B, H, W) → scalar.

    Both logits are divided by T before the softmax. The divergence is summed over classes and averaged over valid
    pixels; T² keeps the size of its gradient from shrinking as T grows. Zero when no pixel is valid.
    """
    divergence = pixel_divergence(student=student, teacher=teacher, temperature=temperature)
    return weighted_mean(divergence, valid) * temperature**2


def pixel_divergence(*, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher ‖ student) of each pixel at `temperature`, over classes, without T². (B, C, H, W) → (B, H, W)."""
    student_log = functional.log_softmax(at_least_single(student) / temperature, dim=1)
    teacher_log = functional.log_softmax(at_least_single(teacher.detach()) / temperature, dim=1)
    return functional.kl_div(student_log, teacher_log, reduction="none", log_target=True).sum(dim=1)
