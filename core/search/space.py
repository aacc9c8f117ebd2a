"""What a search varies: axes of settings, and the run that a choice on each of them makes. Pure Python."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.config import FAMILIES, ModelConfig, RunConfig
from core.errors import ConfigError
from core.losses.catalogue import LOSSES, uses_features
from core.typed import is_number

Value = str | float | int | bool
Params = Mapping[str, Value]
FRESH, TRAINED = "fresh", "trained"
_WEIGHT = "weight of "


@dataclass(frozen=True)
class Axis:
    """One setting that is varied: one of `choices`, or a number from `low` to `high`, on a logarithmic scale with
    `log`."""

    name: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def problems(self) -> list[str]:
        """A sentence for whatever is wrong with it."""
        if self.name not in TITLES:
            return [f"A search cannot vary {self.name}; it can vary {', '.join(TITLES)}."]
        if self.choices:
            return (
                [f"{TITLES[self.name]}: name each choice once."] if len(set(self.choices)) < len(self.choices) else []
            )
        if self.name in CHOSEN:
            return [f"{TITLES[self.name]}: name at least one choice."]
        if not (is_number(self.low) and is_number(self.high) and self.low <= self.high and math.isfinite(self.high)):
            return [f"{TITLES[self.name]} must be a range, not {self.low} to {self.high}."]
        if self.log and self.low <= 0:
            return [f"{TITLES[self.name]} on a logarithmic scale must begin above 0."]
        return []

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.choices) == 1 or (not self.choices and self.low == self.high)

    def holds(self, value: Value) -> bool:
        """Whether a value lies on it."""
        if self.choices:
            return value in self.choices
        return not isinstance(value, str) and self.low <= value <= self.high

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values at which a run can be tried out: every choice, or both ends."""
        return self.choices or (self.low, self.high)


TITLES = {
    "size": "Student",
    "taught": "With a teacher",
    "temperature": "Temperature",
    "alpha": "Alpha",
    "losses": "Losses",
    "weight": "Weight of the losses",
    "learning_rate": "Peak learning rate",
    "schedule": "Schedule",
    "dice": "Dice share",
    "colour": "Colour augmentation",
    "paste": "CutMix share",
    "start": "Start",
    "seed": "Seed",
}
"""Every axis that there is, by name. `weight` multiplies the usual weight of each loss that is chosen."""
CHOSEN = ("size", "taught", "losses", "schedule", "start", "seed")
"""Axes that are lists of choices; the others may be ranges too."""
_OF_TEACHER = ("temperature", "alpha", "losses", "weight")

Draw = Callable[[Axis], Value]


def size_name(model: ModelConfig) -> str:
    """`compact 4`: how a student of a family is called on the axis `size`."""
    return f"{model.architecture} {model.arguments.get('base', '')}".strip()


def model_of(size: str) -> ModelConfig:
    """The network that a name on the axis `size` stands for. Raises `ConfigError`."""
    family, _, base = size.partition(" ")
    if family not in FAMILIES or not base.isdecimal():
        raise ConfigError(f"There is no student {size}: write a family and a width, {FAMILIES[0]} 4 for example.")
    model = ModelConfig(family, {"base": int(base)})
    if problems := model.problems():
        raise ConfigError(problems)
    return model


def drawn(axes: Sequence[Axis], draw: Draw, *, starts: Mapping[str, str]) -> dict[str, Value]:
    """A value on each axis that matters, by name: `draw` gives one. A weight is drawn for each loss that is chosen.

    Args:
        axes: The space.
        draw: Gives a value of an axis; asked in a fixed order, so that the same answers give the same settings.
        starts: A trained model for each size that has one; without it there is nothing to start from.
    """
    by_name = {axis.name: axis for axis in axes}
    found: dict[str, Value] = {}
    for name in TITLES:
        axis = by_name.get(name)
        if axis is None or name == "weight" or (name in _OF_TEACHER and found.get("taught") is False):
            continue
        if name == "start" and str(found.get("size", "")) not in starts:
            continue
        found[name] = draw(axis)
    if "weight" in by_name and found.get("taught") is not False:
        for loss in str(found.get("losses", "")).split("+") if "losses" in found else [""]:
            found[_WEIGHT + loss if loss else "weight"] = draw(
                replace(by_name["weight"], name=_WEIGHT + loss if loss else "weight")
            )
    return found


def own_values(base: RunConfig, axes: Sequence[Axis]) -> dict[str, Value]:
    """What a run has on each axis already, by its name, where that lies on the axis; a weight is 1 x the usual."""
    train, distill = base.train, base.distill
    known: dict[str, Value] = {
        "size": size_name(base.model),
        "taught": distill is not None,
        "learning_rate": train.learning_rate,
        "schedule": train.schedule,
        "dice": train.dice,
        "colour": base.data.colour,
        "paste": base.data.paste,
        "seed": train.seed,
    }
    if train.start_from is None:
        known["start"] = FRESH
    if distill is not None:
        losses = "+".join(distill.losses)
        known |= {"temperature": distill.temperature, "alpha": distill.alpha, "losses": losses, "weight": 1.0}
    return {axis.name: known[axis.name] for axis in axes if axis.name in known and axis.holds(known[axis.name])}


def first_trials(base: RunConfig, axes: Sequence[Axis], most: int) -> list[dict[str, Value]]:
    """What a search tries first: the run's own settings, once for each student.

    Of more students than `most` a part, spread over all of them: its own where there is room for one alone.
    """
    own = own_values(base, axes)
    size = next((axis for axis in axes if axis.name == "size"), None)
    if most < 1 or size is None:
        return [own][: max(0, most)]
    if most == 1 and "size" in own:
        return [own]
    last = len(size.choices) - 1
    count = min(most, len(size.choices))
    places = [round(at * last / (count - 1)) for at in range(count)] if count > 1 else [last // 2]
    return [{**own, "size": size.choices[place]} for place in places]


def settings(base: RunConfig, params: Params, *, name: str, starts: Mapping[str, str]) -> RunConfig:
    """The run of these values, everything else as in `base`. Raises `ConfigError` for values that no run can have."""
    train, data, distill, model = base.train, base.data, base.distill, base.model
    if "size" in params:
        model = model_of(str(params["size"]))
    for field in ("learning_rate", "schedule", "dice", "seed"):
        if field in params:
            train = replace(train, **_one(field, params))
    for field in ("colour", "paste"):
        if field in params:
            data = replace(data, **_one(field, params))
    if params.get("start") == TRAINED:
        train = replace(train, start_from=starts[size_name(model)])
    if params.get("taught") is False:
        return replace(
            base.as_control(""),
            control_of=None,
            name=name,
            train=train,
            model=model,
            data=replace(data, mix=0.0, transfer=None),
        ).validate()
    if distill is not None:
        for field in ("temperature", "alpha"):
            if field in params:
                distill = replace(distill, **_one(field, params))
        losses = _losses(distill.losses, params)
        # A loss on features needs the very views: whole pictures are not stored for it.
        pictures = distill.cache_pictures and not uses_features(losses)
        distill = replace(distill, losses=losses, cache_pictures=pictures)
    return replace(base, name=name, train=train, model=model, data=data, distill=distill).validate()


def _one(field: str, params: Params) -> dict[str, Any]:
    return {field: params[field]}


def _losses(usual: Mapping[str, float], params: Params) -> dict[str, float]:
    weights = dict(usual)
    if "losses" in params:
        names = str(params["losses"]).split("+")
        if unknown := [name for name in names if name not in LOSSES]:
            raise ConfigError(f"There is no loss {', '.join(unknown)}; there are {', '.join(LOSSES)}.")
        weights = {name: LOSSES[name].weight for name in names}
    factors = {name: float(params.get(_WEIGHT + name, params.get("weight", 1.0))) for name in weights}
    return {name: weight * factors[name] for name, weight in weights.items()}


def title_of(param: str) -> str:
    """The name of a parameter for people."""
    if param.startswith(_WEIGHT):
        return f"Weight of {LOSSES[param.removeprefix(_WEIGHT)].title.lower()} (× usual)"
    return TITLES.get(param, param)


def read_axis(text: str) -> Axis:
    """`temperature=1,2,4`, `alpha=0..1` or `learning_rate=0.001..0.02 log` as it is typed. Raises `ConfigError`."""
    name, equals, said = text.partition("=")
    name = name.strip().replace("-", "_")
    said, log = said.strip().removesuffix("log").strip(), said.strip().endswith("log")
    if not equals or not said:
        raise ConfigError(f"--vary takes NAME=A,B,C or NAME=LOW..HIGH, not {text!r}.")
    low, dots, high = said.partition("..")
    try:
        axis = Axis(name, low=float(low), high=float(high), log=log) if dots else Axis(name, _choices(name, said))
    except ValueError as error:
        raise ConfigError(f"--vary {name} takes numbers, not {said!r}.") from error
    if problems := axis.problems():
        raise ConfigError(problems)
    return axis


def _choices(name: str, said: str) -> tuple[Value, ...]:
    texts = [part.strip() for part in said.split(",") if part.strip()]
    if name in ("size", "losses", "schedule", "start"):
        return tuple(texts)
    if name == "taught":
        return tuple(text in ("true", "yes", "1") for text in texts)
    return tuple(int(text) for text in texts) if name == "seed" else tuple(float(text) for text in texts)
