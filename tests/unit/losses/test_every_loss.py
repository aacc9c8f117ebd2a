"""What holds of every distillation loss: right gradients, ignored pixels, number formats, no way to swap the two."""

from functools import partial

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.unit.losses.cases import CASES, LOGITS, SIDE, Case
from tests.unit.losses.tensors import enlarged, normal, some

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every
def test_the_gradient_is_right(case: Case) -> None:
    student, teacher = case.pair()
    coarse = some(2, 2, SIDE, SIDE)
    assert torch.autograd.gradcheck(lambda x: case.value(x, teacher, coarse), student.requires_grad_())


@every
def test_ignored_pixels_change_nothing_and_get_no_gradient(case: Case) -> None:
    student, teacher = case.pair()
    coarse = some(2, 2, SIDE, SIDE)
    finer = enlarged(coarse, case.teacher_factor)
    other_student = student.where(coarse[:, None], normal(3, *student.shape, scale=50))
    other_teacher = teacher.where(finer[:, None], normal(4, *teacher.shape, scale=50))
    torch.testing.assert_close(
        case.value(other_student, other_teacher, coarse), case.value(student, teacher, coarse), rtol=1e-12, atol=0
    )
    gradient = case.gradient(other_student, other_teacher, coarse)
    torch.testing.assert_close(gradient, case.gradient(student, teacher, coarse), rtol=1e-9, atol=1e-15)
    by_position = gradient.abs().sum(dim=1)
    assert (by_position[~coarse] == 0).all()
    assert (by_position[coarse] > 0).all()


@every
def test_the_mask_counts_at_all(case: Case) -> None:
    student, teacher = case.pair()
    masked = case.value(student, teacher, some(2, 2, SIDE, SIDE)).item()
    assert abs(masked - case.value(student, teacher).item()) > 1e-3 * masked


@every
def test_no_mask_is_a_mask_that_holds_everywhere(case: Case) -> None:
    student, teacher = case.pair()
    everywhere = torch.ones(2, SIDE, SIDE, dtype=torch.bool)
    torch.testing.assert_close(case.value(student, teacher, everywhere), case.value(student, teacher))


@every
def test_nothing_valid_is_zero_with_a_gradient_of_zero(case: Case) -> None:
    student, teacher = case.pair()
    nowhere = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    assert case.value(student, teacher, nowhere).item() == 0
    assert (case.gradient(student, teacher, nowhere) == 0).all()


@every
def test_an_image_without_a_valid_pixel_counts_neither_in_sum_nor_in_average(case: Case) -> None:
    student, teacher = case.pair()
    coarse = some(2, 2, SIDE, SIDE)
    coarse[1] = False
    torch.testing.assert_close(
        case.value(student, teacher, coarse), case.value(student[:1], teacher[:1], coarse[:1]), rtol=1e-9, atol=0
    )
    assert torch.isfinite(case.gradient(student, teacher, coarse)).all()


@every
def test_the_same_images_again_change_nothing(case: Case) -> None:
    """Sums over the batch, or over width and height divided by neither, would grow."""
    student, teacher = case.pair()
    coarse = some(2, 2, SIDE, SIDE)
    thrice = case.value(student.repeat(3, 1, 1, 1), teacher.repeat(3, 1, 1, 1), coarse.repeat(3, 1, 1))
    torch.testing.assert_close(thrice, case.value(student, teacher, coarse))


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"coarse affinity"}))
def test_the_mirror_image_beside_each_image_changes_nothing(name: str) -> None:
    """Twice as many positions, and no new edges: a sum over pixels would double."""
    case, (student, teacher), coarse = CASES[name], CASES[name].pair(), some(2, 2, SIDE, SIDE)
    double = [torch.cat([x, x.flip(-1)], dim=-1) for x in (student, teacher, coarse)]
    torch.testing.assert_close(case.value(*double), case.value(student, teacher, coarse))


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_are_worked_out_in_single(case: Case, dtype: torch.dtype) -> None:
    exact = case.value(*case.pair(), some(2, 2, SIDE, SIDE))
    student, teacher = (values.to(dtype) for values in case.pair())
    found = case.value(student, teacher, some(2, 2, SIDE, SIDE))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, case.value(student.float(), teacher.float(), some(2, 2, SIDE, SIDE)))
    assert found.item() == pytest.approx(exact.item(), rel=0.03)
    gradient = case.gradient(student, teacher)
    assert gradient.dtype == dtype
    assert torch.isfinite(gradient).all()


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_does_not_round_it(case: Case, dtype: torch.dtype) -> None:
    """The gradient is taken outside, as torch advises and the training step does."""
    student, teacher = case.pair(dtype)
    coarse = some(2, 2, SIDE, SIDE)
    started = student.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = case.value(started, teacher, coarse)
    (gradient,) = torch.autograd.grad(value, started)
    assert value.dtype == dtype
    torch.testing.assert_close(value, case.value(student, teacher, coarse))
    torch.testing.assert_close(gradient, case.gradient(student, teacher, coarse))


@every
def test_a_half_precision_teacher_beside_a_single_precision_student(case: Case) -> None:
    student, teacher = case.pair(torch.float32)
    found = case.value(student, teacher.half())
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(case.value(student, teacher).item(), rel=5e-3)


@every
def test_the_teacher_gets_no_gradient_even_if_it_asks_for_one(case: Case) -> None:
    student, teacher = (values.requires_grad_() for values in case.pair())
    case.value(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().max() > 0


@every
def test_a_student_that_agrees_has_nothing_to_learn(case: Case) -> None:
    student, _ = case.pair()
    coarse = some(2, 2, SIDE, SIDE)
    assert case.value(student, student, coarse).item() == pytest.approx(0, abs=1e-12)
    assert case.gradient(student, student, coarse).abs().max() < 1e-7


@every
def test_a_small_step_down_the_gradient_lowers_it(case: Case) -> None:
    student, teacher = case.pair()
    gradient = case.gradient(student, teacher)
    step = 1e-3 * gradient / gradient.norm()
    assert case.value(student - step, teacher) < case.value(student, teacher)


@every
def test_large_values_stay_finite(case: Case) -> None:
    student, teacher = (1000 * values for values in case.pair(torch.float32))
    assert torch.isfinite(case.value(student, teacher))
    assert torch.isfinite(case.gradient(student, teacher)).all()


@every
def test_all_alike_stays_finite(case: Case) -> None:
    """No deviation, no length: the divisions have nothing to divide by."""
    student, teacher = case.pair(torch.float32)
    for flat in (0.0, 0.1):
        assert torch.isfinite(case.value(torch.full_like(student, flat), teacher))
        assert torch.isfinite(case.gradient(torch.full_like(student, flat), torch.full_like(teacher, flat))).all()
        assert case.gradient(torch.full_like(student, flat), teacher).abs().max() < 10


@every
def test_nothing_is_read_back_from_the_device(case: Case) -> None:
    """Fake tensors have no values: `.item()` or `if tensor` would raise."""
    ours, theirs = (values.shape for values in case.pair())
    with FakeTensorMode():
        student, teacher = torch.empty(ours, requires_grad=True), torch.empty(theirs)
        case.value(student, teacher, torch.empty(2, SIDE, SIDE, dtype=torch.bool)).backward()


@every
def test_student_and_teacher_cannot_be_swapped_by_position(case: Case) -> None:
    with pytest.raises(TypeError, match="positional"):
        case.loss(*case.pair())


@pytest.mark.parametrize("name", ["soft_targets", "standardised", "channel_wise", "boundary", "channel_wise features"])
def test_swapped_student_and_teacher_give_another_value(name: str) -> None:
    case, (student, teacher) = CASES[name], CASES[name].pair()
    forward, backward = case.value(student, teacher).item(), case.value(teacher, student).item()
    assert abs(forward - backward) > 0.01 * forward


@pytest.mark.parametrize("case", LOGITS.values(), ids=LOGITS)
def test_the_gradient_does_not_fade_at_high_temperature(case: Case) -> None:
    """Without T² it would shrink as 1/T²: a hundredfold from 100 to 1000. Correlation, which sees no scale, grows."""
    loss = case.loss.func  # type: ignore[attr-defined]

    def size(temperature: float) -> float:
        warm = Case(partial(loss, temperature=temperature), case.channels)
        return warm.gradient(*warm.pair()).norm().item()

    assert size(100) > 0.9 * size(50)


@pytest.mark.parametrize("name", ["affinity", "attention", "hint"])
@pytest.mark.parametrize(("ours", "theirs"), [((4, 4), (8, 8)), ((8, 8), (4, 4)), ((6, 5), (4, 9)), ((32, 1), (7, 3))])
def test_any_two_strides_can_be_compared(name: str, ours: tuple[int, int], theirs: tuple[int, int]) -> None:
    case, valid = CASES[name], some(2, 2, 16, 16)
    student, teacher = normal(0, 2, case.channels[0], *ours), normal(1, 2, case.channels[1], *theirs)
    found = case.loss(student=student.requires_grad_(), teacher=teacher, valid=valid)
    found.backward()
    assert found.item() > 0
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
