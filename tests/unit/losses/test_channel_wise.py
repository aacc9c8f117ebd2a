"""Channel-wise distillation against the formula: a distribution over positions, one for each channel of each image."""

import math

import pytest
import torch
from torch import Tensor

from core.losses.channel_wise import channel_wise_kl
from core.losses.soft_targets import soft_target_kl
from tests.unit.losses.tensors import normal, numbers, some


def reference(student: Tensor, teacher: Tensor, temperature: float, weights: Tensor) -> float:
    """Equations 3 to 5 of arXiv 2011.13256 with plain numbers, the sums over positions weighed."""
    each = []
    for image in range(len(student)):
        where = weights[image].nonzero().tolist()
        for channel in range(student.shape[1] if where else 0):
            ours, theirs = [], []
            for row, column in where:
                weight = weights[image, row, column].item()
                ours.append(weight * math.exp(student[image, channel, row, column].item() / temperature))
                theirs.append(weight * math.exp(teacher[image, channel, row, column].item() / temperature))
            p, q = ([x / math.fsum(values) for x in values] for values in (ours, theirs))
            each.append(math.fsum(b * math.log(b / a) for a, b in zip(p, q, strict=True)))
    return temperature**2 * math.fsum(each) / len(each)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_it_is_the_formula(temperature: float) -> None:
    student, teacher, valid = normal(0, 3, 5, 3, 4, scale=2), normal(1, 3, 5, 3, 4, scale=2), some(2, 3, 3, 4)
    valid[1] = False
    found = channel_wise_kl(student=student, teacher=teacher, temperature=temperature, valid=valid)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(reference(student, teacher, temperature, valid.double()), rel=1e-10)


def test_a_position_of_features_weighs_its_share_of_valid_pixels() -> None:
    student, teacher, valid = normal(0, 2, 3, 2, 3), normal(1, 2, 3, 2, 3), some(2, 2, 4, 6)
    weights = valid.double().view(2, 2, 2, 3, 2).mean(dim=(2, 4))
    assert (weights == 0.5).sum() > 0
    found = channel_wise_kl(student=student, teacher=teacher, temperature=2, valid=valid)
    assert found.item() == pytest.approx(reference(student, teacher, 2, weights), rel=1e-10)


def test_a_channel_of_two_positions_by_hand() -> None:
    """Teacher (ln 9, 0) looks (0.9, 0.1) at T 1 and (0.75, 0.25) at T 2, as √9 = 3; the student looks everywhere."""
    student, teacher = numbers((0, 0)), numbers((math.log(9), 0))
    at_one = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    at_two = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert channel_wise_kl(student=student, teacher=teacher, temperature=1).item() == pytest.approx(at_one)
    assert channel_wise_kl(student=student, teacher=teacher, temperature=2).item() == pytest.approx(4 * at_two)


def test_channels_are_averaged() -> None:
    """A second channel in which both look at the same place halves the loss."""
    one = channel_wise_kl(student=numbers((0, 0)), teacher=numbers((3, 0)), temperature=1)
    two = channel_wise_kl(student=numbers((0, 0), (1, 5)), teacher=numbers((3, 0), (1, 5)), temperature=1)
    torch.testing.assert_close(two, one / 2)


def test_positions_are_summed_not_averaged() -> None:
    """As many positions again, at which neither looks, change nothing; a mean over positions would halve."""
    student, teacher = normal(0, 2, 3, 2, 4), normal(1, 2, 3, 2, 4)
    dark = torch.full_like(student, -1e9)
    wider = channel_wise_kl(
        student=torch.cat([student, dark], -1), teacher=torch.cat([teacher, dark], -1), temperature=2
    )
    torch.testing.assert_close(wider, channel_wise_kl(student=student, teacher=teacher, temperature=2))


def test_the_level_of_a_channel_does_not_count() -> None:
    """A softmax over positions does not see it; one over classes would."""
    student, teacher, level = normal(0, 2, 3, 4, 4), normal(1, 2, 3, 4, 4), normal(2, 2, 3, 1, 1, scale=9)
    plain = channel_wise_kl(student=student, teacher=teacher, temperature=2)
    torch.testing.assert_close(channel_wise_kl(student=student + level, teacher=teacher, temperature=2), plain)
    over_classes = soft_target_kl(student=student + level, teacher=teacher, temperature=2)
    assert abs(over_classes - soft_target_kl(student=student, teacher=teacher, temperature=2)) > 0.1


def test_softmax_twice_or_a_temperature_on_probabilities_would_give_less() -> None:
    student, teacher, temperature = normal(0, 2, 3, 4, 4, scale=3), normal(1, 2, 3, 4, 4, scale=3), 2.0
    found = channel_wise_kl(student=student, teacher=teacher, temperature=temperature).item()

    def mistaken(p: Tensor, q: Tensor) -> float:
        p, q = p.softmax(-1), q.softmax(-1)
        return float(temperature**2 * (q * (q / p).log()).sum(-1).mean())

    ours, theirs = student.flatten(2), teacher.flatten(2)
    assert mistaken((ours / temperature).softmax(-1), (theirs / temperature).softmax(-1)) < 0.5 * found
    assert mistaken(ours.softmax(-1) / temperature, theirs.softmax(-1) / temperature) < 0.5 * found


def test_features_of_another_shape_must_be_projected_first() -> None:
    """One channel beside four would be compared with each of them without a word."""
    with pytest.raises(AssertionError, match="channels and size first"):
        channel_wise_kl(student=normal(0, 2, 1, 4, 4), teacher=normal(1, 2, 4, 4, 4), temperature=1)
