"""How many epochs a budget of seconds pays for."""

from dataclasses import dataclass

_WARM_STEPS, _TIMED_STEPS = 3, 32


@dataclass
class Pace:
    """The speed of a run's first steps. `budget` in seconds of training (None: no budget), `steps` of an epoch."""

    budget: float | None
    steps: int
    warm_steps: int = 0
    warm_seconds: float = 0.0

    def epochs(self, *, elapsed: float, taken: int, step: int) -> int | None:
        """As many whole epochs as the budget pays for, as far as is known; None where nothing new is.

        The first steps of the first epoch tell, each better than the one before; the last of them settles it. So the
        learning rate, which depends on the length, climbs as it should from the start. `elapsed` seconds for `taken`
        steps are those since the start or the resume. The first of them, which are slow, do not count where there are
        others. `step` counts from the start of the epoch.
        """
        last = min(_WARM_STEPS + _TIMED_STEPS, self.steps)
        if self.budget is None or step > last:
            return None
        found = None
        if taken > _WARM_STEPS or step == last:
            per_step = (elapsed - self.warm_seconds) / (taken - self.warm_steps)
            found = round(self.budget / (per_step * self.steps))
        if taken <= _WARM_STEPS:
            self.warm_steps, self.warm_seconds = taken, elapsed
        return found
