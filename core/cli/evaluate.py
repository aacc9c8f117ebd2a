"""`evaluate`: score a model on images whose masks are known."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import paths
from core.classes import in_short
from core.cli.options import add_device, add_json, add_model
from core.cli.terminal import percent, progress_bar, say, say_json, warn
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.classes import ClassMap
    from core.data.scene import Scene

SPLITS = ("train", "val", "test", "all")


def add(verbs: Any) -> None:
    verb = verbs.add_parser("evaluate", help="score a model on images with masks")
    add_model(verb)
    verb.add_argument("--data", type=Path, metavar="DIR", help="either layout (default: shipped scenes)")
    verb.add_argument(
        "--dataset", metavar="NAME", help="a dataset by its name, instead of --data: samples, dubai or an imported one"
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
    from core.data.datasets import score_titles
    from core.evaluate import evaluate
    from core.models.external import running_note, seen_at_its_resolution
    from core.normalise import Normaliser

    chosen = device.choose(args.device)
    model, card = (loaded := checkpoint.load(checkpoint.resolve(args.model), device=chosen)).model, loaded.card
    scenes = _of_dataset(args, card.classes) if args.dataset else _of_folder(args, card.classes)
    model, said = seen_at_its_resolution(model, card, _metres(args))
    warn([sentence for sentence in (said, running_note(model)) if sentence])
    normaliser = Normaliser.of_card(card, chosen, scenes[0].bands if scenes else None)
    with progress_bar("Scoring", "image") as show:
        report = evaluate(model, scenes, card.classes, normaliser=normaliser, progress=show)
    scores, used = report.scores.to_json(), len(report.per_scene)
    if args.json:
        say_json({"model": args.model, "split": args.split, "images": used, **scores})
        return 0
    say(f"{args.model} on {used} images of {args.dataset or args.data or paths.SAMPLES} (split {args.split})")
    titles = score_titles(card.classes)
    wide = max(12, *map(len, (*titles, *scores["per_class"])))
    for label, key in (*zip(titles, ("miou5", "miou6"), strict=True), ("accuracy", "accuracy")):
        say(f"{label:<{wide}} {percent(scores[key]):>8}")
    say(f"{'':<{wide}}      IoU  precision   recall       F1")
    for name, found in scores["per_class"].items():
        cells = (percent(found[key]) for key in ("iou", "precision", "recall", "f1"))
        say(f"{name:<{wide}} {'  '.join(f'{cell:>8}' for cell in cells)}")
    return 0


def _metres(args: argparse.Namespace) -> float | None:
    """The ground width of a pixel of a named dataset, where it is known; of a folder it is not."""
    from core.data.datasets import dataset_named

    return None if args.data is not None else dataset_named(args.dataset or "samples").metres_per_pixel


def _of_folder(args: argparse.Namespace, classes: "ClassMap") -> "list[Scene]":
    """The scenes of `--data` that are scored, read with the classes of the model."""
    from core.data.folder import load_folder

    folder = load_folder(args.data or paths.SAMPLES, classes, skip_bad=args.skip_bad)
    warn(folder.warnings + [f"skipped {problem}" for problem in folder.problems])
    return choose_scenes(folder.scenes, args.split)


def _of_dataset(args: argparse.Namespace, classes: "ClassMap") -> "list[Scene]":
    """The scenes of `--dataset` that are scored, by its own split. Raises `ConfigError` for other classes."""
    from core.config import DataConfig
    from core.data import open_dataset, open_split
    from core.data.datasets import dataset_named

    if args.data is not None:
        raise ConfigError("A dataset and a folder are given: choose --dataset NAME or --data DIR.")
    own = dataset_named(args.dataset).classes
    if own.scored_names != classes.scored_names:
        raise ConfigError(
            f"The model {args.model} knows the classes {in_short(classes.scored_names)}; the dataset {args.dataset} "
            f"has {in_short(own.scored_names)}. Choose a model or a dataset of the same classes."
        )
    config = DataConfig(args.dataset, skip_bad_pairs=args.skip_bad)
    if args.split == "all":
        loaded, scenes = (found := open_dataset(config)), found.scenes
    else:
        loaded, split = open_split(config)
        scenes = getattr(split, args.split)
    warn(loaded.warnings + [f"skipped {problem}" for problem in loaded.problems])
    if not scenes:
        raise ConfigError(f"There is nothing in the split {args.split} of {args.dataset}: choose another --split.")
    return scenes


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
