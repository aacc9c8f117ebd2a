"""Energy of the processor where the machine reports it: Intel's and AMD's running average power limit counters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Reading:
    """Microjoules so far, counter by counter, and where each begins again from zero."""

    microjoules: tuple[int, ...]
    wraps_at: tuple[int, ...]


def read(folder: Path = _POWERCAP) -> Reading | None:
    """The counters of every processor package; None where there are none, or where only an administrator may read."""
    packages = sorted(path for path in folder.glob("*-rapl:*") if path.name.count(":") == 1)
    try:
        counts = tuple(int((path / "energy_uj").read_text()) for path in packages)
        limits = tuple(int((path / "max_energy_range_uj").read_text()) for path in packages)
    except (OSError, ValueError):
        return None
    return Reading(counts, limits) if counts else None


def joules(before: Reading | None, after: Reading | None) -> float | None:
    """Between two readings; a counter that began again in between is allowed for, once."""
    if before is None or after is None or len(before.microjoules) != len(after.microjoules):
        return None
    return sum(_steps(before.microjoules, after.microjoules, after.wraps_at)) / 1e6


def _steps(before: Sequence[int], after: Sequence[int], limits: Sequence[int]) -> list[int]:
    return [(b - a) if b >= a else (b - a) + limit for a, b, limit in zip(before, after, limits, strict=True)]
