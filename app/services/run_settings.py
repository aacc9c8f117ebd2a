"""The settings of a run as the form and its link hold them: by the name of their field, and back as a `RunConfig`.

Titles, ranges, choices and help stand on the fields (core/config/). A setting gets into the form by one entry in
`FORM`, which says where it stands; app/views/distill/run_form.py draws it as its type asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.config.fields import Setting, settings_of
from core.config.run import BASE
from core.data.datasets import has_pictures
from core.losses.catalogue import MIXED

QUICK = RunConfig(
    kind="distill",
    data=DataConfig(crop=128, views_per_epoch=256, labelled=2),
    train=TrainConfig(epochs=18, batch_size=8, validate_every=2),
    distill=DistillConfig(alpha=0.0, losses=MIXED, cache_pictures=True, cache_views=4),
)
FULL = RunConfig(
    kind="distill",
    data=DataConfig(crop=128, scale=(0.7, 1.5), colour=0.2, views_per_epoch=960, labelled=8),
    train=TrainConfig(epochs=75, batch_size=8, learning_rate=0.006, ema=0.995),
    distill=DistillConfig(
        temperature=2.0, alpha=0.2, losses=MIXED, cache_pictures=True, cache_views=20, cache_form="uint8"
    ),
)
PRESETS: dict[str, RunConfig] = {"quick": QUICK, "full": FULL}
"""Both are for somebody with few labels, where a teacher pays. `quick` is a first look: its student learns from the
teacher's answers alone, its control from two pictures with labels (docs/RESULTS.md). `full` is what a useful student
needs, by the settings that were measured where few pictures have labels: benchmarks/situations.py takes them from here.
Other situations change them (app/services/situations.py)."""

Place = Literal["", "left", "right", "seed", "more left", "more right", "more stored", "more below"]
"""A part of the form, whose settings it draws in the order of `FORM`; empty for what code of its own draws."""


@dataclass(frozen=True)
class FormEntry:
    """A setting of the form: where it stands, and whether choosing a preset sets it.

    What no preset sets says what a person has and wants, and stays when another preset is chosen.
    """

    place: Place = ""
    preset: bool = True


_OWN = FormEntry(preset=False)
FORM: dict[str, FormEntry] = {
    "teacher": _OWN,
    "temperature": FormEntry("left"),
    "epochs": FormEntry("left"),
    "dataset": _OWN,
    "root": _OWN,
    "transfer": _OWN,
    "labelled": FormEntry("right"),
    "alpha": FormEntry("right"),
    "seed": FormEntry("seed", preset=False),
    "losses": _OWN,
    "base": _OWN,
    "batch_size": FormEntry("more left"),
    "learning_rate": FormEntry("more left"),
    "ema": FormEntry("more left"),
    "consistency": FormEntry("more left"),
    "split": _OWN,
    "device": _OWN,
    "crop": FormEntry("more right"),
    "views_per_epoch": FormEntry("more right"),
    "confidence": FormEntry(),
    "cache_pictures": FormEntry(),
    "cache_views": FormEntry(),
    "cache_form": FormEntry("more stored"),
    "start_from": _OWN,
    "average_flips": FormEntry("more below", preset=False),
    "alpha_end": FormEntry(),
    "name": _OWN,
}
"""Every setting that the form holds, by the name of its field."""

SET_BY_PRESET = tuple(name for name, entry in FORM.items() if entry.preset)
"""What choosing a preset sets."""


def at(place: Place) -> list[str]:
    """The settings that stand in a part of the form, in order."""
    return [name for name, entry in FORM.items() if entry.place == place]


FOLDER, TRANSFER_FOLDER = "folder", "transfer_folder"
"""What the menu of pictures without labels calls a folder of the server, and the field that names it."""

_PARTS: dict[str, type] = {"data": DataConfig, "train": TrainConfig, "distill": DistillConfig}
_IN_LINK = {"views_per_epoch": "views"}
_NOTHING = "none"


def setting_of(name: str) -> Setting:
    """Title, range and help of a setting of the form."""
    return _SETTINGS[name]


_SETTINGS = {name: found for part in _PARTS.values() for name, found in settings_of(part).items()} | {"base": BASE}


_MAY_BE_EMPTY = tuple(
    name for name in FORM if name in _SETTINGS and _SETTINGS[name].is_number and _SETTINGS[name].empty
)
"""Numbers of the form that a person may clear."""


def link_name(name: str) -> str:
    """What the setting is called in the link of the page, and in the session."""
    return _IN_LINK.get(name, name)


def value_of(config: RunConfig, name: str) -> Any:
    """The value of one setting of a distillation."""
    if name == "base":
        return config.model.arguments["base"]
    if name == "name":
        return config.name
    return getattr(getattr(config, _part(name)), name)


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The same distillation with other values, by the names of `FORM`; nothing is checked."""
    changes: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in ("base", "name"):
            changes.setdefault(_part(name), {})[name] = value
    parts = {part: replace(getattr(config, part), **changed) for part, changed in changes.items()}
    if "base" in values:
        parts["model"] = ModelConfig("compact", {"base": values["base"]})
    return replace(config, name=values.get("name", config.name), **parts)


def fits_form(config: RunConfig) -> bool:
    """Whether the form can hold these settings: a distillation of a compact student."""
    return (
        config.distill is not None
        and config.model.architecture == "compact"
        and set(config.model.arguments) == {"base"}
    )


def to_link(config: RunConfig) -> dict[str, str]:
    """The settings of a distillation as query parameters of Distill, without its losses and its name."""
    values = {name: value_of(config, name) for name in FORM if name not in ("losses", "name")}
    known = {name: value for name, value in values.items() if value is not None or name in _MAY_BE_EMPTY}
    if "transfer" in known and not has_pictures(known["transfer"]):
        known |= {"transfer": FOLDER, TRANSFER_FOLDER: known["transfer"]}
    return {link_name(name): _as_text(value, fraction=name in _FRACTIONS) for name, value in known.items()}


def _as_text(value: Any, *, fraction: bool) -> str:
    """As the fields of a form read it: 2 is written 2.0 where the field holds fractions."""
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    return str(float(value)) if fraction else str(value)


_FRACTIONS = {entry.name for part in _PARTS.values() for entry in fields(part) if entry.type is float}


def _part(name: str) -> str:
    return next(part for part, cls in _PARTS.items() if name in {entry.name for entry in fields(cls)})
