"""Scores on the validation scenes, a preview for the eye, and whether the model has collapsed to one class."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from core.classes import ClassMap
from core.data.scene import Scene
from core.evaluate import evaluate
from core.events import Cancelled, EpochEvent, OnProgress, PreviewEvent, Progress
from core.infer.predict import predict
from core.metrics import Scores
from core.normalise import Normaliser
from core.train.checkpointing import TrainState

_PREVIEW_SIDE = 384


@dataclass(frozen=True)
class Validation:
    """`only_class` names the one class that every pixel was given, although the truth has more; else None."""

    scores: Scores
    only_class: str | None
    preview: PreviewEvent


def validate(
    model: nn.Module,
    scenes: Sequence[Scene],
    class_map: ClassMap,
    normaliser: Normaliser,
    epoch: int,
    cancelled: Cancelled,
) -> Validation:
    """Predict each scene in full and score the pixels. Scenes must have masks.

    `cancelled` is asked after each scene, which shows that the run is alive; a validation is finished all the same.
    """
    report = evaluate(model, scenes, class_map, normaliser=normaliser, progress=asking(cancelled))
    predicted = np.flatnonzero(report.matrix.sum(axis=0))
    true = np.flatnonzero(report.matrix[: class_map.outputs].sum(axis=1))
    collapsed = len(predicted) == 1 and len(true) > 1
    shown, truth = _preview_crop(scenes)
    prediction = predict(model, np.asarray(shown.image), normaliser=normaliser).mask
    return Validation(
        scores=report.scores,
        only_class=class_map.names[predicted[0]] if collapsed else None,
        preview=PreviewEvent(epoch=epoch, image=shown.rgb, truth=truth, prediction=prediction),
    )


def epoch_event(result: Validation, progress: TrainState, *, steps: int, better: bool) -> EpochEvent:
    """What is told of the epoch that `progress` is in, of `steps` steps, after its validation."""
    return EpochEvent(
        epoch=progress.epoch + 1,
        epochs=progress.epochs,
        losses={name: value / steps for name, value in progress.sums.items()},
        seconds=progress.seconds,
        miou5=result.scores.miou5,
        miou6=result.scores.miou6,
        accuracy=result.scores.accuracy,
        iou={name: score.iou for name, score in result.scores.per_class.items()},
        best=better,
        collapsed=progress.collapsed,
    )


def asking(cancelled: Cancelled) -> OnProgress:
    """A progress callback that asks `cancelled` and does nothing with the output."""

    def ask(_: Progress) -> None:
        cancelled()

    return ask


def _preview_crop(scenes: Sequence[Scene]) -> tuple[Scene, np.ndarray]:
    """The middle of the scene that holds most classes, so that a person has something to see."""

    def middle(scene: Scene) -> tuple[slice, slice]:
        top, left = max(0, scene.height - _PREVIEW_SIDE) // 2, max(0, scene.width - _PREVIEW_SIDE) // 2
        return slice(top, top + _PREVIEW_SIDE), slice(left, left + _PREVIEW_SIDE)

    labelled = [(scene, scene.mask) for scene in scenes if scene.mask is not None]
    scene, mask = max(labelled, key=lambda pair: len(np.unique(pair[1][middle(pair[0])])))
    window = middle(scene)
    return replace(scene, image=np.ascontiguousarray(scene.image[window])), np.ascontiguousarray(mask[window])
