"""The settings of a run as the form and its link hold them: by the name of their field, and back as a `RunConfig`.

Titles, ranges and help stand on the fields (core/config/). A setting gets into the form by its name in `FORM`, and by
one line in app/views/distill/run_form.py that draws it.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

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
    data=DataConfig(labelled=8),
    train=TrainConfig(epochs=75, batch_size=8, ema=0.998),
    distill=DistillConfig(cache_pictures=True, cache_views=20, cache_form="uint8"),
)
PRESETS: dict[str, RunConfig] = {"quick": QUICK, "full": FULL}
"""Both are for somebody with few labels, where a teacher pays. `quick` is a first look: its student learns from the
teacher's answers alone, its control from two pictures with labels (docs/RESULTS.md). `full` is what a useful student
needs. Other situations change them (app/services/situations.py)."""

FORM = (
    *(
        "teacher",
        "temperature",
        "alpha",
        "alpha_end",
        "losses",
        "cache_pictures",
        "cache_views",
        "cache_form",
        "average_flips",
    ),
    *("dataset", "root", "transfer", "split", "labelled", "crop", "views_per_epoch", "start_from"),
    *("base", "epochs", "batch_size", "learning_rate", "ema", "consistency", "confidence", "seed", "device", "name"),
)
"""Every setting that the form holds, by the name of its field."""

_OWN = (
    "teacher",
    "losses",
    "average_flips",
    "dataset",
    "root",
    "transfer",
    "split",
    "start_from",
    "base",
    "seed",
    "device",
    "name",
)
SET_BY_PRESET = tuple(name for name in FORM if name not in _OWN)
"""What choosing a preset sets; the rest says what a person has and wants, and stays."""

FOLDER, TRANSFER_FOLDER = "folder", "transfer_folder"
"""What the menu of pictures without labels calls a folder of the server, and the field that names it."""

_PARTS: dict[str, type] = {"data": DataConfig, "train": TrainConfig, "distill": DistillConfig}
_IN_LINK = {"views_per_epoch": "views"}
_NOTHING = "none"
_MAY_BE_EMPTY = ("views_per_epoch", "labelled", "alpha_end")
"""Settings of the form that a person may clear."""


def setting_of(name: str) -> Setting:
    """Title, range and help of a setting of the form."""
    return _SETTINGS[name]


_SETTINGS = {name: found for part in _PARTS.values() for name, found in settings_of(part).items()} | {"base": BASE}


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
        and not config.distill.map_classes
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
