"""A model against scenes whose mask is known → a report of scores."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from core.classes import ClassMap
from core.data.scene import Scene
from core.errors import DataError, ModelError
from core.events import OnProgress, Progress
from core.infer.predict import predict
from core.metrics import Scores, confusion_matrix, scores
from core.normalise import Normaliser


@dataclass(frozen=True)
class Report:
    """Scores over all pixels of all scenes together, from one confusion `matrix` (rows truth, columns prediction).

    `per_scene` has the mIoU-5 of each scene on its own, by name, in the order scored.
    """

    scores: Scores
    matrix: NDArray[np.int64]
    per_scene: dict[str, float]


def evaluate(
    model: nn.Module,
    scenes: Sequence[Scene],
    class_map: ClassMap,
    *,
    normaliser: Normaliser,
    progress: OnProgress | None = None,
    **predict_options: Any,
) -> Report:
    """Predict every scene that has a mask, in full, and score the pixels. `progress` counts scenes.

    `predict_options` go to `core.infer.predict.predict` (tile, overlap, batch, cancelled). Raises `DataError` when no
    scene has a mask, `ModelError` when the model has other classes, and what `predict` raises.
    """
    labelled = [(scene, scene.mask) for scene in scenes if scene.mask is not None]
    if not labelled:
        raise DataError("None of these images has a mask, so there is nothing to score: add masks, or predict instead.")
    classes = len(class_map.names)
    matrix = np.zeros((classes, classes), np.int64)
    per_scene: dict[str, float] = {}
    for done, (scene, truth) in enumerate(labelled, start=1):
        prediction = predict(model, np.asarray(scene.image), normaliser=normaliser, **predict_options)
        if len(prediction.probabilities) != class_map.outputs:
            raise ModelError(
                f"The model has {len(prediction.probabilities)} classes, the masks have {class_map.outputs}: "
                "score it on masks with the classes it was trained for."
            )
        own = confusion_matrix(prediction.mask, np.asarray(truth), classes)
        matrix += own
        per_scene[_unused(scene.name, per_scene)] = scores(own, class_map).miou5
        if progress is not None:
            progress(Progress(done, len(labelled)))
    return Report(scores=scores(matrix, class_map), matrix=matrix, per_scene=per_scene)


def _unused(name: str, taken: dict[str, float]) -> str:
    """`name`, or with a number behind it where another scene has it already: no score may replace another."""
    candidates = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)
