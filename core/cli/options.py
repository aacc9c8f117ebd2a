"""Arguments that several verbs share, and how they become a `RunConfig`; ranges and defaults come from core/config/."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from core.config import FAMILIES, DataConfig, Kind, ModelConfig, RunConfig, TrainConfig
from core.config.fields import Setting, settings_of
from core.config.run import BASE
from core.errors import ConfigError

_DATA = ("dataset", "root", "split", "skip_bad_pairs")
_VIEWS = ("crop", "views_per_epoch", "scale", "colour", "paste", "labelled", "bands")


def add_settings(group: Any, cls: type, names: Sequence[str] | None = None) -> None:
    """An argument for each setting of a dataclass, or for those named; what it does, its range and default as help."""
    hints, defaults = get_type_hints(cls), _defaults(cls)
    for name, setting in settings_of(cls).items():
        if names is None or name in names:
            _add_setting(group, setting, hints[name], defaults[name])


def _defaults(cls: type) -> dict[str, Any]:
    return {
        field.name: field.default_factory() if field.default_factory is not MISSING else field.default
        for field in fields(cls)
    }


def _add_setting(group: Any, setting: Setting, hint: Any, default: Any) -> None:
    help_text = _first_small(setting.help).removesuffix(".").replace("%", "%%")
    flag = f"--{(setting.flag or setting.name).replace('_', '-')}"
    if hint is bool:
        group.add_argument(
            flag, dest=setting.name, action="store_true", help=_first_small(setting.help).removesuffix(".")
        )
        return
    shown = setting.empty if default is None else " ".join(map(str, default)) if _is_pair(hint) else default
    allowed = f"{setting.range}; " if setting.range else ""
    group.add_argument(
        flag,
        dest=setting.name,
        type=_number_type(hint),
        nargs=2 if _is_pair(hint) else None,
        default=default,
        metavar=("LOW", "HIGH") if _is_pair(hint) else setting.metavar,
        help=f"{help_text} ({allowed}default: {shown})",
    )


def _is_pair(hint: Any) -> bool:
    """Whether a setting is a range: two numbers."""
    return getattr(hint, "__origin__", None) is tuple


def _number_type(hint: Any) -> type:
    """What turns the text of an argument into a value: int, float or str."""
    kinds = {hint, *get_args(hint)}
    return next((kind for kind in (int, float) if kind in kinds), str)


def _first_small(sentence: str) -> str:
    """Help texts begin with a small letter, as those of argparse do; names such as AdamW keep theirs."""
    first, _, rest = sentence.partition(" ")
    return f"{first.lower() if first[1:] == first[1:].lower() else first} {rest}"


def settings_from(args: argparse.Namespace, cls: type, names: Sequence[str] | None = None) -> dict[str, Any]:
    """What was given for the settings that `add_settings` added, by field name."""
    wanted = settings_of(cls) if names is None else names
    given = {name: getattr(args, name) for name in wanted if hasattr(args, name)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="NAME", help="a shipped model, the id of a run, or a path")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (auto: the best there is)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else on stdout")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Which images, and how they are split."""
    group = parser.add_argument_group("images")
    add_settings(group, DataConfig, _DATA)
    # Named by --data alone, a dataset is a folder.
    group.set_defaults(dataset=None)


def data_config(args: argparse.Namespace, **more: Any) -> DataConfig:
    """The pictures that `add_data` asks for; `more` are further fields."""
    values = settings_from(args, DataConfig, _DATA)
    values["dataset"] = args.dataset or ("folder" if args.root else DataConfig().dataset)
    return DataConfig(**values, **more)


def add_architecture(parser: argparse.ArgumentParser, whose: str) -> None:
    """The model to train: a width of a family, or anything else by its arguments."""
    group = parser.add_argument_group(whose)
    _add_setting(group, BASE, int, ModelConfig().arguments["base"])
    add_settings(group, ModelConfig)
    group.add_argument(
        "--set",
        dest="arguments",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an argument of the architecture, as often as needed (for smp: architecture=unet encoder=resnet34 …)",
    )


def model_config(args: argparse.Namespace) -> ModelConfig:
    arguments: dict[str, Any] = {"base": args.base} if args.architecture in FAMILIES else {}
    for item in args.arguments:
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise ConfigError(f"--set takes KEY=VALUE, not {item!r}.")
        arguments[key] = _plain(value)
    return ModelConfig(args.architecture, arguments)


def _plain(text: str) -> Any:
    """Numbers, true, false, null and lists as JSON has them; anything else is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def add_training(parser: argparse.ArgumentParser) -> None:
    """How long and how fast, where to run it, and what to call it."""
    group = parser.add_argument_group("training")
    add_settings(group, TrainConfig)
    add_settings(group, DataConfig, _VIEWS)
    parser.add_argument("--name", default="", help="what to call the run")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings as JSON, instead of all above (docs/recipes, a run's config.json)",
    )
    parser.add_argument("--queue", action="store_true", help="leave the run to the worker instead of doing it now")
    parser.add_argument("--check", action="store_true", help="only say whether the run could start")
    add_json(parser)


def view_settings(args: argparse.Namespace) -> dict[str, Any]:
    """How training views are cut, as fields of a `DataConfig`."""
    return settings_from(args, DataConfig, _VIEWS)


def train_config(args: argparse.Namespace) -> TrainConfig:
    return TrainConfig(**settings_from(args, TrainConfig))


def read_config(path: Path, kind: Kind) -> RunConfig:
    """The settings in a JSON file. Raises `ConfigError` when they cannot be read, or belong to another verb."""
    try:
        config = RunConfig.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings {path} cannot be read ({error}): check the path.") from error
    if config.kind != kind:
        raise ConfigError(f"The settings {path} are of kind {config.kind}: use `python -m core {config.kind}`.")
    # The settings of a search's trial, trained by a person, are a run of its own.
    return replace(config, trial_of=None)
