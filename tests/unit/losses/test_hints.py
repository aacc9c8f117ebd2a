"""Hints are a mean squared difference, after a learned projection and at the smaller of the two sizes."""

import math

import pytest
import torch
from torch import Tensor

from core.losses.hints import Projection, feature_hint
from tests.unit.losses.tensors import enlarged, normal, numbers, some


def reference(student: Tensor, teacher: Tensor, weights: Tensor) -> float:
    above = below = 0.0
    for image, row, column in weights.nonzero().tolist():
        weight = weights[image, row, column].item()
        gaps = (student - teacher)[image, :, row, column].tolist()
        above += weight * math.fsum(gap**2 for gap in gaps) / len(gaps)
        below += weight
    return above / below


def test_it_is_the_formula() -> None:
    student, teacher, valid = normal(0, 2, 3, 4, 5), normal(1, 2, 3, 4, 5), some(2, 2, 4, 5)
    found = feature_hint(student=student, teacher=teacher, valid=valid)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(reference(student, teacher, valid.double()), rel=1e-10)


def test_a_position_weighs_its_share_of_valid_pixels() -> None:
    student, teacher, valid = normal(0, 2, 3, 2, 2), normal(1, 2, 3, 2, 2), some(2, 2, 4, 4, share=0.6)
    shares = valid.double().view(2, 2, 2, 2, 2).mean(dim=(2, 4))
    found = feature_hint(student=student, teacher=teacher, valid=valid)
    assert found.item() == pytest.approx(reference(student, teacher, shares), rel=1e-10)


def test_two_positions_by_hand() -> None:
    """Gaps 1, 2 and 3, 0: (1 + 4 + 9 + 0) / 4. The paper's half of the sum is C·H·W / 2 = 2 times as much."""
    student, teacher = numbers((1, 3), (2, 0)), numbers((0, 0), (0, 0))
    found = feature_hint(student=student, teacher=teacher).item()
    assert found == pytest.approx(3.5)
    assert 0.5 * (student - teacher).square().sum().item() == pytest.approx(2 * found)


def test_the_larger_map_is_averaged_down_whosever_it_is() -> None:
    small, large = normal(0, 2, 3, 2, 3), normal(1, 2, 3, 4, 6)
    expected = (small - large.view(2, 3, 2, 2, 3, 2).mean(dim=(3, 5))).square().mean()
    torch.testing.assert_close(feature_hint(student=small, teacher=large), expected)
    torch.testing.assert_close(feature_hint(student=large, teacher=small), expected)
    torch.testing.assert_close(
        feature_hint(student=enlarged(small, 2), teacher=large),
        (enlarged(small, 2) - large).square().mean(),
    )


def test_channels_that_do_not_match_must_be_projected() -> None:
    with pytest.raises(AssertionError, match="project the student's features"):
        feature_hint(student=normal(0, 2, 1, 4, 4), teacher=normal(1, 2, 3, 4, 4))


def test_a_projection_mixes_the_channels_of_each_position() -> None:
    projection = Projection(student_channels=2, teacher_channels=3).double()
    features = normal(0, 2, 2, 4, 5)
    weight, bias = projection.convolution.weight[:, :, 0, 0], projection.convolution.bias
    assert bias is not None
    by_hand = torch.einsum("ts,bshw->bthw", weight, features) + bias[:, None, None]
    torch.testing.assert_close(projection(features), by_hand)


def test_a_projection_learns_what_a_mixture_of_channels_can_tell() -> None:
    student, mixture = normal(0, 2, 2, 6, 6), normal(1, 3, 2)
    teacher = torch.einsum("ts,bshw->bthw", mixture, student)
    torch.manual_seed(0)
    projection = Projection(student_channels=2, teacher_channels=3).double()
    optimiser = torch.optim.SGD(projection.parameters(), lr=0.5)
    for _ in range(150):
        optimiser.zero_grad()
        loss = feature_hint(student=projection(student), teacher=teacher)
        loss.backward()
        optimiser.step()
    assert loss.item() < 1e-6


def test_a_projection_takes_half_precision_features_and_keeps_autocast() -> None:
    projection, features = Projection(student_channels=2, teacher_channels=3), normal(0, 1, 2, 4, 4).bfloat16()
    assert projection(features).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        projected = projection(features)
        loss = feature_hint(student=projected, teacher=normal(1, 1, 3, 4, 4).bfloat16())
    loss.backward()
    assert projected.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in projection.parameters())
