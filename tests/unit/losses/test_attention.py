"""Attention transfer against the formula: the student should be active where the teacher is."""

import math

import pytest
import torch
from torch import Tensor

from core.losses.attention import attention_transfer
from tests.unit.losses.tensors import enlarged, normal, numbers, some


def reference(student: Tensor, teacher: Tensor, weights: Tensor) -> float:
    """Equation 2 of arXiv 1612.03928 with p = 2 and plain numbers, the sums over positions weighed."""
    each = []
    for ours, theirs, shares in zip(student.flatten(2), teacher.flatten(2), weights.flatten(1), strict=True):
        if shares.sum() == 0:
            continue
        maps = []
        for features in (ours, theirs):
            energy = [math.fsum(x**2 for x in features[:, i].tolist()) for i in range(len(shares))]
            length = math.sqrt(math.fsum(w * q**2 for w, q in zip(shares.tolist(), energy, strict=True)))
            maps.append([q / length for q in energy])
        each.append(math.sqrt(math.fsum(w * (a - b) ** 2 for w, a, b in zip(shares.tolist(), *maps, strict=True))))
    return math.fsum(each) / len(each)


def test_it_is_the_formula() -> None:
    student, teacher, valid = normal(0, 3, 3, 2, 4), normal(1, 3, 5, 2, 4), some(2, 3, 2, 4)
    valid[1] = False
    found = attention_transfer(student=student, teacher=teacher, valid=valid)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(reference(student, teacher, valid.double()), rel=1e-10)


def test_a_position_weighs_its_share_of_valid_pixels() -> None:
    student, teacher, valid = normal(0, 2, 3, 2, 2), normal(1, 2, 5, 2, 2), some(2, 2, 4, 4, share=0.6)
    shares = valid.double().view(2, 2, 2, 2, 2).mean(dim=(2, 4))
    assert ((shares > 0) & (shares < 1)).sum() > 0
    found = attention_transfer(student=student, teacher=teacher, valid=valid)
    assert found.item() == pytest.approx(reference(student, teacher, shares), rel=1e-10)


def test_two_positions_by_hand() -> None:
    """Energies (3, 4) have length 5; against (1, 0) the gap is (−0.4, 0.8), of length √0.8."""
    student, teacher = numbers((1, 2), (1, 0), (1, 0)), numbers((-7, 0))
    assert attention_transfer(student=student, teacher=teacher).item() == pytest.approx(math.sqrt(0.8))
    elsewhere = numbers((0, 2))
    assert attention_transfer(student=elsewhere, teacher=teacher).item() == pytest.approx(math.sqrt(2))


def test_neither_sign_nor_size_nor_the_number_of_channels_counts() -> None:
    student, teacher = normal(0, 2, 3, 4, 4), normal(1, 2, 5, 4, 4)
    plain = attention_transfer(student=student, teacher=teacher)
    torch.testing.assert_close(attention_transfer(student=-9 * student, teacher=teacher), plain)
    torch.testing.assert_close(attention_transfer(student=student.repeat(1, 4, 1, 1), teacher=teacher), plain)


def test_very_small_features_count_like_any_others() -> None:
    student, teacher = normal(0, 2, 3, 4, 4).float(), normal(1, 2, 5, 4, 4).float()
    plain = attention_transfer(student=student, teacher=teacher)
    torch.testing.assert_close(attention_transfer(student=1e-4 * student, teacher=teacher), plain)


def test_a_finer_copy_of_the_same_map_is_the_same_map() -> None:
    """The mean over positions of the authors' code would be weaker by the number of positions."""
    student, teacher = normal(0, 2, 3, 4, 4), normal(1, 2, 5, 4, 4)
    plain = attention_transfer(student=student, teacher=teacher)
    torch.testing.assert_close(attention_transfer(student=enlarged(student, 2), teacher=teacher), plain)
    finer = attention_transfer(student=enlarged(student, 2), teacher=enlarged(teacher, 2))
    torch.testing.assert_close(finer, plain)


def test_it_is_energy_that_is_averaged_not_features() -> None:
    """Strong activations of opposite signs side by side are attention; their mean would be none."""
    student, teacher = numbers((3, -3, 1, 1)), numbers((9, 1))
    assert attention_transfer(student=student, teacher=teacher).item() < 0.1


def test_a_student_without_attention_has_no_gradient() -> None:
    student = torch.zeros(1, 3, 2, 2, requires_grad=True)
    found = attention_transfer(student=student, teacher=normal(1, 1, 3, 2, 2).float())
    found.backward()
    assert found.item() == pytest.approx(1)
    assert student.grad is not None
    assert (student.grad == 0).all()
