"""All settings of one run and which network it trains, to and from JSON."""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from core.config.data import DataConfig
from core.config.distill import DistillConfig
from core.config.fields import Setting, setting
from core.config.train import TrainConfig
from core.errors import ConfigError
from core.typed import build

FAMILIES = ("compact", "unet")
"""Architectures of which a `base` makes every size; the first is the usual one."""

BASE = Setting(
    "Base width",
    "Width of a compact or a unet: parameters and work grow with its square. 4 has about 120,000 parameters.",
    low=2,
    high=64,
    name="base",
)
"""The one argument that every family has."""

Kind = Literal["train", "distill"]


@dataclass(frozen=True)
class ModelConfig:
    """An architecture by its key in `core.models.MODELS`, and its arguments (plain JSON values)."""

    architecture: str = setting("compact", "Architecture", "The kind of network: compact, unet or smp.")
    arguments: dict[str, Any] = field(default_factory=lambda: {"base": 4})

    @property
    def weights_file(self) -> str | None:
        """The local file whose weights the encoder begins with; None where there is none, or a hub or package has them.

        Names of hubs and packages hold no `/`, `\\` or `.`.
        """
        named = self.arguments.get("weights")
        return named if isinstance(named, str) and any(mark in named for mark in "/\\.") else None

    def problems(self) -> list[str]:
        """A sentence when the width of a family is out of range."""
        if self.architecture not in FAMILIES:
            return []
        base = self.arguments.get("base")
        problem = BASE.problem(base if isinstance(base, int) and not isinstance(base, bool) else f"{base}")
        return [problem] if problem else []


@dataclass(frozen=True)
class RunConfig:
    """One run: one model trained once. A distillation with a control is two runs, the second with `control_of` set.

    `trial_of` is the id of the search that compares this run with others: it is scored on the validation part alone.
    """

    kind: Kind = "distill"
    name: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    distill: DistillConfig | None = None
    control_of: str | None = None
    trial_of: str | None = None

    def problems(self) -> list[str]:
        found = [*self.data.problems(), *self.model.problems(), *self.train.problems()]
        if self.kind not in ("train", "distill"):
            found.append(f"A run is of kind train or distill, not {self.kind}.")
        if self.kind == "distill" and self.distill is None:
            found.append("A distillation needs its settings: teacher, temperature and alpha.")
        if self.kind == "train" and self.distill is not None:
            found.append("A run of kind train takes no distillation settings.")
        if self.distill is not None:
            found.extend(self.distill.problems())
        found.extend(self._transfer_problems())
        if len(self.name) > 80:
            found.append("A run's name may have 80 characters at most.")
        return found

    def _transfer_problems(self) -> list[str]:
        """What is blended or unlabelled has nothing to say to a loss on labels."""
        taught_alone = self.distill is not None and self.distill.taught_alone
        if 0 < self.data.mix <= 0.5 and not taught_alone:
            return ["Mixed views have no labels of their own: mixing needs a teacher, and alpha 0."]
        if self.data.mix and self.distill is not None and self.distill.cache_pictures:
            return ["A teacher that saw whole pictures has no answer to mixed views: store views, or do not mix."]
        if self.data.transfer and self.distill is None and not self.train.consistency:
            return ["Pictures without labels teach nothing without a teacher or consistency: leave them out."]
        return []

    def validate(self) -> "RunConfig":
        """Give itself back, or raise `ConfigError` with every problem at once."""
        if found := self.problems():
            raise ConfigError(found)
        return self

    def as_control(self, of: str, *, name: str | None = None) -> "RunConfig":
        """The run that shows what the teacher was worth to the run `of`: all the same, on labels alone.

        With consistency training it sees the same pictures, for that needs no teacher.
        """
        data = replace(self.data, mix=0.0, transfer=self.data.transfer if self.train.consistency else None)
        name = self.name if name is None else name
        return replace(self, kind="train", name=name, data=data, distill=None, control_of=of, trial_of=None)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "RunConfig":
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"These settings are not JSON ({error}).") from error
        config: RunConfig = build(cls, data, nested=_NESTED)
        return config.validate()


_NESTED: dict[str, type] = {"data": DataConfig, "model": ModelConfig, "train": TrainConfig, "distill": DistillConfig}
