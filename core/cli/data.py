"""`data`: fetch a dataset, say what one holds, check a folder of one's own."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import add_data, add_json, data_config
from core.cli.terminal import percent, say, say_json, warn
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.data.dataset import Dataset


def add(verbs: Any) -> None:
    verb = verbs.add_parser("data", help="download, describe or check images and masks")
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)
    download = actions.add_parser("download", help="fetch a dataset, checking every file")
    download.add_argument(
        "name", nargs="?", metavar="NAME", help="which one (default: dubai, 72 images with masks, CC0)", default="dubai"
    )
    download.add_argument(
        "--to", type=Path, metavar="DIR", help="where to (default: data/NAME, or where TERRASTILL_NAME says)"
    )
    download.add_argument("--source", metavar="URL", help="another copy of the same files")
    download.set_defaults(run=_download)
    info = actions.add_parser("info", help="count images, classes and splits of a dataset")
    add_data(info)
    add_json(info)
    info.set_defaults(run=_info)
    check = actions.add_parser("check", help="say which pairs of a folder can be used, and why others cannot")
    check.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help="the same as --data")
    check.add_argument("--data", metavar="DIR", type=Path, help="where the images and masks are")
    add_json(check)
    check.set_defaults(run=_check)


def _download(args: argparse.Namespace) -> int:
    from core.data.datasets import DATASETS, dataset_named
    from core.data.download import download

    dataset = dataset_named(args.name)
    if dataset.download is None:
        fetched = ", ".join(name for name, known in DATASETS.items() if known.download is not None)
        raise ConfigError(f"The dataset {dataset.name} is not fetched: choose {fetched}.")
    title = f"{dataset.short_title} dataset"
    where = download(dataset.download, args.to or dataset.folder(), title=title, url=args.source)
    say(f"The {title} is complete in {where}.")
    return 0


def _info(args: argparse.Namespace) -> int:
    import numpy as np

    from core.data import open_split

    data, split = open_split(data_config(args))
    dataset, masks = data.dataset, [scene.mask for scene in data.scenes if scene.mask is not None]
    names = dataset.classes.names
    counts = np.sum([np.bincount(mask.ravel(), minlength=len(names)) for mask in masks], axis=0)
    shares = {name: float(count / counts.sum()) for name, count in zip(names, counts, strict=True)}
    sizes = {"train": len(split.train), "val": len(split.val), "test": len(split.test)}
    warn(data.warnings + [f"skipped {problem}" for problem in data.problems])
    if args.json:
        images = {"images": len(data.scenes), "megapixels": float(counts.sum() / 1e6)}
        parts = {"split": {"rule": split.rule, "leaks": split.leaks, "note": split.note, **sizes}}
        say_json({"dataset": dataset.name, **images, "class_shares": shares, **parts, **_known(dataset)})
        return 0
    say(f"{dataset.name}: {len(data.scenes)} images, {counts.sum() / 1e6:.1f} megapixels")
    for name, share in shares.items():
        say(f"  {name:<12} {percent(share)}")
    say(f"  {sizes['train']} train, {sizes['val']} validate, {sizes['test']} test. {split.note}")
    if dataset.licence:
        say(f"  {dataset.title}, by {dataset.attribution}. Licence: {dataset.licence}.")
    return 0


def _known(dataset: "Dataset") -> dict[str, Any]:
    """What is known of a dataset without reading it, as JSON values."""
    return {
        "title": dataset.title,
        "bands": list(dataset.bands),
        "metres_per_pixel": dataset.metres_per_pixel,
        "licence": dataset.licence,
        "attribution": dataset.attribution,
    }


def _check(args: argparse.Namespace) -> int:
    from core.data.datasets.own_folder import OWN_FOLDER
    from core.data.folder import Problem, find_pairs, read_folder

    folder = _folder(args)
    pairs, found = find_pairs(folder)
    loaded = read_folder(pairs, OWN_FOLDER.classes, keep_images=False)
    usable = len(loaded.scenes)
    problems = [str(problem) for problem in (*found, *loaded.problems)]
    unlabelled = [scene.name for scene in loaded.scenes if scene.mask is None]
    told = (str(Problem(name, "it has no mask, so it can only be predicted.")) for name in unlabelled)
    warnings = [*loaded.warnings, *told]
    if args.json:
        say_json({"folder": str(folder), "usable": usable, "problems": problems, "warnings": warnings})
    else:
        for line in (*(f"problem  {text}" for text in problems), *(f"warning  {text}" for text in warnings)):
            say(line)
        say(f"{usable} pairs can be used, {len(problems)} cannot.")
    return 1 if problems else 0


def _folder(args: argparse.Namespace) -> Path:
    """The folder that `check` was given, with or without `--data`. Raises `ConfigError` for none or two."""
    given = [path for path in (args.data, args.folder) if path is not None]
    if not given:
        raise ConfigError("Say which folder to check: python -m core data check --data DIR.")
    if len(given) == 2 and given[0].resolve() != given[1].resolve():
        raise ConfigError(f"Two folders are given, {given[0]} and {given[1]}: check one at a time, with --data DIR.")
    return Path(given[0])
