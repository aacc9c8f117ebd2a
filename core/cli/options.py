"""Arguments that several verbs share, and how they become a `RunConfig`. Defaults come from core/config/ alone."""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from core.config import FAMILIES, DataConfig, Kind, ModelConfig, RunConfig, TrainConfig
from core.errors import ConfigError

_DATA, _TRAIN = DataConfig(), TrainConfig()


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="NAME", help="a shipped model, the id of a run, or a path")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (auto: the best there is)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else on stdout")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Which images, and how they are split."""
    group = parser.add_argument_group("images")
    group.add_argument(
        "--dataset", help="samples (shipped scenes), dubai or folder (default: samples, or folder with --data)"
    )
    group.add_argument("--data", metavar="DIR", type=Path, help="where the images and masks are")
    group.add_argument(
        "--split", default=_DATA.split, metavar="RULE", help="by-image (default), leave-tile-out:NAME or leaky-patches"
    )
    group.add_argument(
        "--skip-bad", action="store_true", help="leave out pairs that cannot be used, instead of stopping"
    )


def data_config(args: argparse.Namespace, **more: Any) -> DataConfig:
    dataset = args.dataset or ("folder" if args.data else _DATA.dataset)
    root = str(args.data) if args.data else None
    return DataConfig(dataset=dataset, root=root, split=args.split, skip_bad_pairs=args.skip_bad, **more)


def add_architecture(parser: argparse.ArgumentParser, whose: str) -> None:
    """The model to train: a width of a family, or anything else by its arguments."""
    group = parser.add_argument_group(whose)
    group.add_argument("--base", type=int, default=4, help="width of a compact or a unet, 2 to 64 (default: 4)")
    group.add_argument("--architecture", default="compact", help="compact (default), unet or smp")
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


_TRAIN_HELP = {
    "epochs": "how many epochs",
    "batch_size": "images a step",
    "accumulate": "parts that a batch is cut into, to save memory",
    "learning_rate": "peak of the schedule",
    "schedule": "one-cycle or cosine",
    "weight_decay": "of AdamW",
    "dice": "share of Dice in the label loss, 0 to 1",
    "ema": "decay of the averaged weights, 0 for none",
    "devices": "processes that share a run, each with a batch of its own on a GPU of its own (or on the CPU)",
    "seed": "of everything that is drawn",
    "device": "auto, cpu, cuda, cuda:N or mps",
    "precision": "auto, float32, bfloat16 or float16",
    "validate_every": "epochs from one validation to the next",
}
_FLAGS = {"batch_size": "--batch", "learning_rate": "--lr"}


def add_training(parser: argparse.ArgumentParser) -> None:
    """How long and how fast, where to run it, and what to call it."""
    group = parser.add_argument_group("training")
    for name, text in _TRAIN_HELP.items():
        default = getattr(_TRAIN, name)
        flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        group.add_argument(flag, dest=name, type=type(default), default=default, help=f"{text} (default: {default})")
    group.add_argument("--start-from", metavar="NAME", help="a trained model whose weights to begin with")
    group.add_argument(
        "--compile", action="store_true", help="try torch.compile (and CUDA graphs), and keep what is quickest"
    )
    _add_views(group)
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


def _add_views(group: Any) -> None:
    """How training views are cut."""
    group.add_argument("--crop", type=int, default=_DATA.crop, help=f"side of a training view (default: {_DATA.crop})")
    group.add_argument(
        "--views",
        dest="views_per_epoch",
        type=int,
        metavar="N",
        help="training views an epoch (default: as many as fit the images)",
    )
    group.add_argument(
        "--scale",
        type=float,
        nargs=2,
        default=_DATA.scale,
        metavar=("LOW", "HIGH"),
        help=f"range of their magnification (default: {_DATA.scale[0]} {_DATA.scale[1]})",
    )
    group.add_argument(
        "--colour", type=float, default=_DATA.colour, help=f"how much colours change, 0 to 1 (default: {_DATA.colour})"
    )
    group.add_argument(
        "--paste", type=float, default=0.0, help="share of views with a rectangle of another one (CutMix; default: 0)"
    )
    group.add_argument(
        "--labelled", type=int, metavar="N", help="how many training pictures keep their labels (default: all)"
    )


def view_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What `_add_views` asks for, as fields of a `DataConfig`."""
    names = ("crop", "views_per_epoch", "colour", "paste", "labelled")
    return {name: getattr(args, name) for name in names} | {"scale": (args.scale[0], args.scale[1])}


def train_config(args: argparse.Namespace) -> TrainConfig:
    return TrainConfig(
        **{field.name: getattr(args, field.name) for field in fields(TrainConfig) if hasattr(args, field.name)}
    )


def read_config(path: Path, kind: Kind) -> RunConfig:
    """The settings in a JSON file. Raises `ConfigError` when they cannot be read, or belong to another verb."""
    try:
        config = RunConfig.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings {path} cannot be read ({error}): check the path.") from error
    if config.kind != kind:
        raise ConfigError(f"The settings {path} are of kind {config.kind}: use `python -m core {config.kind}`.")
    return config
