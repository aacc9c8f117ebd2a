"""A mask at the resolution of features is a share of valid pixels, and what weighs nothing counts nowhere."""

import pytest
import torch

from core.losses.masks import common_grid, shares, weighted_mean
from core.losses.sums import over_root
from tests.unit.losses.tensors import enlarged, normal, some


def test_a_share_is_how_much_of_a_position_is_valid() -> None:
    valid = torch.tensor([[[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]], dtype=torch.bool)
    found = shares(valid, like=normal(0, 1, 3, 2, 2))
    assert found.tolist() == [[[1.0, 0.25], [0.0, 0.5]]]


def test_shares_have_the_precision_of_the_features_but_never_half() -> None:
    valid = some(0, 2, 4, 4)
    for features, expected in ((torch.float64,) * 2, (torch.float32,) * 2, (torch.bfloat16, torch.float32)):
        like = torch.zeros(2, 3, 2, 2, dtype=features)
        assert shares(valid, like=like).dtype == expected
        assert shares(None, like=like).dtype == expected


def test_no_mask_is_a_share_of_one_everywhere() -> None:
    assert shares(None, like=normal(0, 2, 3, 4, 5)).tolist() == torch.ones(2, 4, 5).tolist()


def test_every_valid_pixel_gives_some_position_weight_at_sizes_that_do_not_divide() -> None:
    valid = torch.zeros(1, 7, 5, dtype=torch.bool)
    valid[0, 3, 2] = True
    found = shares(valid, like=normal(0, 1, 1, 4, 3))
    assert found.max() > 0
    assert (found > 0).sum() <= 4


def test_a_weighted_mean_by_hand() -> None:
    assert weighted_mean(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.25, 0.0, 0.5])).item() == pytest.approx(
        3.25 / 0.75
    )
    assert weighted_mean(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([True, False, True])).item() == 3.5
    assert weighted_mean(torch.tensor([1.0, 2.0, 6.0]), None).item() == 3


def test_weights_smaller_than_one_in_sum_still_make_a_mean() -> None:
    assert weighted_mean(torch.tensor([8.0, 4.0]), torch.tensor([1e-3, 1e-3])).item() == pytest.approx(6)


def test_no_weight_is_zero_with_a_gradient_of_zero() -> None:
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    found = weighted_mean(values, torch.zeros(2))
    found.backward()
    assert found.item() == 0
    assert values.grad is not None
    assert values.grad.tolist() == [0, 0]


def test_the_larger_map_is_averaged_down_and_the_smaller_one_left_alone() -> None:
    small, large = normal(0, 2, 3, 2, 4), normal(1, 2, 5, 4, 8)
    by_hand = large.view(2, 5, 2, 2, 4, 2).mean(dim=(3, 5))
    ours, theirs, weights = common_grid(student=small, teacher=large, valid=None)
    torch.testing.assert_close(ours, small)
    torch.testing.assert_close(theirs, by_hand)
    assert weights.shape == (2, 2, 4)
    ours, theirs, _ = common_grid(student=large, teacher=small, valid=None)
    torch.testing.assert_close(ours, by_hand)
    torch.testing.assert_close(theirs, small)


def test_an_average_runs_over_valid_positions_alone() -> None:
    features = torch.tensor([[[[1.0, 3.0, 7.0, 9.0]]]])
    valid = torch.tensor([[[True, False, False, False]]])
    ours, _, weights = common_grid(student=features, teacher=torch.zeros(1, 1, 1, 2), valid=valid)
    assert ours.flatten().tolist() == [1.0, 0.0]
    assert weights.flatten().tolist() == [0.5, 0.0]


def test_the_grid_has_at_most_so_many_rows_and_columns() -> None:
    ours, theirs, weights = common_grid(
        student=normal(0, 1, 2, 8, 3), teacher=normal(1, 1, 2, 9, 9), valid=enlarged(some(2, 1, 3, 3), 4), at_most=5
    )
    assert ours.shape[-2:] == theirs.shape[-2:] == weights.shape[-2:] == (5, 3)


def test_over_root_is_a_division_by_the_root() -> None:
    assert over_root(torch.tensor([6.0]), torch.tensor([9.0]), floor=1e-8).item() == pytest.approx(2)


@pytest.mark.parametrize("squares", [0.0, 1e-9])
def test_over_root_of_next_to_nothing_is_zero_with_a_gradient_of_zero(squares: float) -> None:
    values, small = torch.tensor([1e-5], requires_grad=True), torch.tensor([squares], requires_grad=True)
    found = over_root(values, small, floor=1e-8)
    found.backward()
    assert found.item() == 0
    assert values.grad is not None
    assert small.grad is not None
    assert (values.grad.item(), small.grad.item()) == (0, 0)
