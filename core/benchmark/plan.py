"""What is to be measured: models × runtimes × sizes × batches × threads. No torch."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from core.benchmark.runtimes import RUNTIMES, USUAL
from core.config import DataConfig
from core.errors import ConfigError
from core.typed import build

MOST_CASES = 400
_LARGEST_SIDE, _LARGEST_BATCH, _MOST_THREADS = 4096, 64, 256


@dataclass(frozen=True)
class Case:
    """One thing to time: a model in a runtime, on `batch` pictures of `size` x `size`, with so many threads."""

    model: str
    runtime: str
    size: int
    batch: int
    threads: int

    @property
    def artefact(self) -> tuple[str, str]:
        """The file and what runs it: scored once, whatever the size."""
        return self.model, self.runtime


@dataclass(frozen=True)
class Plan:
    """`teacher` is what the ratios refer to, and is measured too.

    A case is repeated until the median is known to within `confidence` (a share of it, at 95 %), at least `fewest` and
    at most `most` times, and no longer than `seconds`. `score` names the labelled data, or is None.
    """

    models: tuple[str, ...]
    teacher: str | None = None
    runtimes: tuple[str, ...] = USUAL
    sizes: tuple[int, ...] = (512,)
    batches: tuple[int, ...] = (1,)
    threads: tuple[int, ...] = (1,)
    device: str = "cpu"
    confidence: float = 0.03
    fewest: int = 20
    most: int = 200
    seconds: float = 30.0
    cold: bool = True
    score: DataConfig | None = None
    score_split: str = "val"
    calibration: DataConfig = field(default_factory=DataConfig)

    @property
    def everyone(self) -> tuple[str, ...]:
        """Every model that is measured, once, the teacher first."""
        return tuple(dict.fromkeys([*([self.teacher] if self.teacher else []), *self.models]))

    def cases(self) -> list[Case]:
        """Every combination, grouped so that what is compared stands side by side. Raises `ConfigError`."""
        if problems := self.problems():
            raise ConfigError(problems)
        settings = itertools.product(self.sizes, self.batches, self.threads)
        return [
            Case(model, runtime, size, batch, threads)
            for size, batch, threads in settings
            for model in self.everyone
            for runtime in self.runtimes
        ]

    def problems(self) -> list[str]:
        """What cannot be measured, each in a sentence."""
        found = [] if self.models else ["Choose at least one model to measure."]
        found += [
            f"There is no runtime {name}: choose {', '.join(RUNTIMES)}."
            for name in self.runtimes
            if name not in RUNTIMES
        ]
        found += [] if self.runtimes else ["Choose at least one runtime."]
        found += _out_of_range("Size", self.sizes, _LARGEST_SIDE)
        found += _out_of_range("Batch", self.batches, _LARGEST_BATCH)
        found += _out_of_range("Threads", self.threads, _MOST_THREADS)
        if not 0.001 <= self.confidence <= 0.5:
            found.append(f"The interval must be from 0.1 % to 50 % of the median, not {100 * self.confidence:g} %.")
        if not 5 <= self.fewest <= self.most:
            found.append(f"Repeats must be 5 or more and no more than the most, not {self.fewest} to {self.most}.")
        if not 0 < self.seconds <= 3600:
            found.append(f"A case may take up to an hour, not {self.seconds:g} seconds.")
        count = len(self.everyone) * len(self.runtimes) * len(self.sizes) * len(self.batches) * len(self.threads)
        if count > MOST_CASES:
            found.append(f"That makes {count} cases; at most {MOST_CASES} are measured in one go.")
        return found

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Plan":
        """Raises `ConfigError` for what no plan can be."""
        return build(cls, data, nested={"score": DataConfig, "calibration": DataConfig})


def _out_of_range(what: str, numbers: Sequence[int], most: int) -> list[str]:
    if not numbers:
        return [f"{what}: give at least one number."]
    return [f"{what} must be from 1 to {most}, not {number}." for number in numbers if not 1 <= number <= most]
