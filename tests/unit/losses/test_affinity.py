"""Pairwise affinity against the formula: the same cells should be alike to the student as to the teacher."""

import math

import pytest
import torch
from torch import Tensor

from core.losses.affinity import pairwise_affinity
from tests.unit.losses.tensors import enlarged, normal, numbers, some


def reference(student: Tensor, teacher: Tensor, weights: Tensor) -> float:
    """The pairwise term of arXiv 1903.04197 with plain numbers, on maps that need no pooling."""

    def cosine(a: list[float], b: list[float]) -> float:
        return math.fsum(x * y for x, y in zip(a, b, strict=True)) / math.dist(a, [0] * len(a)) / math.hypot(*b)

    above = below = 0.0
    for ours, theirs, shares in zip(student.flatten(2), teacher.flatten(2), weights.flatten(1), strict=True):
        for i in range(len(shares)):
            for j in range(len(shares)):
                gap = cosine(ours[:, i].tolist(), ours[:, j].tolist()) - cosine(
                    theirs[:, i].tolist(), theirs[:, j].tolist()
                )
                above += (shares[i] * shares[j]).item() * gap**2
                below += (shares[i] * shares[j]).item()
    return above / below


def test_it_is_the_formula() -> None:
    student, teacher, valid = normal(0, 2, 3, 2, 4), normal(1, 2, 5, 2, 4), some(2, 2, 2, 4)
    found = pairwise_affinity(student=student, teacher=teacher, valid=valid)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(reference(student, teacher, valid.double()), rel=1e-10)


def test_a_pair_weighs_the_product_of_its_cells_shares_of_valid_pixels() -> None:
    student, teacher, valid = normal(0, 2, 3, 2, 2), normal(1, 2, 5, 2, 2), some(2, 2, 4, 4, share=0.6)
    shares = valid.double().view(2, 2, 2, 2, 2).mean(dim=(2, 4))
    assert ((shares > 0) & (shares < 1)).sum() > 0
    found = pairwise_affinity(student=student, teacher=teacher, valid=valid)
    assert found.item() == pytest.approx(reference(student, teacher, shares), rel=1e-10)


def test_two_cells_by_hand() -> None:
    """To the student the cells are at right angles, to the teacher alike: two of the four pairs are off by one."""
    student, teacher = numbers((2, 0), (0, 5)), numbers((1, 3), (1, 3), (1, 3))
    assert pairwise_affinity(student=student, teacher=teacher).item() == pytest.approx(0.5)
    opposite = numbers((1, -3))
    assert pairwise_affinity(student=opposite, teacher=teacher).item() == pytest.approx(0.5 * 2**2)


def test_maps_are_averaged_onto_a_grid_of_at_most_so_many_cells() -> None:
    student, teacher = normal(0, 2, 3, 8, 8), normal(1, 2, 5, 16, 16)
    ours, theirs = student.view(2, 3, 2, 4, 2, 4).mean((3, 5)), teacher.view(2, 5, 2, 8, 2, 8).mean((3, 5))
    found = pairwise_affinity(student=student, teacher=teacher, grid=2)
    assert found.item() == pytest.approx(reference(ours, theirs, torch.ones(2, 2, 2)), rel=1e-10)


def test_a_finer_copy_of_the_same_map_is_the_same_map() -> None:
    """Strides do not count: a sum over pairs, or a mean over the wrong number of them, would differ."""
    student, teacher = normal(0, 2, 3, 4, 4), normal(1, 2, 5, 4, 4)
    plain = pairwise_affinity(student=student, teacher=teacher)
    torch.testing.assert_close(pairwise_affinity(student=enlarged(student, 2), teacher=teacher), plain)
    torch.testing.assert_close(pairwise_affinity(student=student, teacher=enlarged(teacher, 4)), plain)
    finer = pairwise_affinity(student=enlarged(student, 2), teacher=enlarged(teacher, 2))
    torch.testing.assert_close(finer, plain)


def test_the_length_of_features_and_the_basis_do_not_count() -> None:
    student, teacher = normal(0, 2, 3, 4, 4), normal(1, 2, 5, 4, 4)
    plain = pairwise_affinity(student=student, teacher=teacher)
    lengths = normal(2, 2, 1, 4, 4).exp()
    torch.testing.assert_close(pairwise_affinity(student=student * lengths, teacher=teacher), plain)
    torch.testing.assert_close(pairwise_affinity(student=student, teacher=-teacher.flip(1)), plain)


def test_very_small_features_count_like_any_others() -> None:
    student, teacher = normal(0, 2, 3, 4, 4).float(), normal(1, 2, 5, 4, 4).float()
    plain = pairwise_affinity(student=student, teacher=teacher)
    torch.testing.assert_close(pairwise_affinity(student=1e-6 * student, teacher=teacher), plain)


def test_a_cell_of_zeros_is_like_no_other_and_has_no_gradient() -> None:
    student = numbers((2.0, 0.0), (1.0, 0.0)).requires_grad_()
    found = pairwise_affinity(student=student, teacher=numbers((1, 1)))
    found.backward()
    assert found.item() == pytest.approx(3 / 4)
    assert student.grad is not None
    assert (student.grad[..., 1] == 0).all()
