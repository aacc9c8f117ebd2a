"""Timing things in turns, one pass each, until every median is known well enough. Knows nothing of models."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import TypeVar

import psutil

from core.benchmark.plan import Plan
from core.events import Cancelled, CancelledError

_Z = NormalDist().inv_cdf(0.975)
Key = TypeVar("Key")
Clock = Callable[[], float]


@dataclass(frozen=True)
class Spread:
    """Milliseconds, of `repeats` passes. The true median lies from `low_ms` to `high_ms` with a confidence of 95 %."""

    p50_ms: float
    p95_ms: float
    low_ms: float
    high_ms: float
    repeats: int

    @property
    def half_width(self) -> float:
        """Half the interval as a share of the median."""
        return (self.high_ms - self.low_ms) / 2 / self.p50_ms if self.p50_ms else 0.0


def spread(seconds: Sequence[float]) -> Spread:
    """From timings in seconds, at least one.

    The interval is that of order statistics (binomial, normal approximation): it asks nothing of how timings are
    distributed, and the long tail that a busy machine gives them does not move it. Conover, Practical Nonparametric
    Statistics, 3.2.
    """
    ordered = sorted(1000 * value for value in seconds)
    count = len(ordered)
    reach = _Z * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    return Spread(
        p50_ms=median(ordered),
        p95_ms=_percentile(ordered, 0.95),
        low_ms=ordered[max(0, low)],
        high_ms=ordered[min(count - 1, high)],
        repeats=count,
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest, in proportion."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@dataclass(frozen=True)
class Timed:
    """The spread of the passes, and the processor's time for a typical one, all threads together, in milliseconds.

    Where one thread takes much longer than the processor's time, it waited for somebody else. `others` is how many
    cores other processes kept busy meanwhile, on average. They slow a pass even where nobody waits: two threads of one
    core share its arithmetic, and the same pass then takes up to half as long again.
    """

    spread: Spread
    cpu_ms: float
    others: float


def busy_seconds() -> float:
    """Seconds that all cores of this machine have worked since it started, together."""
    now = psutil.cpu_times()
    return float(now.user + now.system + getattr(now, "nice", 0.0))


def take_turns(
    work: Mapping[Key, Callable[[], object]],
    plan: Plan,
    *,
    cancelled: Cancelled = lambda: False,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
    machine_clock: Clock = busy_seconds,
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
    begun, busy, own = clock(), machine_clock(), cpu_clock()
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
    ours = cpu_clock() - own
    others = max(0.0, machine_clock() - busy - ours) / max(clock() - begun, 1e-9)
    return {key: Timed(spread(taken), 1000 * median(cpu_seconds[key]), others) for key, taken in seconds.items()}


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
