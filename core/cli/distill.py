"""`distill`: train a small student to say what a teacher says."""

import argparse
from typing import Any

from core.cli.options import (
    add_architecture,
    add_data,
    add_settings,
    add_training,
    data_config,
    model_config,
    read_config,
    settings_from,
    train_config,
    view_settings,
)
from core.config import DataConfig, DistillConfig, RunConfig
from core.errors import ConfigError
from core.losses import catalogue

_DEFAULT = DistillConfig()
_MORE_DATA = ("mix", "transfer")


def add(verbs: Any) -> None:
    verb = verbs.add_parser("distill", help="train a student from a teacher")
    group = verb.add_argument_group("distillation")
    add_settings(group, DistillConfig)
    usual = ", ".join(f"{name}={weight:g}" for name, weight in _DEFAULT.losses.items())
    group.add_argument(
        "--loss",
        dest="losses",
        action="append",
        default=[],
        metavar="NAME=WEIGHT",
        help=f"a distillation loss with its weight, as often as needed (default: {usual}): "
        f"{', '.join(catalogue.LOSSES)}",
    )
    group.add_argument(
        "--map-classes",
        nargs="+",
        default=[],
        metavar="TEACHER=OWN",
        help="which of the teacher's classes stand for which of the data's, where they differ; several may stand for "
        "one, and CLASS= stands for none",
    )
    add_settings(group, DataConfig, _MORE_DATA)
    group.add_argument(
        "--control", action="store_true", help="afterwards train the same student on labels alone, as long"
    )
    add_data(verb)
    add_architecture(verb, "student")
    add_training(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.cli.submit import submit

    config = read_config(args.config, "distill") if args.config else _config(args)
    return submit(config, control=args.control, check_only=args.check, queue=args.queue, as_json=args.json)


def _config(args: argparse.Namespace) -> RunConfig:
    """The settings that the flags say."""
    return RunConfig(
        kind="distill",
        name=args.name,
        data=data_config(args, **settings_from(args, DataConfig, _MORE_DATA), **view_settings(args)),
        model=model_config(args),
        train=train_config(args),
        distill=DistillConfig(
            **settings_from(args, DistillConfig),
            losses=_losses(args.losses) or _DEFAULT.losses,
            map_classes=_mapped(args.map_classes),
        ),
    )


def _losses(items: list[str]) -> dict[str, float]:
    """NAME=WEIGHT as often as it was said. Raises `ConfigError` for what is no number."""
    weights: dict[str, float] = {}
    for item in items:
        name, _, weight = item.partition("=")
        try:
            weights[name] = float(weight or 1)
        except ValueError as error:
            raise ConfigError(f"--loss takes NAME=WEIGHT with a number, not {item!r}.") from error
    return weights


def _mapped(items: list[str]) -> dict[str, str]:
    """TEACHER=OWN as often as it was said. Raises `ConfigError`."""
    found: dict[str, str] = {}
    for item in items:
        theirs, equals, own = item.partition("=")
        if not theirs or not equals:
            raise ConfigError(f"--map-classes takes TEACHER=OWN, not {item!r}. Names with = go into --config FILE.")
        if theirs in found:
            raise ConfigError(f"--map-classes names {theirs} twice: a class of the teacher stands for one at most.")
        found[theirs] = own
    return found
