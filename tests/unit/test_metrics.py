"""Scores from one confusion matrix, against torchmetrics and against values worked out by hand."""

import json
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core.classes import ClassMap
from core.data.datasets.dubai import AERIAL
from core.metrics import ClassScore, Scores, confusion_matrix, scores

SMALL = ClassMap(names=("a", "b", "none"), colours=((0, 0, 0), (1, 1, 1), (2, 2, 2)), ignore_index=2)
SETTINGS = {"task": "multiclass", "num_classes": 5, "ignore_index": 5}


def random_pair(seed: int, *, skip: tuple[int, ...] = ()) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Prediction of classes 0 to 4 and truth of 0 to 5, right about half the time, without the classes in `skip`."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 6, (3, 20, 30)).astype(np.uint8)
    guess = random.integers(0, 5, truth.shape).astype(np.uint8)
    prediction = np.where((random.random(truth.shape) < 0.5) & (truth < 5), truth, guess)
    kept = ~np.isin(truth, skip) & ~np.isin(prediction, skip)
    return prediction[kept], truth[kept]


def score(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Scores:
    return scores(confusion_matrix(prediction, truth, 6), AERIAL)


def their(name: str, prediction: NDArray[np.uint8], truth: NDArray[np.uint8], average: str) -> list[float]:
    from torchmetrics import classification  # Takes seconds: for those that run this file, not those that only read it.

    metric = getattr(classification, name)(**SETTINGS, average=average)
    value = metric(torch.from_numpy(prediction.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)))
    found: list[float] = value.reshape(-1).tolist()
    return found


@pytest.mark.parametrize("seed", range(4))
def test_they_are_those_of_torchmetrics(seed: int) -> None:
    prediction, truth = random_pair(seed)
    ours = score(prediction, truth)
    for theirs, mine in (("JaccardIndex", "iou"), ("Precision", "precision"), ("Recall", "recall"), ("F1Score", "f1")):
        found = [getattr(item, mine) for item in ours.per_class.values()]
        assert found == pytest.approx(their(theirs, prediction, truth, "none"), abs=1e-6), mine
    assert ours.miou5 == pytest.approx(their("JaccardIndex", prediction, truth, "macro")[0], abs=1e-6)
    assert ours.accuracy == pytest.approx(their("Accuracy", prediction, truth, "micro")[0], abs=1e-6)


def test_a_class_that_occurs_nowhere_counts_in_no_mean() -> None:
    prediction, truth = random_pair(0, skip=(1, 3))
    ours = score(prediction, truth)
    assert ours.miou5 == pytest.approx(their("JaccardIndex", prediction, truth, "macro")[0], abs=1e-6)
    for name in ("Land", "Vegetation"):
        absent = ours.per_class[name]
        assert all(math.isnan(value) for value in (absent.iou, absent.precision, absent.recall, absent.f1))
        assert absent.pixels == 0


def test_a_class_that_is_there_but_never_predicted_scores_nought() -> None:
    """As a collapsed model has it for all classes but one: no score of them may be missing from a table."""
    truth = np.array([0, 0, 1, 1, 2], np.uint8)
    prediction = np.zeros(5, np.uint8)
    ours = score(prediction, truth)
    assert ours.per_class["Land"] == ClassScore(iou=0, precision=0, recall=0, f1=0, pixels=2)
    assert ours.per_class["Building"].precision == pytest.approx(0.4)
    assert their("Precision", prediction, truth, "none")[1] == 0


def test_a_class_that_is_not_there_counts_in_no_mean_whatever_was_predicted() -> None:
    """One pixel of two was wrongly given to Land: that counts against Building, and Land has nothing to be right of."""
    ours = score(np.array([0, 1], np.uint8), np.array([0, 0], np.uint8))
    land = ours.per_class["Land"]
    assert all(math.isnan(value) for value in (land.iou, land.recall, land.f1))
    assert (land.precision, land.pixels) == (0, 0)
    assert ours.miou5 == ours.miou6 == ours.per_class["Building"].iou == 0.5


def test_both_means_by_hand() -> None:
    """Truth a a b b b –, prediction a b b b a a: without the last a 1 of 3, b 2 of 4; with it a 1 of 4, – 0 of 1."""
    truth = np.array([0, 0, 1, 1, 1, 2], np.uint8)
    prediction = np.array([0, 1, 1, 1, 0, 0], np.uint8)
    found = scores(confusion_matrix(prediction, truth, 3), SMALL)
    assert found.miou5 == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert found.miou6 == pytest.approx((1 / 4 + 2 / 4 + 0) / 3)
    assert found.accuracy == pytest.approx(3 / 5)
    a = found.per_class["a"]
    assert (a.iou, a.precision, a.recall, a.f1, a.pixels) == pytest.approx((1 / 3, 1 / 2, 1 / 2, 1 / 2, 2))
    assert list(found.per_class) == ["a", "b"]


def test_both_means_agree_where_all_is_labelled() -> None:
    truth = np.array([0, 1, 2, 3, 4, 4], np.uint8)
    found = score(np.array([0, 1, 2, 3, 4, 3], np.uint8), truth)
    assert found.miou6 == found.miou5


def test_rows_are_truth_and_columns_prediction() -> None:
    matrix = confusion_matrix(np.array([[1, 1], [0, 2]]), np.array([[0, 0], [0, 2]]), 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]
    assert matrix.dtype == np.int64


def test_matrices_add_up_like_their_pictures() -> None:
    (p1, t1), (p2, t2) = random_pair(0), random_pair(1)
    joined = confusion_matrix(np.concatenate([p1, p2]), np.concatenate([t1, t2]), 6)
    np.testing.assert_array_equal(confusion_matrix(p1, t1, 6) + confusion_matrix(p2, t2, 6), joined)


def test_scoring_leaves_the_matrix_as_it_was() -> None:
    matrix = confusion_matrix(*random_pair(0), 6)
    before = matrix.copy()
    scores(matrix, AERIAL)
    np.testing.assert_array_equal(matrix, before)


def test_nothing_labelled_is_undefined_and_null_in_json() -> None:
    found = score(np.zeros(4, np.uint8), np.full(4, 5, np.uint8))
    assert math.isnan(found.miou5)
    assert math.isnan(found.accuracy)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["miou5"] is None
    assert plain["per_class"]["Road"]["iou"] is None


def test_json_holds_every_score() -> None:
    found = score(*random_pair(0))
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(plain) == {"miou5", "miou6", "accuracy", "per_class"}
    assert plain["per_class"]["Water"]["f1"] == found.per_class["Water"].f1
    assert list(plain["per_class"]) == list(AERIAL.scored_names)
