"""Soft targets by the edge: more weight where the teacher sees one, and none of it where the weight is alike."""

import math

import pytest
import torch
from torch import Tensor

from core.losses.boundary import boundary_soft_target_kl, near_edge
from core.losses.soft_targets import soft_target_kl
from tests.unit.losses.tensors import normal, pixels, some


def near_by_hand(teacher: Tensor, pixels: int, valid: Tensor) -> Tensor:
    """Pixel by pixel: does any valid pixel within reach have another class?"""
    classes, found = teacher.argmax(dim=1), torch.zeros_like(valid)
    for image, row, column in valid.nonzero().tolist():
        rows, columns = (
            slice(max(0, row - pixels), row + pixels + 1),
            slice(max(0, column - pixels), column + pixels + 1),
        )
        others = classes[image, rows, columns] != classes[image, row, column]
        found[image, row, column] = bool((others & valid[image, rows, columns]).any())
    return found


def blocks(seed: int) -> Tensor:
    """Logits (2, 4, 12, 14) whose argmax has areas, so that not every pixel is near an edge."""
    return normal(seed, 2, 4, 3, 2, scale=3).repeat_interleave(4, dim=2).repeat_interleave(7, dim=3)


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_it_is_the_formula(reach: int) -> None:
    student, teacher, valid = normal(0, 2, 4, 12, 14, scale=3), blocks(1), some(2, 2, 12, 14)
    near = near_by_hand(teacher, reach, valid)
    assert 0 < near.sum() < valid.sum()
    q, p = ((values / 2).exp() / (values / 2).exp().sum(1, keepdim=True) for values in (teacher, student))
    divergence = (q * (q / p).log()).sum(dim=1)
    above = (5 * divergence[near]).sum() + divergence[valid & ~near].sum()
    expected = 4 * above / (5 * near.sum() + (valid & ~near).sum())
    found = boundary_soft_target_kl(student=student, teacher=teacher, temperature=2, valid=valid, pixels=reach)
    assert found.item() == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("reach", [0, 1, 2, 5, 30])
def test_near_is_within_reach_of_another_class(reach: int) -> None:
    teacher, valid = blocks(1), some(2, 2, 12, 14, share=0.5)
    assert (near_edge(teacher, pixels=reach, valid=valid) & valid).equal(near_by_hand(teacher, reach, valid))
    everywhere = torch.ones_like(valid)
    assert near_edge(teacher, pixels=reach).equal(near_by_hand(teacher, reach, everywhere))


def test_an_edge_has_two_sides_of_so_many_pixels() -> None:
    teacher = pixels(*[(1.0, 0.0)] * 4, *[(0.0, 1.0)] * 4)
    assert near_edge(teacher, pixels=1).flatten().nonzero().flatten().tolist() == [3, 4]
    assert near_edge(teacher, pixels=3).flatten().nonzero().flatten().tolist() == [1, 2, 3, 4, 5, 6]


def test_six_pixels_by_hand() -> None:
    """Two of six are within one pixel of the edge and weigh 5; only the last pixel, which is not, differs: 1 / 14."""
    teacher = pixels(*[(math.log(9), 0.0)] * 3, *[(0.0, math.log(9))] * 3)
    student = teacher.clone()
    student[..., 5] = 0
    one = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    found = boundary_soft_target_kl(student=student, teacher=teacher, temperature=1, pixels=1)
    assert found.item() == pytest.approx(one / 14)
    student = teacher.clone()
    student[..., 2] = 0
    found = boundary_soft_target_kl(student=student, teacher=teacher, temperature=1, pixels=1)
    assert found.item() == pytest.approx(5 * one / 14)


@pytest.mark.parametrize(
    ("teacher", "reach", "emphasis"),
    [
        (normal(1, 2, 4, 12, 14), 0, 4.0),
        (normal(1, 2, 4, 12, 14), 3, 0.0),
        (normal(1, 2, 4, 12, 14), 20, 4.0),
        (normal(1, 2, 4, 12, 14) + torch.tensor([100.0, 0, 0, 0]).view(1, 4, 1, 1), 3, 4.0),
    ],
    ids=["no reach", "no emphasis", "near everywhere", "no edge"],
)
def test_a_weight_that_is_the_same_everywhere_changes_nothing(teacher: Tensor, reach: int, emphasis: float) -> None:
    student = normal(0, 2, 4, 12, 14)
    found = boundary_soft_target_kl(student=student, teacher=teacher, temperature=2, pixels=reach, emphasis=emphasis)
    torch.testing.assert_close(found, soft_target_kl(student=student, teacher=teacher, temperature=2))


def test_the_edges_are_the_teachers() -> None:
    student, teacher = blocks(0), torch.zeros(2, 4, 12, 14, dtype=torch.float64)
    found = boundary_soft_target_kl(student=student, teacher=teacher, temperature=2)
    torch.testing.assert_close(found, soft_target_kl(student=student, teacher=teacher, temperature=2))


def test_ignored_pixels_draw_no_edge() -> None:
    teacher = pixels((1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.0))
    valid = torch.tensor([[[True, True, False, True]]])
    assert not near_edge(teacher, pixels=1, valid=valid)[valid].any()
    assert near_edge(teacher, pixels=1)[valid].any()
