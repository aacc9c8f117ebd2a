"""How many epochs a budget of seconds pays for."""

from dataclasses import dataclass

_WARM_STEPS, _TIMED_STEPS = 3, 8


@dataclass
class Pace:
    """The speed of a run's first steps. `budget` in seconds of training (None: no budget), `steps` of an epoch."""

    budget: float | None
    steps: int
    warm_steps: int = 0
    warm_seconds: float = 0.0

    def epochs(self, *, elapsed: float, taken: int, step: int) -> int | None:
        """At one step of the first epoch, as many whole epochs as the budget pays for; before and after it None.

        `elapsed` seconds for `taken` steps are those since the start or the resume. The first of them, which are slow,
        do not count where there are others. `step` counts from the start of the epoch.
        """
        if self.budget is None:
            return None
        found = None
        if step == min(_WARM_STEPS + _TIMED_STEPS, self.steps):
            per_step = (elapsed - self.warm_seconds) / (taken - self.warm_steps)
            found = round(self.budget / (per_step * self.steps))
        if taken <= _WARM_STEPS:
            self.warm_steps, self.warm_seconds = taken, elapsed
        return found
