"""Which trials of a search for a front are stopped early: successive halving among trials that cost no more.

The search engine stops trials for one goal alone. Of a front all goals but accuracy are known before training, so this
holds: a student that is no more accurate than cheaper ones cannot reach the front. While the learning rate is high,
the order of trials can be pure luck: so nothing is stopped at a rung before finished trials show that it tells. Pure
Python.
"""

import itertools
import math
import random
from collections.abc import Sequence

from core.search.study_plan import SearchPlan

REDUCTION = 3
"""At each rung one in so many goes on; the next rung is after so many times as many epochs."""

_FEWEST = 4
"""Fewer trials than these, the one in question included, say nothing."""

_FINISHED, _MOST_FINISHED, _TOLD = 6, 50, 0.75
"""A rung is used once of so many finished trials this share of all pairs was in the same order there as at the end."""

Curve = Sequence[tuple[int, float]]


def rungs_of(plan: SearchPlan) -> tuple[int, ...]:
    """The epochs after which trials are compared, ascending; none is the last."""
    train = plan.config.train
    rung, found = max(train.validate_every, train.epochs // REDUCTION**2, 1), []
    while rung < train.epochs:
        found.append(rung)
        rung *= REDUCTION
    return tuple(found)


class Halving:
    """The scores of all trials of a search at its rungs.

    As in Hyperband (arXiv 1603.06560) some trials pass the first rungs unasked, because slow learners may be good: how
    many, its brackets say. Which, the seed and the number of a trial: so every process decides alike.
    """

    def __init__(self, plan: SearchPlan) -> None:
        self._rungs, self._seed, self._epochs = rungs_of(plan), plan.seed, plan.config.train.epochs
        self._curves: dict[int, Curve] = {}
        self._costs: dict[int, Sequence[float]] = {}
        self._passed: set[tuple[int, int]] = set()
        brackets = len(self._rungs) + 1
        self._shares = [math.ceil(brackets * REDUCTION**left / (left + 1)) for left in reversed(range(brackets))]

    def note(self, number: int, costs: Sequence[float | None], curve: Curve) -> None:
        """What a trial costs, by each goal but accuracy, and its validation scores by epoch so far."""
        known = [cost for cost in costs if cost is not None]
        if curve and len(known) == len(costs):
            self._costs[number], self._curves[number] = known, curve

    def lags(self, number: int) -> bool:
        """Whether a trial is at a rung, and not in the best third there of those that cost no more in any goal.

        While few are known, or the rung has told nothing yet, it goes on. At each rung it is asked once.
        """
        first = self._first_rung(number)
        for rung in self._rungs[first:]:
            score = self._score(number, rung)
            if score is None or (number, rung) in self._passed:
                continue
            others = [self._score(other, rung) for other in self._curves if self._costs_no_more(other, number)]
            known = [other for other in others if other is not None]
            better = sum(other > score for other in known)
            if len(known) >= _FEWEST and better >= len(known) / REDUCTION and self._tells(rung):
                return True
            self._passed.add((number, rung))
        return False

    def _first_rung(self, number: int) -> int:
        """The place of the first rung at which a trial is asked; one past the last: never."""
        draw = random.Random(f"{self._seed} {number}").random() * sum(self._shares)
        return next(place for place in range(len(self._shares)) if draw < sum(self._shares[: place + 1]))

    def _tells(self, rung: int) -> bool:
        """Whether the order of finished trials at a rung was mostly that of the end."""
        finished = [number for number, curve in self._curves.items() if curve[-1][0] >= self._epochs][-_MOST_FINISHED:]
        scores = [(self._score(number, rung) or 0.0, self._score(number, self._epochs) or 0.0) for number in finished]
        signs = [(mine[0] - theirs[0]) * (mine[1] - theirs[1]) for mine, theirs in itertools.combinations(scores, 2)]
        alike, other = sum(sign > 0 for sign in signs), sum(sign < 0 for sign in signs)
        return len(finished) >= _FINISHED and alike >= _TOLD * max(1, alike + other)

    def _costs_no_more(self, other: int, number: int) -> bool:
        return all(theirs <= own for theirs, own in zip(self._costs[other], self._costs[number], strict=True))

    def _score(self, number: int, rung: int) -> float | None:
        """The best score up to a rung; None of a trial that has not reached it."""
        curve = self._curves.get(number, ())
        if not curve or curve[-1][0] < rung:
            return None
        return max((miou for epoch, miou in curve if epoch <= rung), default=None)
