"""Correlation against numpy's: relations between the classes of a pixel, and between the pixels of a class."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from core.losses.correlation import correlation
from tests.unit.losses.tensors import normal, pixels, some


def reference(student: Tensor, teacher: Tensor, temperature: float, valid: Tensor) -> float:
    """Equations 5 to 9 of arXiv 2205.10536 on a table of valid pixels × classes, with both weights at one."""

    def table(logits: Tensor) -> np.ndarray:
        rows = logits.numpy().transpose(0, 2, 3, 1)[valid.numpy()]
        powers = np.exp(rows / temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    p, q = table(student), table(teacher)
    between = [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)]
    within = [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)]
    return temperature**2 * float(np.mean(between) + np.mean(within))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("classes", [3, 6])
def test_it_is_the_formula(temperature: float, classes: int) -> None:
    student, teacher = normal(0, 2, classes, 3, 4, scale=3), normal(1, 2, classes, 3, 4, scale=3)
    valid = some(2, 2, 3, 4)
    found = correlation(student=student, teacher=teacher, temperature=temperature, valid=valid)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(reference(student, teacher, temperature, valid), rel=1e-9)


def test_three_pixels_by_hand() -> None:
    """Of two classes, r between classes is 1 wherever both prefer the same one.

    Within: teacher (−0.1, 0, 0.1) and student (−0.1, −0.1, 0.2) off their means have r = 0.03 / √(0.02 · 0.06).
    """
    teacher = [(math.log(p), math.log(1 - p)) for p in (0.1, 0.2, 0.3)]
    student = [(math.log(p), math.log(1 - p)) for p in (0.1, 0.1, 0.4)]
    within = 1 - math.sqrt(3) / 2
    found = correlation(student=pixels(*student), teacher=pixels(*teacher), temperature=1)
    assert found.item() == pytest.approx(within)
    warmer = [pixels(*[(2 * a, 2 * b) for a, b in rows]) for rows in (student, teacher)]
    assert correlation(student=warmer[0], teacher=warmer[1], temperature=2).item() == pytest.approx(4 * within)


def test_the_opposite_opinion_costs_two_twice() -> None:
    student, teacher = pixels((0.0, 1.0), (2.0, 0.0)), pixels((1.0, 0.0), (0.0, 2.0))
    assert correlation(student=student, teacher=teacher, temperature=1).item() == pytest.approx(4)


def test_it_is_blind_to_a_student_that_is_as_sure_everywhere_by_the_same_factor() -> None:
    """Probabilities half way to undecided: the relations are the teacher's, though a divergence would not be zero."""
    q = normal(1, 2, 3, 4, 4, scale=2).softmax(dim=1)
    student = (0.5 * q + 0.5 / 3).log()
    assert correlation(student=student, teacher=q.log(), temperature=1).item() == pytest.approx(0, abs=1e-12)


def test_the_temperature_divides_logits_before_one_softmax() -> None:
    teacher = normal(1, 2, 5, 3, 4, scale=3)
    student = teacher + normal(0, 2, 5, 3, 4)
    found = correlation(student=student, teacher=teacher, temperature=2).item()
    twice = correlation(student=student.softmax(1), teacher=teacher.softmax(1), temperature=2).item()
    cold = 4 * correlation(student=student, teacher=teacher, temperature=1).item()
    assert abs(found - twice) > 0.05 * found
    assert abs(found - cold) > 0.05 * found


def test_within_a_class_all_pixels_of_the_batch_are_compared_together() -> None:
    """Each image of one pixel alone would have no deviation at all."""
    student, teacher = normal(0, 4, 3, 1, 1), normal(1, 4, 3, 1, 1)
    beside = [values.permute(2, 1, 0, 3) for values in (student, teacher)]
    found = correlation(student=student, teacher=teacher, temperature=1)
    torch.testing.assert_close(correlation(student=beside[0], teacher=beside[1], temperature=1), found)


@pytest.mark.parametrize("level", [0.0, 100 / 3])
def test_an_undecided_student_correlates_with_nothing_and_has_no_gradient(level: float) -> None:
    student = torch.full((2, 6, 8, 8), level, requires_grad=True)
    found = correlation(student=student, teacher=normal(1, 2, 6, 8, 8).float(), temperature=2)
    found.backward()
    assert found.item() == pytest.approx(2 * 2**2)
    assert student.grad is not None
    assert (student.grad == 0).all()
