"""Equal to torchdistill's losses, each after the factor that its normalisation asks for.

torchdistill has neither channel-wise distillation, pairwise affinity nor masked generation: the first is its KDLoss
with positions in the place of classes, the others have their formula written out in tests of their own.
"""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchdistill.losses.mid_level import ATLoss, DISTLoss, KDLoss, LogitStdKDLoss, SimpleLossWrapper

from core.losses.attention import attention_transfer
from core.losses.boundary import boundary_soft_target_kl
from core.losses.channel_wise import channel_wise_kl
from core.losses.correlation import correlation
from core.losses.hints import feature_hint
from core.losses.soft_targets import soft_target_kl
from core.losses.standardised import standardised_kl
from tests.unit.losses.tensors import normal

PATHS: dict[str, Any] = {
    "student_module_path": "head",
    "student_module_io": "output",
    "teacher_module_path": "head",
    "teacher_module_io": "output",
}
warm = pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])


def theirs(loss: nn.Module, student: Tensor, teacher: Tensor) -> float:
    value: Tensor = loss({"head": {"output": student}}, {"head": {"output": teacher}}, None)
    return value.item()


def as_rows(maps: Tensor) -> Tensor:
    """Pixels as torchdistill's examples: (B, C, H, W) → (B·H·W, C)."""
    return maps.movedim(1, -1).flatten(0, 2)


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    """Student and teacher, (2, 5, 3, 4)."""
    return normal(0, 2, 5, 3, 4, scale=3), normal(1, 2, 5, 3, 4, scale=3)


@warm
def test_soft_targets_are_t_squared_times_theirs_on_pixels(pair: tuple[Tensor, Tensor], temperature: float) -> None:
    """Their KDLoss leaves T² out where there is no label loss beside it."""
    student, teacher = pair
    reference = theirs(KDLoss(**PATHS, temperature=temperature, beta=1), as_rows(student), as_rows(teacher))
    found = soft_target_kl(student=student, teacher=teacher, temperature=temperature)
    assert found.item() == pytest.approx(temperature**2 * reference)


@warm
def test_on_maps_theirs_is_a_sum_over_pixels(pair: tuple[Tensor, Tensor], temperature: float) -> None:
    """The mistake of dividing by the batch alone, which we do not follow: H·W times ours."""
    student, teacher = pair
    reference = theirs(KDLoss(**PATHS, temperature=temperature, beta=1), student, teacher)
    found = soft_target_kl(student=student, teacher=teacher, temperature=temperature)
    assert found.item() == pytest.approx(temperature**2 * reference / (3 * 4))


@warm
def test_boundary_without_emphasis_is_t_squared_times_their_soft_targets(
    pair: tuple[Tensor, Tensor], temperature: float
) -> None:
    student, teacher = pair
    reference = theirs(KDLoss(**PATHS, temperature=temperature, beta=1), as_rows(student), as_rows(teacher))
    found = boundary_soft_target_kl(student=student, teacher=teacher, temperature=temperature, emphasis=0)
    assert found.item() == pytest.approx(temperature**2 * reference)


@warm
def test_standardised_is_t_squared_times_theirs_at_a_temperature_that_undoes_their_deviation(
    pair: tuple[Tensor, Tensor], temperature: float
) -> None:
    """They divide the variance by C − 1 = 4, we and the paper by C = 5, and they add 1e-7 to the deviation."""
    student, teacher = pair
    reference = theirs(LogitStdKDLoss(**PATHS, temperature=temperature, beta=1), as_rows(student), as_rows(teacher))
    ours = temperature * math.sqrt(5 / 4)
    found = standardised_kl(student=student, teacher=teacher, temperature=ours)
    assert found.item() == pytest.approx(ours**2 * reference, rel=1e-5)


@warm
def test_channel_wise_is_t_squared_times_their_soft_targets_over_positions(
    pair: tuple[Tensor, Tensor], temperature: float
) -> None:
    student, teacher = pair
    channels = [maps.flatten(2).flatten(0, 1) for maps in pair]
    reference = theirs(KDLoss(**PATHS, temperature=temperature, beta=1), *channels)
    found = channel_wise_kl(student=student, teacher=teacher, temperature=temperature)
    assert found.item() == pytest.approx(temperature**2 * reference)


@warm
def test_correlation_is_theirs_on_pixels(pair: tuple[Tensor, Tensor], temperature: float) -> None:
    student, teacher = pair
    reference = theirs(DISTLoss(**PATHS, tau=temperature), as_rows(student), as_rows(teacher))
    found = correlation(student=student, teacher=teacher, temperature=temperature)
    assert found.item() == pytest.approx(reference)


def attention_of_theirs(student: Tensor, teacher: Tensor, mode: str) -> float:
    ends = {"student": {"path": "head", "io": "output"}, "teacher": {"path": "head", "io": "output"}}
    return theirs(ATLoss({"pair": ends}, mode=mode), student, teacher)


def test_attention_is_theirs_as_the_paper_has_it() -> None:
    student, teacher = normal(0, 3, 5, 3, 4), normal(1, 3, 7, 3, 4)
    reference = attention_of_theirs(student, teacher, "paper")
    assert attention_transfer(student=student, teacher=teacher).item() == pytest.approx(reference)


def test_attention_squared_is_positions_times_theirs_as_the_code_has_it() -> None:
    student, teacher = normal(0, 1, 5, 3, 4), normal(1, 1, 7, 3, 4)
    reference = attention_of_theirs(student, teacher, "code")
    assert attention_transfer(student=student, teacher=teacher).item() ** 2 == pytest.approx(3 * 4 * reference)


def test_a_hint_is_their_mean_squared_error(pair: tuple[Tensor, Tensor]) -> None:
    student, teacher = pair
    student_end = {"module_path": "head", "io": "output", "is_from_teacher": False}
    wrapped = SimpleLossWrapper(nn.MSELoss(), input=student_end, target={**student_end, "is_from_teacher": True})
    found = feature_hint(student=student, teacher=teacher)
    torch.testing.assert_close(found.item(), theirs(wrapped, student, teacher))
