"""Standardised soft targets against the formula: the order and spacing of logits count, not their size."""

import math

import pytest
import torch
from torch import Tensor

from core.losses.soft_targets import soft_target_kl
from core.losses.standardised import standardise, standardised_kl
from tests.unit.losses.tensors import normal, pixels, some


def reference(student: Tensor, teacher: Tensor, temperature: float, valid: Tensor) -> float:
    """Pixel by pixel, as algorithm 1 of arXiv 2403.01427 has it, with plain numbers."""

    def probabilities(logits: list[float]) -> list[float]:
        mean = math.fsum(logits) / len(logits)
        deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in logits) / len(logits))
        powers = [math.exp((x - mean) / deviation / temperature) for x in logits]
        return [power / math.fsum(powers) for power in powers]

    each = []
    for image, row, column in valid.nonzero().tolist():
        q = probabilities(teacher[image, :, row, column].tolist())
        p = probabilities(student[image, :, row, column].tolist())
        each.append(math.fsum(a * math.log(a / b) for a, b in zip(q, p, strict=True)))
    return temperature**2 * math.fsum(each) / len(each)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.5])
@pytest.mark.parametrize("classes", [3, 6, 19])
def test_it_is_the_formula(temperature: float, classes: int) -> None:
    student, teacher = normal(0, 2, classes, 3, 4, scale=3), normal(1, 2, classes, 3, 4, scale=3)
    valid = some(2, 2, 3, 4)
    found = standardised_kl(student=student, teacher=teacher, temperature=temperature, valid=valid)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(reference(student, teacher, temperature, valid), rel=1e-10)


def test_a_pixel_worked_out_by_hand() -> None:
    """Of two classes the scores are +1 and −1: at T 2 the student has σ(−1) where the teacher has σ(1) = 0.7311."""
    student, teacher = pixels((-3.0, 5.0)), pixels((0.2, 0.1))
    sure = 1 / (1 + math.exp(-1))
    by_hand = sure * math.log(sure / (1 - sure)) + (1 - sure) * math.log((1 - sure) / sure)
    assert by_hand == pytest.approx(0.462117, abs=1e-6)
    found = standardised_kl(student=student, teacher=teacher, temperature=2)
    assert found.item() == pytest.approx(4 * by_hand)


def test_the_scores_of_a_pixel_have_mean_nought_and_variance_one() -> None:
    scores = standardise(normal(0, 2, 5, 3, 3, scale=7) + 4)
    torch.testing.assert_close(scores.mean(dim=1), torch.zeros(2, 3, 3).double())
    torch.testing.assert_close(scores.square().mean(dim=1), torch.ones(2, 3, 3).double())


def test_the_size_of_logits_does_not_count() -> None:
    student, teacher = normal(0, 2, 5, 3, 3), normal(1, 2, 5, 3, 3)
    sizes, shifts = normal(2, 2, 1, 3, 3).exp(), normal(3, 2, 1, 3, 3)
    plain = standardised_kl(student=student, teacher=teacher, temperature=2)
    torch.testing.assert_close(
        standardised_kl(student=student * sizes + shifts, teacher=teacher / sizes, temperature=2), plain
    )
    assert standardised_kl(student=-student, teacher=teacher, temperature=2) != plain


def test_it_is_soft_targets_of_the_scores_with_t_squared() -> None:
    student, teacher = normal(0, 2, 5, 3, 3), normal(1, 2, 5, 3, 3)
    ours, theirs = standardise(student), standardise(teacher)
    expected = soft_target_kl(student=ours, teacher=theirs, temperature=3)
    torch.testing.assert_close(standardised_kl(student=student, teacher=teacher, temperature=3), expected)
    without = (theirs / 3).softmax(1) * ((theirs / 3).log_softmax(1) - (ours / 3).log_softmax(1))
    torch.testing.assert_close(expected, 9 * without.sum(dim=1).mean())


@pytest.mark.parametrize("level", [0.0, 100 / 3, -12345.6])
def test_a_pixel_that_prefers_no_class_has_scores_of_nought_and_no_gradient(level: float) -> None:
    """In float32 the mean of equal numbers is off by a rounding, which must not be blown up to a deviation of one."""
    student = torch.full((1, 6, 1, 2), level)
    student[0, :, 0, 1] = torch.arange(6.0)
    student.requires_grad_()
    found = standardised_kl(student=student, teacher=normal(1, 1, 6, 1, 2).float(), temperature=2)
    found.backward()
    assert (standardise(student)[..., 0].abs() == 0).all()
    assert student.grad is not None
    assert (student.grad[..., 0] == 0).all()
    assert (student.grad[..., 1] != 0).any()
