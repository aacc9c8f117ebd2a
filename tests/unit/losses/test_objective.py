"""What is minimised is the sum of its named terms, and alpha weighs labels against the teacher."""

import pytest
import torch
from torch import Tensor

from core.losses.objective import distillation_terms, total
from core.losses.soft_targets import soft_target_kl
from core.losses.supervised import supervised

IGNORE = 5


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Student and teacher logits (2, 5, 4, 4), and labels of which some are missing."""
    random = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(2, 5, 4, 4, generator=random) for _ in range(2))
    return student, teacher, torch.randint(0, 6, (2, 4, 4), generator=random)


def terms_of(batch: tuple[Tensor, Tensor, Tensor], alpha: float, *, dice_share: float = 0.5) -> dict[str, Tensor]:
    student, teacher, labels = batch
    return distillation_terms(
        student=student,
        teacher=teacher,
        labels=labels,
        ignore_index=IGNORE,
        alpha=alpha,
        temperature=3.0,
        dice_share=dice_share,
    )


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_it_is_alpha_of_the_labels_and_the_rest_of_the_teacher(
    batch: tuple[Tensor, Tensor, Tensor], alpha: float
) -> None:
    student, teacher, labels = batch
    hard = supervised(logits=student, labels=labels, ignore_index=IGNORE, dice_share=0.5)
    soft = soft_target_kl(student=student, teacher=teacher, temperature=3.0, valid=labels != IGNORE)
    expected = alpha * (hard["cross_entropy"] + hard["dice"]) + (1 - alpha) * soft
    torch.testing.assert_close(total(terms_of(batch, alpha)), expected)


def test_teacher_only_has_no_term_of_labels(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    assert set(terms_of(batch, 0)) == {"soft_targets"}


def test_labels_only_is_what_a_control_minimises(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, _, labels = batch
    found = terms_of(batch, 1)
    assert set(found) == {"cross_entropy", "dice"}
    assert found == supervised(logits=student, labels=labels, ignore_index=IGNORE, dice_share=0.5)


def test_every_term_between_has_its_name(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    assert set(terms_of(batch, 0.5)) == {"cross_entropy", "dice", "soft_targets"}
    assert set(terms_of(batch, 0.5, dice_share=0)) == {"cross_entropy", "soft_targets"}


def test_the_total_is_the_sum_of_the_terms() -> None:
    terms = {"a": torch.tensor(1.5), "b": torch.tensor(-0.25), "c": torch.tensor(4.0)}
    assert total(terms).item() == 5.25
    assert total({"only": torch.tensor(2.0)}).item() == 2.0


def test_the_labels_are_learnt_at_temperature_one(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, teacher, labels = batch

    def hard(temperature: float) -> Tensor:
        return distillation_terms(
            student=student,
            teacher=teacher,
            labels=labels,
            ignore_index=IGNORE,
            alpha=0.5,
            temperature=temperature,
            dice_share=0.5,
        )["cross_entropy"]

    assert hard(1.0) == hard(20.0)


def test_pixels_that_nobody_labelled_count_in_no_term(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, teacher, labels = batch
    student = student.clone().requires_grad_()
    total(terms_of((student, teacher, labels), 0.5)).backward()
    assert student.grad is not None
    by_pixel = student.grad.abs().sum(dim=1)
    assert (by_pixel[labels == IGNORE] == 0).all()
    assert (by_pixel[labels != IGNORE] > 0).all()


def test_a_batch_without_a_label_asks_nothing(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, teacher, labels = batch
    student = student.clone().requires_grad_()
    loss = total(terms_of((student, teacher, torch.full_like(labels, IGNORE)), 0.5))
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert (student.grad == 0).all()


def test_the_teacher_gets_no_gradient_that_it_did_not_ask_for(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, teacher, labels = batch
    student = student.clone().requires_grad_()
    total(terms_of((student, teacher, labels), 0.5)).backward()
    assert teacher.grad is None
    assert not teacher.requires_grad
