"""Timing things in turns, one pass each, until every median is known well enough. Knows nothing of models."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from core.benchmark.plan import Plan
from core.benchmark.spread import Spread, spread

Key = TypeVar("Key")
Clock = Callable[[], float]
Cancelled = Callable[[], bool]


class CancelledError(Exception):
    """Whoever asked for the timings asked for them to stop."""


def take_turns(
    work: Mapping[Key, Callable[[], object]],
    plan: Plan,
    *,
    cancelled: Cancelled = lambda: False,
    clock: Clock = time.perf_counter,
) -> dict[Key, Spread]:
    """Time each of `work` as `plan` says. One that is known well goes on while another is not, so that a machine that
    slows down slows all of them alike; it leaves only after `plan.most` passes or `plan.seconds` of its own.

    Raises `CancelledError`.
    """
    seconds: dict[Key, list[float]] = {key: _warmed_up(run, clock) for key, run in work.items()}
    going = list(work)
    while going:
        for key in going:
            if cancelled():
                raise CancelledError
            seconds[key].append(_once(work[key], clock))
        going = [key for key in going if not _exhausted(seconds[key], plan)]
        if all(_known(seconds[key], plan) for key in going):
            break
    return {key: spread(taken) for key, taken in seconds.items()}


def _warmed_up(run: Callable[[], object], clock: Clock) -> list[float]:
    """Passes that are not counted: at least three, and on until half a second has gone by, ten at most."""
    begun = clock()
    for turn in range(10):
        run()
        if turn >= 2 and clock() - begun > 0.5:
            break
    return []


def _once(run: Callable[[], object], clock: Clock) -> float:
    start = clock()
    run()
    return clock() - start


def _exhausted(seconds: list[float], plan: Plan) -> bool:
    return len(seconds) >= plan.most or (len(seconds) >= 5 and sum(seconds) > plan.seconds)


def _known(seconds: list[float], plan: Plan) -> bool:
    return len(seconds) >= plan.fewest and spread(seconds).half_width <= plan.confidence
