"""How a student listens to its teacher."""

from dataclasses import dataclass, field
from typing import Literal

from core.typed import is_number

LOGIT_LOSSES = ("soft_targets", "standardised", "channel_wise", "correlation", "boundary")
FEATURE_LOSSES = ("feature_channel_wise", "affinity", "attention", "hint", "masked_generation")
"""Ways to listen to a teacher: to its logits, and to features inside it (functions and papers: `core/losses/`)."""


@dataclass(frozen=True)
class DistillConfig:
    """What the student learns: total = alpha · supervised + (1 − alpha) · Σ weight · loss, at `temperature`.

    `losses` gives each distillation loss (`LOGIT_LOSSES`, `FEATURE_LOSSES`) its weight (why the default is what it is:
    docs/RESULTS.md). Losses on features compare the modules named by `student_layer` and `teacher_layer` (None: the
    deepest features of the encoder). With `average_flips` the teacher's logits are averaged over the four mirror images
    of a view.
    `cache_views` > 0 stores the teacher's answers to that many epochs of views and replays them in turn, so that a
    later epoch costs the student alone; 0 runs the teacher at every step. `cache_pictures` stores its answers to the
    whole pictures instead, from which those to ever new views are cut. `cache_form` is how a stored logit is written:
    `uint8` takes half the disk of `float16`, which stored features always have.
    """

    teacher: str = "teacher"
    temperature: float = 2.0
    alpha: float = 0.5
    cache_views: int = 0
    cache_pictures: bool = False
    cache_form: Literal["float16", "uint8"] = "float16"
    losses: dict[str, float] = field(default_factory=lambda: {"channel_wise": 3.0})
    student_layer: str | None = None
    teacher_layer: str | None = None
    average_flips: bool = False

    @property
    def uses_features(self) -> bool:
        return any(name in FEATURE_LOSSES for name in self.losses)

    def problems(self) -> list[str]:
        found = self._loss_problems()
        if not self.teacher:
            found.append("A distillation needs a teacher: choose a model.")
        if not 0.5 <= self.temperature <= 50:
            found.append(f"Temperature must be from 0.5 to 50, not {self.temperature}.")
        if not 0 <= self.alpha <= 1:
            found.append(f"Alpha must be from 0 (teacher only) to 1 (labels only), not {self.alpha}.")
        if not 0 <= self.cache_views <= 1000:
            found.append(f"Cached views must be from 0 (no cache) to 1000, not {self.cache_views}.")
        if self.cache_pictures and (self.cache_views or self.uses_features):
            found.append(
                "Stored pictures go with losses on logits alone, and not with stored views: choose one of them."
            )
        if self.cache_form not in ("float16", "uint8"):
            found.append(f"The form of the cache must be float16 or uint8, not {self.cache_form}.")
        return found

    def _loss_problems(self) -> list[str]:
        found = []
        if not self.losses:
            found.append("A distillation needs at least one loss that listens to the teacher.")
        for name, weight in self.losses.items():
            if name not in LOGIT_LOSSES + FEATURE_LOSSES:
                found.append(f"There is no loss {name}; there are {', '.join(LOGIT_LOSSES + FEATURE_LOSSES)}.")
            elif not is_number(weight) or not 0 < weight <= 10_000:
                found.append(f"The weight of {name} must be above 0 and at most 10,000, not {weight}.")
        return found
