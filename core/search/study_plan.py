"""What a search is asked for: the space, the goals, the limits on the student, and what the search may cost.

Pure Python: no torch, no search engine.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from core.benchmark.runtimes import RUNTIMES
from core.config import RunConfig
from core.config.fields import problems_of, setting
from core.errors import ConfigError, TerrastillError
from core.search.space import Axis, settings
from core.typed import build

MOST_TRIALS = 100_000
SAMPLERS = ("auto", "tpe", "nsga2", "random", "grid")


@dataclass(frozen=True)
class Goal:
    """Something that a search makes better: `title` for people with its unit, `more` where more of it is better."""

    name: str
    title: str
    more: bool = False


GOALS = {
    goal.name: goal
    for goal in (
        Goal("miou", "Validation mIoU (%)", more=True),
        Goal("latency", "Latency (ms)"),
        Goal("parameters", "Parameters"),
        Goal("bytes", "File size (MB)"),
        Goal("memory", "Memory (MB)"),
        Goal("macs", "MACs at 256²"),
    )
}
"""Every goal by its name. All but the first are known of a student before it is trained."""


@dataclass(frozen=True)
class StudentLimits:
    """What the student may take at most, and what it must reach; None: no limit.

    All but `keep` depend on the network alone: one that is over a limit is never trained.
    """

    latency_ms: float | None = setting(
        None,
        "Latency",
        "Most milliseconds for one picture, of the exported student in the runtime and at the side that are named.",
        low=0,
        above=True,
        high=1e6,
        unit="milliseconds",
        empty="no limit",
        metavar="MS",
    )
    parameters: float | None = setting(
        None, "Parameters", "Most parameters.", low=1, high=1e12, empty="no limit", metavar="N"
    )
    megabytes: float | None = setting(
        None,
        "File size",
        "Most megabytes of the file that the runtime reads.",
        low=0,
        above=True,
        high=1e6,
        unit="megabytes",
        empty="no limit",
        metavar="MB",
    )
    memory_mb: float | None = setting(
        None,
        "Memory",
        "Most main memory of a process that opens the student and segments one picture.",
        low=0,
        above=True,
        high=1e7,
        unit="megabytes",
        empty="no limit",
        metavar="MB",
    )
    macs: float | None = setting(
        None,
        "MACs",
        "Most multiply-accumulates for a picture of 256 x 256.",
        low=1,
        high=1e15,
        empty="no limit",
        metavar="N",
    )
    keep: float | None = setting(
        None,
        "Share of the teacher",
        "Least share of the teacher's validation mIoU that the student must reach: 0.97 keeps 97 %.",
        low=0,
        above=True,
        high=1.5,
        empty="no limit",
        step=0.01,
        metavar="SHARE",
    )

    def problems(self) -> list[str]:
        return problems_of(self)


LIMITED = {
    "latency": "latency_ms",
    "parameters": "parameters",
    "bytes": "megabytes",
    "memory": "memory_mb",
    "macs": "macs",
}
"""The limit on each goal that is known before training."""


@dataclass(frozen=True)
class SearchPlan:
    """A search as it is asked for.

    `config` is the run that every trial starts from; what is on an axis of `space` is varied. The search ends after
    `trials`, after `seconds` since it was begun or continued, or at `until` (Unix seconds), whichever is first; at
    least one of them is given. `generation` counts how often the space, the goals or the limits were changed.
    """

    config: RunConfig
    space: tuple[Axis, ...]
    goals: tuple[str, ...] = ("miou",)
    limits: StudentLimits = field(default_factory=StudentLimits)
    trials: int | None = 30
    seconds: float | None = None
    until: float | None = None
    sampler: str = "auto"
    prune: bool = True
    runtime: str = "onnx"
    side: int = 512
    threads: int = 1
    at_once: int | None = None
    seed: int = 0
    confirm: int = 3
    generation: int = 0

    def axis(self, name: str) -> Axis | None:
        """The axis of that name; None where it is not varied."""
        return next((axis for axis in self.space if axis.name == name), None)

    @property
    def sizes(self) -> tuple[str, ...]:
        """The students among which is searched, by name."""
        from core.search.space import size_name

        axis = self.axis("size")
        return tuple(map(str, axis.choices)) if axis else (size_name(self.config.model),)

    @property
    def needed(self) -> tuple[str, ...]:
        """The goals of which something must be known before training, because they are aimed at or limited."""
        limited = [goal for goal, name in LIMITED.items() if getattr(self.limits, name) is not None]
        return tuple(dict.fromkeys([goal for goal in self.goals if goal != "miou"] + limited))

    @property
    def prunes(self) -> bool:
        """Whether trials are stopped early: where accuracy is a goal, and a run has several epochs."""
        return self.prune and "miou" in self.goals and self.sampler != "grid" and self.config.train.epochs > 1

    def continued(self, *, now: float, limits: StudentLimits | None = None, **changes: Any) -> "SearchPlan":
        """The same search with `changes` to its fields, and `limits` in place of its own, to be continued.

        A date that has passed by `now`, in Unix seconds, ends it no more. Raises `ConfigError`.
        """
        passed = self.until is not None and self.until <= now
        wanted = replace(self, **{"limits": limits or self.limits, "until": None if passed else self.until, **changes})
        if wanted.sampler == "grid" and self.sampler != "grid":
            raise ConfigError("A search that drew its settings cannot go on as a grid: start the grid as a new search.")
        if (wanted.space, wanted.limits, wanted.goals) != (self.space, self.limits, self.goals):
            wanted = replace(wanted, generation=self.generation + 1)
        return wanted.validate()

    def problems(self) -> list[str]:
        """A sentence for everything that is wrong."""
        found = [problem for axis in self.space for problem in axis.problems()]
        names = [axis.name for axis in self.space]
        if not names or len(set(names)) < len(names):
            found.append("A search varies at least one setting, each once.")
        if not self.goals or unknown(self.goals, GOALS):
            found.append(f"A goal is one of {', '.join(GOALS)}.")
        if self.sampler not in SAMPLERS:
            found.append(f"A search draws settings by one of {', '.join(SAMPLERS)}, not {self.sampler}.")
        if self.runtime not in RUNTIMES:
            found.append(f"There is no runtime {self.runtime}: choose {', '.join(RUNTIMES)}.")
        found += self._cost_problems() + self.limits.problems() + self.config.problems()
        if self.sampler == "grid" and (self.axis("weight") or any(not axis.choices for axis in self.space)):
            found.append("A grid needs choices on every axis, no ranges, and varies no weights.")
        if self.limits.keep is not None and self.config.distill is None:
            found.append("A share of the teacher can only be asked for where there is a teacher.")
        return found or self._extreme_problems()

    def _cost_problems(self) -> list[str]:
        found = []
        if self.trials is None and self.seconds is None and self.until is None:
            found.append("Say when the search ends: after a number of trials, after a time, or at a date.")
        if self.trials is not None and not 1 <= self.trials <= MOST_TRIALS:
            found.append(f"Trials must be from 1 to {MOST_TRIALS:,}, not {self.trials}.")
        if self.seconds is not None and not 0 < self.seconds <= 366 * 86_400:
            found.append("The time of a search must be above 0 and at most a year.")
        if not 32 <= self.side <= 4096 or not 1 <= self.threads <= 256:
            found.append("Latency is measured at a side from 32 to 4096 on 1 to 256 threads.")
        if self.at_once is not None and not 1 <= self.at_once <= 1000:
            found.append("From 1 to 1,000 trials can go on at once.")
        if not 0 <= self.confirm <= 10:
            found.append("The winner is trained again with 0 to 10 fresh seeds.")
        return found

    def _extreme_problems(self) -> list[str]:
        """Settings that some trial would have, and no run can."""
        found: list[str] = []
        for axis in self.space:
            for value in axis.ends:
                try:
                    settings(self.config, {axis.name: value}, name="a trial", starts=_anything)
                except TerrastillError as error:
                    found += getattr(error, "problems", [str(error)])
        return list(dict.fromkeys(found))

    def validate(self) -> "SearchPlan":
        """Give itself back, or raise `ConfigError` with every problem at once."""
        if found := self.problems():
            raise ConfigError(found)
        return self

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> "SearchPlan":
        """Raises `ConfigError` for what no plan can be."""
        if not isinstance(data, dict) or not isinstance(data.get("space"), list):
            raise ConfigError("A search must be a JSON object with a config and a space.")
        config = RunConfig.from_json(json.dumps(data.get("config")))
        space = tuple(build(Axis, axis, nested={}) for axis in data["space"])
        return build(cls, {**data, "config": config, "space": space}, nested={"limits": StudentLimits}).validate()


class _Anything(dict[str, str]):
    """A model to start from for every size: whether there is one is seen when the search begins."""

    def __missing__(self, size: str) -> str:
        return size


_anything: Mapping[str, str] = _Anything()


def unknown(names: Sequence[str], known: Mapping[str, object]) -> list[str]:
    """Those that are not known."""
    return [name for name in names if name not in known]
