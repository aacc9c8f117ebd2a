"""Losses against labels: equal to torch's where torch has them, to hand-worked values where it has not."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from core.losses.supervised import cross_entropy, dice, supervised

IGNORE = 5


def batch(seed: int = 0, *, ignored: float = 0.3, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Logits (2, 5, 6, 7) and labels (2, 6, 7), a share of them unlabelled."""
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 5, 6, 7, generator=random, dtype=dtype)
    labels = torch.randint(0, 5, (2, 6, 7), generator=random)
    labels[torch.rand(2, 6, 7, generator=random) < ignored] = IGNORE
    return logits, labels


def sure_of(labels: Tensor, classes: int) -> Tensor:
    """Logits that give these labels a probability of one."""
    return 1000.0 * functional.one_hot(labels, classes).permute(0, 3, 1, 2)


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_is_the_mean_over_labelled_pixels(seed: int) -> None:
    logits, labels = batch(seed)
    found = cross_entropy(logits=logits, labels=labels, ignore_index=IGNORE)
    torch.testing.assert_close(found, functional.cross_entropy(logits, labels, ignore_index=IGNORE))


def test_cross_entropy_of_a_pixel_by_hand() -> None:
    logits = torch.tensor([3.0, 1.0]).log().view(1, 2, 1, 1)
    found = cross_entropy(logits=logits, labels=torch.tensor([[[1]]]), ignore_index=2)
    assert found.item() == pytest.approx(1.386294, abs=1e-6)


def test_nothing_labelled_is_zero_with_a_finite_gradient() -> None:
    """torch's own mean is nan here."""
    logits, labels = batch()
    logits.requires_grad_()
    nothing = torch.full_like(labels, IGNORE)
    terms = supervised(logits=logits, labels=nothing, ignore_index=IGNORE, dice_share=0.5)
    loss = terms["cross_entropy"] + terms["dice"]
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_unlabelled_pixels_change_neither_loss_nor_gradient() -> None:
    logits, labels = batch()
    other = torch.where((labels == IGNORE)[:, None], 50 * torch.randn_like(logits), logits)
    for loss in (cross_entropy, dice):
        one, two = logits.clone().requires_grad_(), other.clone().requires_grad_()
        torch.testing.assert_close(
            loss(logits=one, labels=labels, ignore_index=IGNORE), loss(logits=two, labels=labels, ignore_index=IGNORE)
        )
        loss(logits=one, labels=labels, ignore_index=IGNORE).backward()
        assert one.grad is not None
        assert (one.grad.abs().sum(dim=1)[labels == IGNORE] == 0).all()
        assert (one.grad.abs().sum(dim=1)[labels != IGNORE] > 0).all()


@pytest.mark.parametrize("loss", [cross_entropy, dice])
def test_the_gradient_is_right(loss: object) -> None:
    assert callable(loss)
    logits, labels = batch()
    assert torch.autograd.gradcheck(
        lambda z: loss(logits=z, labels=labels[:, :2, :2], ignore_index=IGNORE),
        logits[:, :, :2, :2].clone().requires_grad_(),
    )


def test_dice_of_four_pixels_by_hand() -> None:
    """Truth 0 0 1 1, sure prediction 0 1 1 1: class 0 overlaps 1 of 2 + 1, class 1 overlaps 2 of 2 + 3."""
    truth, guess = torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 1, 1, 1]]])
    found = dice(logits=sure_of(guess, 2), labels=truth, ignore_index=2, smooth=0.0)
    assert found.item() == pytest.approx(1 - (2 * 1 / 3 + 2 * 2 / 5) / 2)
    smoothed = dice(logits=sure_of(guess, 2), labels=truth, ignore_index=2)
    assert smoothed.item() == pytest.approx(1 - (3 / 4 + 5 / 6) / 2)


def test_dice_is_nought_when_all_is_right_and_near_one_when_all_is_wrong() -> None:
    truth = torch.arange(4).repeat(64).view(1, 16, 16)
    assert dice(logits=sure_of(truth, 4), labels=truth, ignore_index=4).item() == pytest.approx(0, abs=1e-6)
    wrong = dice(logits=sure_of((truth + 1) % 4, 4), labels=truth, ignore_index=4, smooth=1e-6)
    assert wrong.item() == pytest.approx(1, abs=1e-6)


def test_dice_counts_only_the_classes_that_occur() -> None:
    """Impossible classes that no pixel has change nothing, though their own score would be a perfect one."""
    logits, labels = batch(ignored=0)
    wider = torch.cat([logits, torch.full_like(logits, -1e9)], dim=1)
    torch.testing.assert_close(
        dice(logits=wider, labels=labels, ignore_index=10), dice(logits=logits, labels=labels, ignore_index=IGNORE)
    )


def test_dice_is_over_the_batch_as_a_whole() -> None:
    logits, labels = batch(ignored=0)
    joined = dice(logits=torch.cat([*logits], dim=1)[None], labels=torch.cat([*labels])[None], ignore_index=IGNORE)
    torch.testing.assert_close(dice(logits=logits, labels=labels, ignore_index=IGNORE), joined)


def test_a_step_down_the_gradient_lowers_both() -> None:
    logits, labels = batch()
    for loss in (cross_entropy, dice):
        start = logits.clone().requires_grad_()
        before = loss(logits=start, labels=labels, ignore_index=IGNORE)
        before.backward()
        assert start.grad is not None
        after = loss(logits=(start - 0.1 * start.grad).detach(), labels=labels, ignore_index=IGNORE)
        assert after < before


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_terms_are_weighted_by_the_share(share: float) -> None:
    logits, labels = batch()
    terms = supervised(logits=logits, labels=labels, ignore_index=IGNORE, dice_share=share)
    assert set(terms) == ({"cross_entropy", "dice"} if share else {"cross_entropy"})
    hard = cross_entropy(logits=logits, labels=labels, ignore_index=IGNORE)
    torch.testing.assert_close(terms["cross_entropy"], (1 - share) * hard)
    if share:
        torch.testing.assert_close(terms["dice"], share * dice(logits=logits, labels=labels, ignore_index=IGNORE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_worked_out_in_single(dtype: torch.dtype) -> None:
    logits, labels = batch(dtype=torch.float32)
    rounded = logits.to(dtype)
    for loss in (cross_entropy, dice):
        found = loss(logits=rounded, labels=labels, ignore_index=IGNORE)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, loss(logits=rounded.float(), labels=labels, ignore_index=IGNORE))


def test_autocast_does_not_round_them() -> None:
    logits, labels = batch(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = supervised(logits=logits, labels=labels, ignore_index=IGNORE, dice_share=0.5)
    outside = supervised(logits=logits, labels=labels, ignore_index=IGNORE, dice_share=0.5)
    torch.testing.assert_close(inside, outside)
