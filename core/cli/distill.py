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
    view_settings,
)
from core.config import FEATURE_LOSSES, LOGIT_LOSSES, DistillConfig, RunConfig
from core.errors import ConfigError

_DEFAULT = DistillConfig()


def add(verbs: Any) -> None:
    verb = verbs.add_parser("distill", help="train a student from a teacher")
    group = verb.add_argument_group("distillation")
    for flag, value, text in (
        ("--teacher", _DEFAULT.teacher, "a shipped model, the id of a run, or a path"),
        ("--temperature", _DEFAULT.temperature, "softens the teacher's answer, 0.5 to 50"),
        ("--alpha", _DEFAULT.alpha, "share of the label loss: 0 teacher only, 1 labels only"),
    ):
        group.add_argument(flag, type=type(value), default=value, help=f"{text} (default: {value})")
    _add_cache(group)
    usual = ", ".join(f"{name}={weight:g}" for name, weight in _DEFAULT.losses.items())
    group.add_argument(
        "--loss",
        dest="losses",
        action="append",
        default=[],
        metavar="NAME=WEIGHT",
        help=f"a way to listen to the teacher, as often as needed (default: {usual}): "
        f"{', '.join(LOGIT_LOSSES + FEATURE_LOSSES)}",
    )
    for whose in ("student", "teacher"):
        group.add_argument(f"--{whose}-layer", metavar="MODULE", help=f"which {whose} module losses on features see")
    group.add_argument("--average-flips", action="store_true", help="average the teacher over a view's mirror images")
    group.add_argument("--mix", type=float, default=0.0, help="share of another view blended in, up to 0.5 (alpha 0)")
    group.add_argument("--transfer", metavar="DIR", help="more pictures without labels: a folder, or samples")
    group.add_argument(
        "--control", action="store_true", help="afterwards train the same student on labels alone, as long"
    )
    add_data(verb)
    add_architecture(verb, "student")
    add_training(verb)
    verb.set_defaults(run=run)


def _add_cache(group: Any) -> None:
    """What is stored of the teacher."""
    group.add_argument(
        "--cache-views",
        type=int,
        default=_DEFAULT.cache_views,
        help="epochs of views whose teacher answers are stored and replayed (default: 0, none)",
    )
    group.add_argument(
        "--cache-pictures",
        action="store_true",
        help="store the teacher's answers to the whole pictures and cut those to the views out of them",
    )
    group.add_argument("--cache-form", default=_DEFAULT.cache_form, help="float16 (default), or uint8 at half the disk")


def run(args: argparse.Namespace) -> int:
    from core.cli.submit import submit

    config = read_config(args.config, "distill") if args.config else _config(args)
    return submit(config, control=args.control, check_only=args.check, queue=args.queue, as_json=args.json)


def _config(args: argparse.Namespace) -> RunConfig:
    """The settings that the flags say."""
    return RunConfig(
        kind="distill",
        name=args.name,
        data=data_config(args, mix=args.mix, transfer=args.transfer, **view_settings(args)),
        model=model_config(args),
        train=train_config(args),
        distill=DistillConfig(
            teacher=args.teacher,
            temperature=args.temperature,
            alpha=args.alpha,
            cache_views=args.cache_views,
            cache_pictures=args.cache_pictures,
            cache_form=args.cache_form,
            losses=_losses(args.losses) or _DEFAULT.losses,
            student_layer=args.student_layer,
            teacher_layer=args.teacher_layer,
            average_flips=args.average_flips,
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
