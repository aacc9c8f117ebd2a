"""Kappa, border agreement and calibration: their laws, and their definitions written out pixel by pixel."""

import math

import numpy as np
import pytest

from core.agreement import border, border_agreement, calibration, kappa
from core.metrics import confusion_matrix

RANDOM = np.random.default_rng(5)


def masks(*shape: int, classes: int = 4) -> np.ndarray:
    return RANDOM.integers(0, classes, shape).astype(np.uint8)


def test_kappa_is_agreement_beyond_that_of_shuffled_pixels() -> None:
    one = masks(30, 40)
    other = np.where(RANDOM.random(one.shape) < 0.7, one, masks(30, 40))
    agreed = (one == other).mean()
    # Every pixel of one against every pixel of the other: what agrees when the places mean nothing.
    chance = (one.ravel()[:, None] == other.ravel()[None]).mean()
    assert kappa(confusion_matrix(one, other, 4)) == pytest.approx((agreed - chance) / (1 - chance), abs=1e-12)


def test_kappa_of_chance_is_nought_and_of_sameness_one() -> None:
    one = masks(60, 60)
    assert kappa(confusion_matrix(one, one, 4)) == 1
    independent = np.outer([10, 20, 70], [30, 30, 40]).astype(np.int64)
    assert kappa(independent) == pytest.approx(0, abs=1e-12)


def test_kappa_is_undefined_where_nothing_could_differ() -> None:
    assert math.isnan(kappa(np.zeros((3, 3), np.int64)))
    assert math.isnan(kappa(np.diag([9, 0, 0]).astype(np.int64)))


def test_borders_are_between_classes() -> None:
    mask = np.zeros((4, 5), np.uint8)
    mask[:, 2:] = 1
    assert np.array_equal(np.argwhere(border(mask))[:, 1], [1, 1, 1, 1])


def test_a_border_within_three_pixels_counts_and_one_further_does_not() -> None:
    def split(at: int) -> np.ndarray:
        mask = np.zeros((20, 30), np.uint8)
        mask[:, at:] = 1
        return mask

    assert border_agreement(split(10), split(13)) == 1
    assert border_agreement(split(10), split(14)) == 0
    assert math.isnan(border_agreement(split(0), split(0)))


def test_distance_is_euclidean_and_the_measure_is_symmetric() -> None:
    one, other = masks(14, 17, classes=2), masks(14, 17, classes=2)
    one[:7], other[6:] = 0, 0
    near = 0
    first, second = np.argwhere(border(one)), np.argwhere(border(other))
    for places, others in ((first, second), (second, first)):
        near += sum(np.min(np.hypot(*(others - place).T)) <= 3 for place in places)
    assert 0 < near < len(first) + len(second)
    assert border_agreement(one, other) == pytest.approx(near / (len(first) + len(second)))
    assert border_agreement(other, one) == border_agreement(one, other)


def test_a_model_as_right_as_it_is_sure_has_no_calibration_error() -> None:
    confidence = np.repeat([0.65, 0.95], [100, 200])
    correct = np.concatenate([np.arange(100) < 65, np.arange(200) < 190])
    assert calibration(correct=correct, confidence=confidence).ece == pytest.approx(0, abs=1e-12)


def test_calibration_error_is_the_weighted_gap() -> None:
    confidence = np.repeat([0.65, 0.95], [100, 300])
    correct = np.concatenate([np.arange(100) < 45, np.arange(300) < 240])
    found = calibration(correct=correct, confidence=confidence)
    assert found.ece == pytest.approx(0.25 * 0.2 + 0.75 * 0.15)
    assert found.counts[[6, 9]].tolist() == [100, 300]
    assert calibration(correct=np.array([True]), confidence=np.array([1.0])).counts[-1] == 1
    assert math.isnan(calibration(correct=np.zeros(0, bool), confidence=np.zeros(0)).ece)
