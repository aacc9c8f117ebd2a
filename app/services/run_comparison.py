"""Any number of runs side by side: their settings and results as columns, those that are the same in all left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.services.runs import Run
from core.losses.catalogue import in_words

SCORE = "mIoU (%)"


@dataclass(frozen=True)
class Column:
    """One setting or result of all runs: numbers, texts, or None where a run has none."""

    title: str
    values: tuple[Any, ...]

    @property
    def numeric(self) -> bool:
        return all(isinstance(value, int | float) for value in self.values if value is not None)


_SETTINGS: dict[str, Callable[[Run], Any]] = {
    "Learns from": lambda run: "labels only" if run.teacher is None else "teacher",
    "Teacher": lambda run: run.teacher or "none",
    "Student": lambda run: run.student,
    "Dataset": lambda run: run.config.data.dataset,
    "Labelled": lambda run: run.config.data.labelled,
    "Losses": lambda run: in_words(run.config.distill.losses) if run.config.distill else "labels",
    "Temperature": lambda run: run.config.distill.temperature if run.config.distill else None,
    "Alpha": lambda run: run.config.distill.alpha if run.config.distill else None,
    "Epochs": lambda run: run.config.train.epochs,
    "Learning rate": lambda run: run.config.train.learning_rate,
    "Batch": lambda run: run.config.train.batch_size,
    "Crop": lambda run: run.config.data.crop,
    "Seed": lambda run: run.seed,
}
_RESULTS: dict[str, Callable[[Run], Any]] = {
    "Trained (s)": lambda run: None if run.train_seconds is None else round(run.train_seconds, 1),
    SCORE: lambda run: None if run.best_miou5 is None else round(100 * run.best_miou5, 2),
}


def columns(runs: Sequence[Run]) -> list[Column]:
    """The settings that differ between these runs, then the results that any of them has."""
    made = [Column(title, tuple(map(read, runs))) for title, read in _SETTINGS.items()]
    results = [Column(title, tuple(map(read, runs))) for title, read in _RESULTS.items()]
    told = [column for column in results if any(value is not None for value in column.values)]
    return [column for column in made if len(set(column.values)) > 1] + told


def best_first(runs: Sequence[Run]) -> list[Run]:
    """By validation mIoU; runs without one last."""
    return sorted(runs, key=lambda run: (run.best_miou5 is None, -(run.best_miou5 or 0.0)))
