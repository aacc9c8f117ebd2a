"""A student beside its teacher on many pictures: one short verdict each, and the worst first."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.services.datasets import Picture
from app.services.overlays import Encoded, mask_of
from core.agreement import kappa
from core.classes import ClassMap
from core.metrics import confusion_matrix, scores

Mask = NDArray[np.uint8]

THUMBNAIL = 320
_UNLIKE = np.array([236, 32, 96], np.float32)
ORDERS = {"disagreement": "Disagreement", "iou": "Student's IoU", "gap": "Lost against the teacher"}


@dataclass(frozen=True)
class PairScores:
    """Fractions from 0 to 1; None where undefined. `kappa` may be below 0.

    `teacher` and `student` are the mIoU against the known mask, `per_class` the student's IoU of each class, against
    the known mask or, without one, against the teacher. `thumbnail` is a WebP with the disagreement in pink.
    """

    name: str
    agreement: float
    kappa: float | None
    teacher: float | None
    student: float | None
    per_class: dict[str, float | None]
    thumbnail: bytes


@dataclass
class Pass:
    """The models' way through the pictures of a collection: what came of it so far, and whether it goes on.

    `names` are all that were asked for, in order. `done` holds those that were worked on, each with the reason why it
    is left out, or None. It goes by name: a run of the page that was stopped may finish a picture which the next one
    has begun, and it counts once.
    """

    names: tuple[str, ...]
    done: dict[str, str | None] = field(default_factory=dict)
    stopped: bool = False

    @property
    def found(self) -> list[str]:
        return [name for name, problem in list(self.done.items()) if problem is None]

    @property
    def problems(self) -> list[str]:
        return [problem for problem in list(self.done.values()) if problem is not None]

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.done)


def judge(
    picture: Picture,
    *,
    teacher: Encoded,
    student: Encoded,
    classes: Sequence[tuple[str, tuple[int, int, int]]],
    ignore_index: int,
) -> PairScores:
    """`teacher` and `student` as `overlays.encode` gives what they say of `picture`."""
    taught, learnt = mask_of(teacher), mask_of(student)
    class_map = ClassMap(tuple(name for name, _ in classes), tuple(colour for _, colour in classes), ignore_index)
    between = confusion_matrix(learnt, taught, len(classes))
    found = scores(between if picture.mask is None else _matrix(learnt, picture.mask, classes), class_map)
    own = None if picture.mask is None else _known(found.miou5)
    best = None if picture.mask is None else _known(scores(_matrix(taught, picture.mask, classes), class_map).miou5)
    return PairScores(
        name=picture.name,
        agreement=float((taught == learnt).mean()),
        kappa=_known(kappa(between)),
        teacher=best,
        student=own,
        per_class={name: _known(score.iou) for name, score in found.per_class.items()},
        thumbnail=_thumbnail(picture.image, taught != learnt),
    )


def worst_first(verdicts: Sequence[PairScores], *, order: str, class_name: str | None = None) -> list[PairScores]:
    """Sorted by a key of `ORDERS`; with a class, those where it occurs, by its IoU. What has no value comes last."""
    if class_name is not None:
        there = [verdict for verdict in verdicts if verdict.per_class.get(class_name) is not None]
        return sorted(there, key=lambda verdict: verdict.per_class[class_name] or 0.0)
    if order == "iou":
        return sorted(verdicts, key=lambda verdict: _last(verdict.student))
    if order == "gap":
        return sorted(verdicts, key=lambda verdict: _last(_minus(verdict.student, verdict.teacher)))
    return sorted(verdicts, key=lambda verdict: verdict.agreement)


def _matrix(mask: Mask, truth: Mask, classes: Sequence[object]) -> NDArray[np.int64]:
    return confusion_matrix(mask, truth, len(classes))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _last(value: float | None) -> float:
    return float("inf") if value is None else value


def _thumbnail(image: Mask, unlike: NDArray[np.bool_]) -> bytes:
    """Every pixel of it the mean of its block; the pinker, the more pixels of the block differ."""
    from core.image import encode_webp

    step = -(-max(image.shape[:2]) // THUMBNAIL)
    height, width = (max(1, side // step) for side in image.shape[:2])
    block = (height, min(step, image.shape[0]), width, min(step, image.shape[1]))
    whole = (slice(block[0] * block[1]), slice(block[2] * block[3]))
    small = image[whole].reshape(*block, 3).mean(axis=(1, 3), dtype=np.float32)
    share = unlike[whole].reshape(block).mean(axis=(1, 3), dtype=np.float32)[..., None] * 0.75
    return encode_webp(np.round(small * (1 - share) + _UNLIKE * share).astype(np.uint8), quality=80)
