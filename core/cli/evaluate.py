"""`evaluate`: score a model on images whose masks are known."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import paths
from core.cli.options import add_device, add_json, add_model
from core.cli.terminal import percent, progress_bar, say, say_json, warn
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.data.scene import Scene

SPLITS = ("train", "val", "test", "all")


def add(verbs: Any) -> None:
    verb = verbs.add_parser("evaluate", help="score a model on images with masks")
    add_model(verb)
    verb.add_argument(
        "--data", type=Path, metavar="DIR", default=paths.SAMPLES, help="either layout (default: shipped scenes)"
    )
    verb.add_argument(
        "--split", choices=SPLITS, default="all", help="which of the images, by source image (default: all)"
    )
    verb.add_argument(
        "--skip-bad", action="store_true", help="leave out pairs that cannot be used, instead of stopping"
    )
    add_device(verb)
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core import checkpoint, device
    from core.data.folder import load_folder
    from core.evaluate import evaluate
    from core.normalise import Normaliser

    chosen = device.choose(args.device)
    model, card = (loaded := checkpoint.load(checkpoint.resolve(args.model), device=chosen)).model, loaded.card
    folder = load_folder(args.data, card.classes, skip_bad=args.skip_bad)
    warn(folder.warnings + [f"skipped {problem}" for problem in folder.problems])
    scenes = choose_scenes(folder.scenes, args.split)
    with progress_bar("Scoring", "image") as show:
        report = evaluate(model, scenes, card.classes, normaliser=Normaliser.of_card(card, chosen), progress=show)
    scores, used = report.scores.to_json(), len(report.per_scene)
    if args.json:
        say_json({"model": args.model, "split": args.split, "images": used, **scores})
        return 0
    say(f"{args.model} on {used} images of {args.data} (split {args.split})")
    for label, key in (("mIoU-5", "miou5"), ("mIoU-6", "miou6"), ("accuracy", "accuracy")):
        say(f"{label:<12} {percent(scores[key]):>8}")
    say(f"{'':<12}      IoU  precision   recall       F1")
    for name, found in scores["per_class"].items():
        cells = (percent(found[key]) for key in ("iou", "precision", "recall", "f1"))
        say(f"{name:<12} {'  '.join(f'{cell:>8}' for cell in cells)}")
    return 0


def choose_scenes(scenes: "list[Scene]", split: str) -> "list[Scene]":
    """The scenes of one split by source image. Raises `ConfigError` when there are none.

    Folders named train, val and test tell it. Numbered parts are told by their number alone, so that a folder may
    hold nothing but the part that is scored. Others are drawn as for training.
    """
    from core.data.datasets.own_folder import OWN_FOLDER
    from core.data.splits import split_scenes

    if split == "all":
        return scenes
    if any(scene.split for scene in scenes) and all(scene.split for scene in scenes):
        # A folder may hold nothing but the pictures that are scored.
        own = [scene for scene in scenes if scene.split == split]
        if own:
            return own
    numbered, parts = OWN_FOLDER.split, {scene.part for scene in scenes}
    if numbered and not any(scene.split for scene in scenes) and all(numbered.use_of(part) for part in parts):
        found = [scene for scene in scenes if numbered.use_of(scene.part) == split]
    else:
        drawn = split_scenes(scenes, "by-image", parts=numbered)
        found = {"train": drawn.train, "val": drawn.val, "test": drawn.test}[split]
    if not found:
        there = (
            f"parts {', '.join(str(part) for part in sorted(parts, key=str))}"
            if None not in parts
            else "too few images"
        )
        raise ConfigError(
            f"There is nothing in the split {split}: the folder holds {there}. Choose another --split, or all."
        )
    return found
