"""Scores from one confusion matrix: IoU, precision, recall and F1 of each class, their means, and pixel accuracy."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.classes import ClassMap


@dataclass(frozen=True)
class ClassScore:
    """Fractions from 0 to 1, and the `pixels` of the class in truth.

    A class that is nowhere in truth has no IoU, recall and F1 (`nan`), whatever was predicted: what was wrongly given
    to it counts against the classes that were there. Its precision is 0 where it was predicted, else `nan` too. A class
    that is there but never predicted has a precision of 0.
    """

    iou: float
    precision: float
    recall: float
    f1: float
    pixels: int


@dataclass(frozen=True)
class Scores:
    """Means over the classes that occur in truth: `miou5` over the scored ones, which leaves unlabelled pixels out.

    `miou6` counts unlabelled pixels as a class that no model predicts, as papers do. The names come from the five
    classes of the Dubai dataset; what people read is `core.data.datasets.score_titles`.
    """

    miou5: float
    miou6: float
    accuracy: float
    per_class: dict[str, ClassScore]

    def to_json(self) -> dict[str, Any]:
        """Plain values; an undefined score (`nan`) becomes None, because JSON has no such number."""
        return {key: _without_nan(value) for key, value in asdict(self).items()}


def confusion_matrix(prediction: NDArray[Any], truth: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """How often each class of the truth was predicted as each class.

    Args:
        prediction: Class indices (H, W), or of any other shape.
        truth: Class indices of the same shape.
        classes: How many there are; every index is below it.

    Returns:
        Counts (classes, classes): rows truth, columns prediction.
    """
    pairs = truth.astype(np.int64).ravel() * classes + prediction.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def scores(matrix: NDArray[np.int64], class_map: ClassMap) -> Scores:
    """All scores of a confusion matrix.

    Args:
        matrix: Counts (K, K), rows truth, columns prediction, of every class of `class_map`, the ignored one too.
        class_map: Which classes these are.
    """
    labelled = matrix.copy()
    labelled[class_map.ignore_index] = 0
    per_class = {
        name: _class_score(labelled, index) for index, name in enumerate(class_map.names) if index < class_map.outputs
    }
    everything = [_class_score(matrix, index).iou for index in range(len(class_map.names))]
    correct, counted = int(np.trace(labelled)), int(labelled.sum())
    return Scores(
        miou5=_mean([score.iou for score in per_class.values()]),
        miou6=_mean(everything),
        accuracy=correct / counted if counted else float("nan"),
        per_class=per_class,
    )


def _class_score(matrix: NDArray[np.int64], index: int) -> ClassScore:
    hit = int(matrix[index, index])
    truth, predicted = int(matrix[index].sum()), int(matrix[:, index].sum())
    if not truth:
        undefined = float("nan")
        return ClassScore(undefined, 0.0 if predicted else undefined, undefined, undefined, pixels=0)
    return ClassScore(
        iou=hit / (truth + predicted - hit),
        precision=hit / max(predicted, 1),
        recall=hit / truth,
        f1=2 * hit / (truth + predicted),
        pixels=truth,
    )


def _mean(values: list[float]) -> float:
    """Over the classes that occur in truth."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value
