"""How a teacher and a student do on the shipped scenes that neither learned from.

Of two shipped models it comes with the project (`python -m benchmarks.scene_figures`), so that the first visitor does
not wait until both have segmented every scene; of others it is measured once a machine, and kept.
"""

import hashlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services.artifacts import Model, weights
from app.services.datasets import Picture
from core import paths
from core.classes import ClassMap
from core.files import write_aside
from core.metrics import confusion_matrix, scores

SHIPPED = paths.ROOT / "benchmarks" / "scene_figures.json"
_SCHEMA = 1
Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class SceneFigure:
    """Of one scene: `agreed` of its `pixels` have one class in both masks; each model against the known mask, counts
    (C, C), rows truth and columns prediction, or None where no mask is known."""

    agreed: int
    pixels: int
    teacher: tuple[tuple[int, ...], ...] | None
    student: tuple[tuple[int, ...], ...] | None

    @property
    def agreement(self) -> float:
        return self.agreed / max(self.pixels, 1)


@dataclass(frozen=True)
class PairFigures:
    """Of a teacher and a student over `scenes`, all pixels together; fractions from 0 to 1.

    `typical` is the scene of median agreement (of two in the middle, the lower). mIoU is None where no mask is known.
    """

    scenes: tuple[str, ...]
    typical: str
    agreement: float
    teacher_miou5: float | None
    student_miou5: float | None

    @property
    def retained(self) -> float | None:
        """The student's score as a share of the teacher's."""
        if not self.teacher_miou5 or self.student_miou5 is None:
            return None
        return self.student_miou5 / self.teacher_miou5


def figure(*, teacher: Mask, student: Mask, truth: Mask | None, classes: int) -> SceneFigure:
    """From masks (H, W) of class indices below `classes`."""
    matrices = [None, None] if truth is None else [_counts(mask, truth, classes) for mask in (teacher, student)]
    return SceneFigure(int((teacher == student).sum()), int(teacher.size), *matrices)


def summary(found: Mapping[str, SceneFigure], model: Model) -> PairFigures:
    """Over scenes by name, at least one; `model` says the classes."""
    ordered = sorted(found, key=lambda name: (found[name].agreement, name))
    middle = statistics.median_low([found[name].agreement for name in ordered])
    return PairFigures(
        scenes=tuple(sorted(found)),
        typical=next(name for name in ordered if found[name].agreement == middle),
        agreement=sum(one.agreed for one in found.values()) / max(sum(one.pixels for one in found.values()), 1),
        teacher_miou5=_miou5([one.teacher for one in found.values()], model),
        student_miou5=_miou5([one.student for one in found.values()], model),
    )


def measured(
    pictures: Sequence[Picture], *, teacher: Model, student: Model, masks: Callable[[Picture], tuple[Mask, Mask]]
) -> dict[str, SceneFigure]:
    """The figures of every picture by name: known ones from disk, the others from `masks` (teacher's and student's)."""
    file = _file(teacher=teacher, student=student)
    kept = _scenes(SHIPPED, pair_name(teacher=teacher, student=student)) | _scenes(file)
    classes = len(teacher.classes)
    for picture in pictures:
        if picture.sha256 not in kept:
            theirs, ours = masks(picture)
            kept[picture.sha256] = figure(teacher=theirs, student=ours, truth=picture.mask, classes=classes)
            write_aside(file, lambda path: path.write_text(_as_json(kept), encoding="utf-8"))
    return {picture.name: kept[picture.sha256] for picture in pictures}


def _counts(mask: Mask, truth: Mask, classes: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, row)) for row in confusion_matrix(mask, truth, classes))


def _miou5(matrices: Sequence[tuple[tuple[int, ...], ...] | None], model: Model) -> float | None:
    known = [np.array(matrix, np.int64) for matrix in matrices if matrix is not None]
    if not known:
        return None
    names, colours = zip(*model.classes, strict=True)
    found = scores(sum(known[1:], known[0]), ClassMap(names, colours, model.ignore_index)).miou5
    return None if np.isnan(found) else found


def _file(*, teacher: Model, student: Model) -> Path:
    digest = hashlib.sha256(f"{teacher.identity}\n{student.identity}".encode()).hexdigest()[:16]
    return paths.home() / "scene-figures" / f"{digest}.json"


def pair_name(*, teacher: Model, student: Model) -> str:
    """What two models are called in `SHIPPED`: it changes with the weights of either."""
    return f"{weights(teacher)}-{weights(student)}"


def write_shipped(pairs: Mapping[str, Mapping[str, SceneFigure]], path: Path) -> None:
    """Write the figures of pairs (`pair_name`), each by the SHA-256 of a scene's file, as `SHIPPED` holds them."""
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(_rows(found))}" for name, found in pairs.items())
    path.write_text(f'{{"schema": {_SCHEMA}, "pairs": {{\n{rows}\n}}}}\n', encoding="utf-8")


def _as_json(kept: Mapping[str, SceneFigure]) -> str:
    return json.dumps({"schema": _SCHEMA, "scenes": _rows(kept)})


def _rows(kept: Mapping[str, SceneFigure]) -> dict[str, list[Any]]:
    return {name: [one.agreed, one.pixels, one.teacher, one.student] for name, one in kept.items()}


def _scenes(file: Path, pair: str = "") -> dict[str, SceneFigure]:
    """What a file holds, of one pair where it holds several; empty where there is nothing that this version wrote."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] != _SCHEMA:
            return {}
        return {
            str(name): _figure(agreed, pixels, teacher=teacher, student=student)
            for name, (agreed, pixels, teacher, student) in (data["pairs"][pair] if pair else data["scenes"]).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _figure(agreed: Any, pixels: Any, *, teacher: Any, student: Any) -> SceneFigure:
    def matrix(rows: Any) -> tuple[tuple[int, ...], ...] | None:
        return None if rows is None else tuple(tuple(int(count) for count in row) for row in rows)

    return SceneFigure(int(agreed), int(pixels), matrix(teacher), matrix(student))
