"""`train`: train a model on labels alone."""

import argparse
from typing import Any

from core.cli.options import (
    add_architecture,
    add_data,
    add_training,
    data_config,
    model_config,
    read_config,
    train_config,
    view_settings,
)
from core.config import RunConfig


def add(verbs: Any) -> None:
    verb = verbs.add_parser("train", help="train a model on labels alone")
    add_data(verb)
    add_architecture(verb, "model")
    add_training(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.cli.submit import submit

    config = read_config(args.config, "train") if args.config else _config(args)
    return submit(config, control=False, check_only=args.check, queue=args.queue, as_json=args.json)


def _config(args: argparse.Namespace) -> RunConfig:
    """The settings that the flags say."""
    return RunConfig(
        kind="train",
        name=args.name,
        data=data_config(args, **view_settings(args)),
        model=model_config(args),
        train=train_config(args),
    )
