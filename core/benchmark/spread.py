"""What repeated timings say: the median, how well it is known, and the slow end. Pure Python."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

_Z = NormalDist().inv_cdf(0.975)


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
