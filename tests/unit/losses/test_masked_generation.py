"""Masked generation: what is hidden from the generator cannot reach it, and it must still make all of the teacher's."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.losses.masked_generation import Generator, keep_mask, masked_generation
from tests.unit.losses.tensors import normal, numbers, some


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generator(*, student_channels: int = 2, teacher_channels: int = 3) -> Generator:
    torch.manual_seed(0)
    return Generator(student_channels=student_channels, teacher_channels=teacher_channels).double()


def test_it_is_the_papers_sum_divided_by_all_that_is_summed() -> None:
    """Equation 4 of arXiv 2205.01529, which the authors' code averages over the batch: C·H·W times ours."""
    generated, teacher = normal(0, 2, 3, 4, 5), normal(1, 2, 3, 4, 5)
    papers = sum(
        (generated[b, c, y, x] - teacher[b, c, y, x]).item() ** 2
        for b in range(2)
        for c in range(3)
        for y in range(4)
        for x in range(5)
    )
    assert masked_generation(student=generated, teacher=teacher).item() == pytest.approx(papers / 2 / (3 * 4 * 5))


def test_two_positions_by_hand() -> None:
    """The first position is ignored: (2² + 4²) / 2."""
    found = masked_generation(
        student=numbers((9, 2), (9, 4)), teacher=numbers((0, 0), (0, 0)), valid=torch.tensor([[[False, True]]])
    )
    assert found.item() == pytest.approx(10)


def test_hidden_and_kept_positions_of_the_teacher_count_alike() -> None:
    """All of the teacher's features are to be made, not only those that were hidden."""
    teacher = normal(1, 1, 3, 4, 4)
    for hole in [(0, 0), (2, 3)]:
        student = teacher.clone()
        student[0, :, hole[0], hole[1]] += 1
        assert masked_generation(student=student, teacher=teacher).item() == pytest.approx(1 / 16)


@pytest.mark.parametrize("hidden", [0.0, 0.15, 0.75, 1.0])
def test_the_mask_hides_that_share_of_positions(hidden: float) -> None:
    keep = keep_mask((4, 50, 50), random=seeded(0), hidden=hidden)
    assert keep.shape == (4, 50, 50)
    assert keep.dtype == torch.bool
    assert 1 - keep.double().mean().item() == pytest.approx(hidden, abs=0.015)


def test_the_paper_hides_three_quarters() -> None:
    assert 1 - keep_mask((4, 50, 50), random=seeded(0)).double().mean().item() == pytest.approx(0.75, abs=0.015)


def test_the_mask_comes_from_the_seed_and_from_nothing_else() -> None:
    torch.manual_seed(1)
    first = keep_mask((2, 8, 8), random=seeded(7))
    before = torch.get_rng_state()
    torch.manual_seed(2)
    assert first.equal(keep_mask((2, 8, 8), random=seeded(7)))
    assert not first.equal(keep_mask((2, 8, 8), random=seeded(8)))
    torch.manual_seed(1)
    assert torch.get_rng_state().equal(before)
    assert not first[0].equal(first[1])


def test_a_generator_is_project_then_hide_then_two_convolutions() -> None:
    makes, features, keep = generator(), normal(0, 2, 2, 5, 6), some(2, 2, 5, 6)
    aligned = functional.conv2d(features, makes.align.convolution.weight, makes.align.convolution.bias)
    between = functional.conv2d(aligned * keep[:, None], makes.first.weight, makes.first.bias, padding=1).clamp(min=0)
    by_hand = functional.conv2d(between, makes.second.weight, makes.second.bias, padding=1)
    torch.testing.assert_close(makes(features, keep), by_hand)


def test_there_is_no_projection_where_the_channels_are_the_same() -> None:
    assert isinstance(generator(teacher_channels=2).align, nn.Identity)
    assert len(list(generator(teacher_channels=2).parameters())) == 4
    assert len(list(generator(teacher_channels=3).parameters())) == 6


def test_what_is_hidden_cannot_reach_the_loss() -> None:
    makes, teacher, keep = generator(), normal(1, 2, 3, 6, 6), keep_mask((2, 6, 6), random=seeded(0), hidden=0.5)
    features = normal(0, 2, 2, 6, 6).requires_grad_()
    other = features.detach().where(keep[:, None], normal(3, 2, 2, 6, 6, scale=50))
    torch.testing.assert_close(makes(other, keep), makes(features, keep))
    masked_generation(student=makes(features, keep), teacher=teacher).backward()
    assert features.grad is not None
    by_position = features.grad.abs().sum(dim=1)
    assert (by_position[~keep] == 0).all()
    assert (by_position[keep] > 0).all()


def test_the_generator_learns_with_the_student() -> None:
    makes, teacher = generator(), normal(1, 2, 3, 6, 6)
    features = normal(0, 2, 2, 6, 6).requires_grad_()
    optimiser = torch.optim.SGD([features, *makes.parameters()], lr=0.2)

    def loss_now() -> Tensor:
        keep = keep_mask((2, 6, 6), random=seeded(0))
        return masked_generation(student=makes(features, keep), teacher=teacher)

    before = loss_now().item()
    for _ in range(30):
        optimiser.zero_grad()
        loss_now().backward()
        optimiser.step()
    assert loss_now().item() < 0.9 * before


def test_half_precision_features_and_autocast() -> None:
    makes, keep = generator().float(), some(2, 2, 4, 4)
    features = normal(0, 2, 2, 4, 4).bfloat16()
    assert makes(features, keep).dtype == torch.float32
    exact = masked_generation(student=makes(features, keep), teacher=normal(1, 2, 3, 4, 4).float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = makes(features, keep)
        loss = masked_generation(student=made, teacher=normal(1, 2, 3, 4, 4).float())
    loss.backward()
    assert made.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in makes.parameters())
