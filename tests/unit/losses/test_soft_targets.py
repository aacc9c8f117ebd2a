"""Soft targets against the formula, and against every mistake that published code has made with it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.losses.soft_targets import soft_target_kl


def reference(
    student: NDArray[np.float64], teacher: NDArray[np.float64], temperature: float, valid: NDArray[np.bool_]
) -> float:
    """T² · mean over valid pixels of Σ_c q_c (ln q_c − ln p_c), with q and p written out as in arXiv 1503.02531."""

    def soften(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp(logits / temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    q, p = soften(teacher), soften(student)
    divergence = (q * (np.log(q) - np.log(p))).sum(axis=1)
    return float(temperature**2 * divergence[valid].mean())


def logits(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def of_one_pixel(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.5, 50.0])
@pytest.mark.parametrize(("classes", "height", "width"), [(2, 1, 1), (5, 3, 4), (19, 6, 2)])
def test_it_is_the_formula(temperature: float, classes: int, height: int, width: int) -> None:
    student, teacher = logits(0, 2, classes, height, width), logits(1, 2, classes, height, width)
    valid = torch.rand(2, height, width, generator=torch.Generator().manual_seed(2)) < 0.7
    valid[0, 0, 0] = True
    found = soft_target_kl(student=student, teacher=teacher, temperature=temperature, valid=valid)
    expected = reference(student.numpy(), teacher.numpy(), temperature, valid.numpy())
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("temperature", [0.5, 4.0, 50.0])
def test_single_precision_is_close_to_double(temperature: float) -> None:
    student, teacher = logits(0, 2, 5, 8, 8), logits(1, 2, 5, 8, 8)
    exact = soft_target_kl(student=student, teacher=teacher, temperature=temperature).item()
    single = soft_target_kl(student=student.float(), teacher=teacher.float(), temperature=temperature).item()
    assert single == pytest.approx(exact, rel=1e-4)


def test_a_pixel_worked_out_by_hand() -> None:
    """Teacher (ln 9, 0) is (0.9, 0.1) at T 1 and (0.75, 0.25) at T 2, as √9 = 3; the student is undecided."""
    student, teacher = of_one_pixel(0, 0), of_one_pixel(np.log(9), 0)
    at_one = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    at_two = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    assert at_one == pytest.approx(0.368064, abs=1e-6)
    assert soft_target_kl(student=student, teacher=teacher, temperature=1).item() == pytest.approx(at_one)
    assert soft_target_kl(student=student, teacher=teacher, temperature=2).item() == pytest.approx(4 * at_two)


def test_the_direction_is_teacher_to_student() -> None:
    student, teacher = of_one_pixel(0, 0), of_one_pixel(np.log(9), 0)
    reverse = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    forward = soft_target_kl(student=student, teacher=teacher, temperature=1).item()
    assert reverse == pytest.approx(0.510826, abs=1e-6)
    assert abs(forward - reverse) > 0.1
    assert soft_target_kl(student=teacher, teacher=student, temperature=1).item() == pytest.approx(reverse)


def test_the_gradient_is_right() -> None:
    student, teacher = logits(0, 2, 3, 2, 2).requires_grad_(), logits(1, 2, 3, 2, 2)
    valid = torch.tensor([[[True, False], [True, True]], [[False, True], [True, True]]])
    for temperature in (0.5, 1.0, 6.0):
        assert torch.autograd.gradcheck(
            lambda z, t=temperature: soft_target_kl(student=z, teacher=teacher, temperature=t, valid=valid), student
        )


def test_the_gradient_of_one_pixel_is_temperature_times_the_difference_of_probabilities() -> None:
    """d/dz of T² · KL is T · (p − q): it pulls the student towards the teacher."""
    student, teacher = of_one_pixel(0, 0).requires_grad_(), of_one_pixel(np.log(9), 0)
    soft_target_kl(student=student, teacher=teacher, temperature=2).backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad.flatten(), torch.tensor([2 * (0.5 - 0.75), 2 * (0.5 - 0.25)]).double())


def test_the_gradient_does_not_fade_at_high_temperature() -> None:
    """Without T² it would shrink as 1/T²: a hundredfold from 10 to 100."""

    def size(temperature: float) -> float:
        student = logits(0, 1, 5, 4, 4).requires_grad_()
        soft_target_kl(student=student, teacher=logits(1, 1, 5, 4, 4), temperature=temperature).backward()
        assert student.grad is not None
        return student.grad.norm().item()

    assert size(50) == pytest.approx(size(100), rel=0.05)
    assert size(100) == pytest.approx(size(1000), rel=0.05)


def kl_of(q: Tensor, p: Tensor, temperature: float) -> float:
    return float(temperature**2 * (q * (q.log() - p.log())).sum(dim=1).mean())


def divide_probabilities(z: Tensor, temperature: float) -> Tensor:
    """Wrong: the temperature after the softmax, made a distribution again by a second softmax."""
    return (z.softmax(dim=1) / temperature).softmax(dim=1)


def divide_the_sum(z: Tensor, temperature: float) -> Tensor:
    """Wrong: exp(z / T) over (Σ exp(z) / T), scaled to sum to one over what it gives."""
    flat = (z / temperature).exp() / (z.exp().sum(dim=1, keepdim=True) / temperature)
    return flat / (flat.sum(dim=1, keepdim=True) + 1)


def softmax_twice(z: Tensor, temperature: float) -> Tensor:
    return (z / temperature).softmax(dim=1).softmax(dim=1)


@pytest.mark.parametrize("wrong", [divide_probabilities, divide_the_sum, softmax_twice])
def test_the_temperature_divides_logits_and_nothing_else(wrong: Callable[[Tensor, float], Tensor]) -> None:
    student, teacher, temperature = logits(0, 2, 5, 4, 4), logits(1, 2, 5, 4, 4), 3.0
    mistaken = kl_of(wrong(teacher, temperature), wrong(student, temperature), temperature)
    found = soft_target_kl(student=student, teacher=teacher, temperature=temperature).item()
    assert abs(found - mistaken) > 0.2 * found


def test_only_differences_of_logits_count() -> None:
    """A softmax does not see a constant added to all classes of a pixel; a second softmax, or none, would."""
    student, teacher = logits(0, 2, 5, 3, 3), logits(1, 2, 5, 3, 3)
    shift = 10 * logits(2, 2, 1, 3, 3)
    plain = soft_target_kl(student=student, teacher=teacher, temperature=2)
    torch.testing.assert_close(soft_target_kl(student=student + shift, teacher=teacher - shift, temperature=2), plain)


def test_classes_are_summed_not_averaged() -> None:
    """As many classes again, all of them impossible to both, change nothing; a mean over classes would halve."""
    student, teacher = logits(0, 2, 5, 3, 3), logits(1, 2, 5, 3, 3)
    impossible = torch.full_like(student, -1e9)
    wider = soft_target_kl(
        student=torch.cat([student, impossible], 1), teacher=torch.cat([teacher, impossible], 1), temperature=2
    )
    torch.testing.assert_close(wider, soft_target_kl(student=student, teacher=teacher, temperature=2))


@pytest.mark.parametrize("repeats", [(3, 1, 1, 1), (1, 1, 2, 1), (1, 1, 1, 5)])
def test_more_of_the_same_pixels_change_nothing(repeats: tuple[int, ...]) -> None:
    """A mean over pixels of the whole batch: not a sum, and not a mean over the picture alone."""
    student, teacher = logits(0, 2, 5, 3, 3), logits(1, 2, 5, 3, 3)
    valid = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(2)) < 0.6
    once = soft_target_kl(student=student, teacher=teacher, temperature=2, valid=valid)
    more = soft_target_kl(
        student=student.repeat(repeats),
        teacher=teacher.repeat(repeats),
        temperature=2,
        valid=valid.repeat(repeats[0], *repeats[2:]),
    )
    torch.testing.assert_close(more, once)


def test_ignored_pixels_count_nowhere_and_get_no_gradient() -> None:
    student, teacher = logits(0, 2, 5, 4, 4).requires_grad_(), logits(1, 2, 5, 4, 4)
    valid = torch.zeros(2, 4, 4, dtype=torch.bool)
    valid[0, :2] = True
    found = soft_target_kl(student=student, teacher=teacher, temperature=2, valid=valid)
    found.backward()
    alone = soft_target_kl(student=student[:1, :, :2], teacher=teacher[:1, :, :2], temperature=2)
    torch.testing.assert_close(found, alone)
    assert student.grad is not None
    by_pixel = student.grad.abs().sum(dim=1)
    assert (by_pixel[valid] > 0).all()
    assert (by_pixel[~valid] == 0).all()


def test_no_mask_is_a_mask_that_holds_everywhere() -> None:
    student, teacher = logits(0, 2, 5, 4, 4), logits(1, 2, 5, 4, 4)
    everywhere = torch.ones(2, 4, 4, dtype=torch.bool)
    torch.testing.assert_close(
        soft_target_kl(student=student, teacher=teacher, temperature=3),
        soft_target_kl(student=student, teacher=teacher, temperature=3, valid=everywhere),
    )


def test_nothing_valid_is_zero_with_a_gradient_of_zero() -> None:
    student = logits(0, 1, 5, 2, 2).requires_grad_()
    nowhere = torch.zeros(1, 2, 2, dtype=torch.bool)
    found = soft_target_kl(student=student, teacher=logits(1, 1, 5, 2, 2), temperature=2, valid=nowhere)
    found.backward()
    assert found.item() == 0
    assert student.grad is not None
    assert (student.grad == 0).all()


@pytest.mark.parametrize("temperature", [0.5, 2.0, 50.0])
def test_a_student_that_agrees_has_nothing_to_learn(temperature: float) -> None:
    student = logits(0, 2, 5, 3, 3).requires_grad_()
    teacher = student.detach() + 4
    found = soft_target_kl(student=student, teacher=teacher, temperature=temperature)
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-12)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-12


def test_any_disagreement_costs_something() -> None:
    student, teacher = logits(0, 1, 5, 3, 3), logits(1, 1, 5, 3, 3)
    assert soft_target_kl(student=student, teacher=teacher, temperature=2) > 0


def test_the_teacher_gets_no_say_in_what_it_is() -> None:
    """Where the teacher's logits carry no gradient, as `FrozenTeacher` gives them, none reaches anything else."""
    student, teacher = logits(0, 1, 5, 2, 2).requires_grad_(), logits(1, 1, 5, 2, 2)
    soft_target_kl(student=student, teacher=teacher, temperature=2).backward()
    assert teacher.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_are_worked_out_in_single(dtype: torch.dtype) -> None:
    """Equal to what the rounded logits give in float32: rounding happens once, before, and nowhere inside."""
    student, teacher = logits(0, 2, 5, 8, 8).to(dtype), logits(1, 2, 5, 8, 8).to(dtype)
    found = soft_target_kl(student=student, teacher=teacher, temperature=2)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, soft_target_kl(student=student.float(), teacher=teacher.float(), temperature=2))


def test_a_half_precision_cache_beside_a_single_precision_student() -> None:
    student, teacher = logits(0, 2, 5, 8, 8, dtype=torch.float32), logits(1, 2, 5, 8, 8, dtype=torch.float32)
    found = soft_target_kl(student=student, teacher=teacher.half(), temperature=2)
    assert found.item() == pytest.approx(
        soft_target_kl(student=student, teacher=teacher, temperature=2).item(), rel=5e-3
    )


def test_autocast_does_not_round_it() -> None:
    student, teacher = logits(0, 2, 5, 8, 8, dtype=torch.float32), logits(1, 2, 5, 8, 8, dtype=torch.float32)
    student.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = soft_target_kl(student=student, teacher=teacher, temperature=2)
    found.backward()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, soft_target_kl(student=student, teacher=teacher, temperature=2))
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


def test_large_logits_stay_finite() -> None:
    student = (1000 * logits(0, 1, 5, 4, 4, dtype=torch.float32)).requires_grad_()
    teacher = 1000 * logits(1, 1, 5, 4, 4, dtype=torch.float32)
    found = soft_target_kl(student=student, teacher=teacher, temperature=0.5)
    found.backward()
    assert torch.isfinite(found)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


def test_student_and_teacher_cannot_be_swapped_by_position() -> None:
    with pytest.raises(TypeError):
        soft_target_kl(logits(0, 1, 2, 1, 1), logits(1, 1, 2, 1, 1), temperature=1)  # type: ignore[misc]
