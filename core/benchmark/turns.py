"""Timing things in turns, one pass each, until every median is known well enough. Knows nothing of models."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from core.benchmark.plan import Plan
from core.benchmark.spread import Spread, spread
from core.events import Cancelled, CancelledError

Key = TypeVar("Key")
Clock = Callable[[], float]


@dataclass(frozen=True)
class Timed:
    """The spread of the passes, and the processor's time for a typical one, all threads together, in milliseconds.

    Where one thread takes much longer than the processor's time, it waited for somebody else.
    """

    spread: Spread
    cpu_ms: float


def take_turns(
    work: Mapping[Key, Callable[[], object]],
    plan: Plan,
    *,
    cancelled: Cancelled = lambda: False,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
) -> dict[Key, Timed]:
    """Time each of `work` as `plan` says. One that is known well goes on while another is not, so that a machine that
    slows down slows all of them alike; it leaves only after `plan.most` passes or `plan.seconds` of its own.

    Raises `CancelledError`.
    """
    for run in work.values():
        _warm_up(run, clock)
    seconds: dict[Key, list[float]] = {key: [] for key in work}
    cpu_seconds: dict[Key, list[float]] = {key: [] for key in work}
    going = list(work)
    while going:
        for key in going:
            if cancelled():
                raise CancelledError
            start, cpu_start = clock(), cpu_clock()
            work[key]()
            cpu_seconds[key].append(cpu_clock() - cpu_start)
            seconds[key].append(clock() - start)
        going = [key for key in going if not _exhausted(seconds[key], plan)]
        if all(_known(seconds[key], plan) for key in going):
            break
    return {key: Timed(spread(taken), 1000 * median(cpu_seconds[key])) for key, taken in seconds.items()}


def _warm_up(run: Callable[[], object], clock: Clock) -> None:
    """Passes that are not counted: at least three, and on until half a second has gone by, ten at most."""
    begun = clock()
    for turn in range(10):
        run()
        if turn >= 2 and clock() - begun > 0.5:
            break


def _exhausted(seconds: list[float], plan: Plan) -> bool:
    return len(seconds) >= plan.most or (len(seconds) >= 5 and sum(seconds) > plan.seconds)


def _known(seconds: list[float], plan: Plan) -> bool:
    return len(seconds) >= plan.fewest and spread(seconds).half_width <= plan.confidence
