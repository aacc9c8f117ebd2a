"""What a student learns from its teacher."""

import math
from dataclasses import dataclass, field
from typing import Literal

from core.config.fields import problems_of, setting
from core.losses import catalogue
from core.typed import is_number


@dataclass(frozen=True)
class DistillConfig:
    """What the student learns: total = alpha · supervised + (1 − alpha) · Σ weight · loss, at `temperature`.

    Alpha goes from `alpha` to `alpha_end` over the run (`alpha_at`).

    `losses` gives each distillation loss (`core.losses.catalogue`) its weight (why the default is what it is:
    docs/RESULTS.md). `map_classes` says which of the teacher's classes stand for which of the data's
    (`core.class_mapping`); it is empty where both know the same.
    """

    teacher: str = setting(
        "teacher", "Teacher", "The model to learn from: a shipped model, the id of a run, or a path."
    )
    temperature: float = setting(
        2.0,
        "Temperature",
        "Softens the teacher's predictions: a higher one shows more of what it thinks likely besides its choice.",
        low=0.5,
        high=50,
        step=0.5,
    )
    alpha: float = setting(
        0.5,
        "Alpha",
        "Share of the labels in the loss: 0 learns from the teacher only, 1 from the labels only.",
        low=0,
        high=1,
        step=0.1,
    )
    alpha_end: float | None = setting(
        None,
        "Alpha at the end",
        "The share of the labels that a run ends with, reached along half a cosine: with 1 the teacher leads at first "
        "and the labels in the end.",
        low=0,
        high=1,
        step=0.1,
        empty="as at the start",
    )
    cache_views: int = setting(
        0,
        "Stored teacher epochs",
        "Epochs of views whose teacher outputs are stored and used again in turn, so that a further epoch costs the "
        "student alone; 0 runs the teacher at every step.",
        low=0,
        high=1000,
    )
    cache_pictures: bool = setting(
        False,
        "Store whole pictures",
        "Run the teacher once on each training picture, and cut its outputs for views out of the stored ones: the "
        "quickest way to ever new views. Not for losses on features.",
    )
    cache_form: Literal["float16", "uint8"] = setting(
        "float16",
        "Form of what is stored",
        "How a stored logit is written: uint8 takes half the disk of float16. Features are always float16.",
        choices=("float16", "uint8"),
        choice_titles=("Two bytes a logit", "One byte a logit (half the disk)"),
    )
    losses: dict[str, float] = field(default_factory=catalogue.default_weights)
    student_layer: str | None = setting(
        None,
        "Student layer",
        "The module of the student that losses on features compare.",
        metavar="MODULE",
        empty="the deepest features of the encoder",
    )
    teacher_layer: str | None = setting(
        None,
        "Teacher layer",
        "The module of the teacher that losses on features compare.",
        metavar="MODULE",
        empty="the deepest features of the encoder",
    )
    average_flips: bool = setting(
        False,
        "Average the teacher over mirror images",
        "The teacher's logits are averaged over the four mirror images of a view: steadier, at four times its cost.",
    )

    map_classes: dict[str, str] = field(default_factory=dict)

    @property
    def uses_features(self) -> bool:
        return catalogue.uses_features(self.losses)

    @property
    def taught_alone(self) -> bool:
        """Whether no label teaches the student, from the first step to the last."""
        return self.alpha == 0 == self.alpha_at(1)

    @property
    def passes_per_view(self) -> int:
        """How often the teacher predicts a view: once, or each of its four mirror images."""
        return 4 if self.average_flips else 1

    def alpha_at(self, done: float) -> float:
        """The share of the labels when `done` of the run's steps, from 0 to 1, are behind it."""
        end = self.alpha if self.alpha_end is None else self.alpha_end
        return end + (self.alpha - end) * (1 + math.cos(math.pi * done)) / 2

    def problems(self) -> list[str]:
        found = [*self._loss_problems(), *problems_of(self)]
        if not self.teacher:
            found.append("A distillation needs a teacher: choose a model.")
        if not all(isinstance(name, str) for pair in self.map_classes.items() for name in pair):
            found.append("Classes are mapped by their names.")
        if self.cache_pictures and (self.cache_views or self.uses_features):
            found.append(
                "Stored pictures go with losses on logits alone, and not with stored views: choose one of them."
            )
        return found

    def _loss_problems(self) -> list[str]:
        found = []
        if not self.losses:
            found.append("A distillation needs at least one loss on the teacher.")
        for name, weight in self.losses.items():
            if name not in catalogue.LOSSES:
                found.append(f"There is no loss {name}; there are {', '.join(catalogue.LOSSES)}.")
            elif not is_number(weight) or not 0 < weight <= 10_000:
                found.append(f"The weight of {name} must be above 0 and at most 10,000, not {weight}.")
        return found
