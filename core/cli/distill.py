"""`distill`: train a small student to say what a teacher says."""

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
)
from core.config import DistillConfig, RunConfig

_DEFAULT = DistillConfig()


def add(verbs: Any) -> None:
    verb = verbs.add_parser("distill", help="train a student from a teacher")
    group = verb.add_argument_group("distillation")
    for flag, value, text in (
        ("--teacher", _DEFAULT.teacher, "a shipped model, the id of a run, or a path"),
        ("--temperature", _DEFAULT.temperature, "softens the teacher's answer, 0.5 to 50"),
        ("--alpha", _DEFAULT.alpha, "share of the label loss: 0 teacher only, 1 labels only"),
        (
            "--cache-views",
            _DEFAULT.cache_views,
            "epochs of views whose teacher answers are stored and replayed, 0 for none",
        ),
    ):
        group.add_argument(flag, type=type(value), default=value, help=f"{text} (default: {value})")
    group.add_argument(
        "--control", action="store_true", help="afterwards train the same student on labels alone, as long"
    )
    add_data(verb)
    add_architecture(verb, "student")
    add_training(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.cli.runs import submit

    config = read_config(args.config, "distill") if args.config else _config(args)
    return submit(config, control=args.control, check_only=args.check, queue=args.queue, as_json=args.json)


def _config(args: argparse.Namespace) -> RunConfig:
    """The settings that the flags say."""
    return RunConfig(
        kind="distill",
        name=args.name,
        data=data_config(args, crop=args.crop, views_per_epoch=args.views),
        model=model_config(args),
        train=train_config(args),
        distill=DistillConfig(args.teacher, args.temperature, args.alpha, args.cache_views),
    )
