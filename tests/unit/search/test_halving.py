"""Which trials of a search for a front are stopped early."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.search.halving import Halving, rungs_of
from core.search.study_plan import SearchPlan
from tests.unit.search.kit import make_plan

FRONT = make_plan(goals=("miou", "latency"))
"""Runs of nine epochs: trials are compared after the first and the third."""


def informed(plan: SearchPlan = FRONT, *, ends: Sequence[float] = (1, 2, 3, 4, 5, 6)) -> Halving:
    """One that has seen six trials to their end: dearer than all others, and ahead of each other at every rung.

    `ends` are their scores at the end, in the order of their first.
    """
    halving = Halving(plan)
    for at, end in enumerate(ends):
        halving.note(-1 - at, [1e9] * (len(plan.goals) - 1), [(1, at / 10), (3, at / 10), (9, end)])
    return halving


def asked_at_once(numbers: range) -> set[int]:
    """The trials that are asked at the first rung: of those that would all be stopped there."""
    halving = informed()
    for number in range(-900, -600):
        halving.note(number, [1.0], [(1, 1.0)])
    for number in numbers:
        halving.note(number, [1.0], [(1, 0.0)])
    return {number for number in numbers if halving.lags(number)}


@pytest.mark.parametrize("seed", range(8))
def test_a_trial_is_stopped_where_a_third_of_those_that_cost_no_more_are_better(seed: int) -> None:
    draw, halving = random.Random(seed), informed()
    asked = asked_at_once(range(300))
    assert 100 < len(asked) < 200, "some may learn slowly: as in Hyperband, these are asked at a later rung"
    known: list[tuple[float, float]] = []
    for number in range(300):
        cost, score = float(draw.choice((4, 8, 16))), draw.random()
        known.append((cost, score))
        halving.note(number, [cost], [(1, score)])
        rivals = [theirs for at, theirs in known if at <= cost]
        lags = len(rivals) >= 4 and 3 * sum(theirs > score for theirs in rivals) >= len(rivals)
        assert halving.lags(number) == (lags and number in asked)
        if not lags:
            halving.note(number, [cost], [(1, 0.0), (2, 0.0)])
            assert not halving.lags(number), "at each rung it is asked once"
            halving.note(number, [cost], [(1, score)])


def test_a_slow_learner_is_asked_once_more_at_the_next_rung() -> None:
    halving = informed()
    for number in range(200):
        halving.note(number, [4.0], [(1, 0.1), (2, 0.2), (3, 0.9)])
    late = [(1, 0.0), (2, 0.1), (3, 0.1)]
    found = []
    for number in range(200, 260):
        halving.note(number, [8.0], late[:2])
        at_first = halving.lags(number)
        halving.note(number, [8.0], late)
        found.append((at_first, halving.lags(number)))
    assert {(True, True), (False, True), (False, False)} == set(found), "those of the last bracket are never asked"


@pytest.mark.parametrize(
    ("ends", "stops"),
    [
        ((1, 2, 3, 4, 5, 6), True),
        ((1, 2, 3, 4, 6, 5), True),
        ((1, 2, 3, 4, 5), False),
        ((1, 1, 1, 1, 1, 1), False),
        ((3, 1, 2, 6, 4, 5), False),
        ((6, 5, 4, 3, 2, 1), False),
        ((), False),
    ],
)
def test_nothing_is_stopped_before_finished_trials_show_that_early_scores_tell(
    ends: tuple[float, ...], stops: bool
) -> None:
    halving = informed(ends=ends)
    for number in range(60):
        halving.note(number, [4.0], [(1, 0.9 - number / 100)])
    assert any(halving.lags(number) for number in range(60)) == stops


def test_only_trials_that_cost_no_more_in_any_goal_and_are_as_far_count() -> None:
    halving = informed(make_plan(goals=("miou", "latency", "parameters")))
    for number in range(50):
        halving.note(number, [4.0, 9.0], [(1, 0.9)])
        halving.note(100 + number, [9.0, 4.0], [(1, 0.9)])
        halving.note(200 + number, [4.0, None], [(1, 0.9)])
        halving.note(300 + number, [4.0, 4.0], [])
    for number in range(400, 430):
        halving.note(number, [8.0, 8.0], [(1, (number - 300) / 1000)])
        assert not halving.lags(number), "each is the best so far of what costs no more in both"


@pytest.mark.parametrize(
    ("epochs", "every", "rungs"),
    [(9, 1, (1, 3)), (1, 1, ()), (2, 1, (1,)), (27, 1, (3, 9)), (20, 3, (3, 9)), (9, 99, ())],
)
def test_trials_are_compared_at_epochs_that_are_validated(epochs: int, every: int, rungs: tuple[int, ...]) -> None:
    train = replace(FRONT.config.train, epochs=epochs, validate_every=every)
    assert rungs_of(replace(FRONT, config=replace(FRONT.config, train=train))) == rungs


@pytest.mark.parametrize(
    ("changes", "prunes"),
    [({}, True), ({"prune": False}, False), ({"sampler": "grid"}, False), ({"goals": ("latency",)}, False)],
)
def test_a_grid_and_who_wants_it_stop_nothing(changes: dict[str, object], prunes: bool) -> None:
    assert replace(FRONT, **changes).prunes == prunes  # type: ignore[arg-type]
