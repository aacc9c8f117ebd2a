"""How many epochs a budget of seconds pays for."""

from dataclasses import dataclass

_WARM_STEPS = 3


@dataclass
class Budget:
    """The speed of a run's first epoch. `budget` in seconds of training (None: no budget), `steps` of an epoch."""

    budget: float | None
    steps: int
    warm_steps: int = 0
    warm_seconds: float = 0.0

    def epochs(self, *, elapsed: float, taken: int, step: int) -> int | None:
        """As many whole epochs as the budget pays for, as far as is known; None where nothing new is.

        Each step of the first epoch tells better than the one before; its last settles it. So the learning rate, which
        depends on the length, climbs as it should from the start. `elapsed` seconds for `taken` steps are those since
        the start or the resume. The first of them, which are slow, do not count where there are others. `step` counts
        from the start of the epoch.
        """
        if self.budget is None:
            return None
        found = None
        if taken > _WARM_STEPS or step == self.steps:
            per_step = (elapsed - self.warm_seconds) / (taken - self.warm_steps)
            found = round(self.budget / (per_step * self.steps))
        if taken <= _WARM_STEPS:
            self.warm_steps, self.warm_seconds = taken, elapsed
        return found
