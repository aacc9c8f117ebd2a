"""`data`: fetch a dataset, say what one holds, check and import what a person brings."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.brought import add_blocks, add_choices, choices, say_survey
from core.cli.options import add_data, add_device, add_json, add_model, add_settings, data_config, settings_from
from core.cli.terminal import percent, progress_bar, say, say_json, warn
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.importing import OnPicture
    from core.events import OnProgress


def add(verbs: Any) -> None:
    verb = verbs.add_parser("data", help="download, describe, check or import images and labels")
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
    info.add_argument("name", nargs="?", metavar="NAME", help="the same as --dataset")
    add_data(info)
    add_json(info)
    info.set_defaults(run=_info)
    listing = actions.add_parser("list", help="list the datasets that can be named, imported ones among them")
    add_json(listing)
    listing.set_defaults(run=_list)
    check = actions.add_parser("check", help="say what a folder or zip holds, its classes, and what does not fit")
    check.add_argument("source", type=Path, nargs="?", metavar="SRC", help="the same as --data")
    check.add_argument("--data", metavar="SRC", type=Path, help="a folder or zip of images and labels")
    add_choices(check)
    add_json(check)
    check.set_defaults(run=_check)
    importing = actions.add_parser("import", help="take a folder or zip of images and labels as a dataset of its own")
    importing.add_argument("source", type=Path, metavar="SRC", help="a folder or zip in any format of docs/FORMATS.md")
    importing.add_argument("--name", required=True, help="what the dataset is called: letters, digits, - and _")
    add_choices(importing)
    add_blocks(importing)
    importing.add_argument("--title", help="what menus call it (default: its name)")
    importing.add_argument("--licence", default="", help="of the images and labels")
    importing.add_argument("--attribution", default="", help="who made them, as they want to be cited")
    add_json(importing)
    importing.set_defaults(run=_import)
    _add_pseudo_masks(actions)


def _add_pseudo_masks(actions: Any) -> None:
    from core.config.pseudo_mask_order import PseudoMaskOrder

    verb = actions.add_parser("pseudo-masks", help="make a dataset of a model's answers to images without labels")
    add_model(verb)
    verb.add_argument("--dataset", default="", metavar="NAME", help="the images of a dataset; its masks are not used")
    verb.add_argument("--data", default="", metavar="DIR", help="or a folder of images, or one that holds images/")
    verb.add_argument("--name", required=True, help="what the new dataset is called: letters, digits, - and _")
    verb.add_argument("--out", type=Path, metavar="DIR", help="where to (default: among the imported datasets)")
    add_settings(verb, PseudoMaskOrder)
    verb.add_argument("--title", default="", help="what menus call it")
    verb.add_argument("--licence", default="", help="of the images (default: as their dataset says)")
    verb.add_argument("--attribution", default="", help="who made the images (default: as their dataset says)")
    add_device(verb)
    add_json(verb)
    verb.set_defaults(run=_pseudo_masks)


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

    if args.name is not None:
        args.dataset = args.name
    data, split = open_split(data_config(args))
    dataset, masks = data.dataset, [scene.mask for scene in data.scenes if scene.mask is not None]
    names = dataset.classes.names
    counts = np.sum([np.bincount(np.asarray(mask).ravel(), minlength=len(names)) for mask in masks], axis=0)
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
    if dataset.labelled_by:
        say(f"  {dataset.labelled_by}")
    return 0


def _list(args: argparse.Namespace) -> int:
    from core.data import named
    from core.data.datasets import known

    imported = set(named.names())
    found = known()
    told: list[dict[str, Any]] = [
        {
            "name": name,
            "title": dataset.title,
            "classes": list(dataset.classes.scored_names),
            "here": dataset.is_here(),
            "imported": name in imported,
            "licence": dataset.licence,
        }
        for name, dataset in found.items()
        if not dataset.needs_root
    ]
    warn(
        [
            f"the dataset {name} cannot be read: python -m core data info {name} says why."
            for name in sorted(imported - set(found))
        ]
    )
    if args.json:
        say_json(told)
        return 0
    width = max(len(str(each["name"])) for each in told)
    for each in told:
        state = "imported" if each["imported"] else "here" if each["here"] else "not here"
        say(f"{each['name']:<{width}}  {state:<8}  {len(each['classes']):>3} classes  {each['title']}")
    return 0


def _known(dataset: "Dataset") -> dict[str, Any]:
    """What is known of a dataset without reading it, as JSON values."""
    return {
        "title": dataset.title,
        "bands": list(dataset.bands),
        "metres_per_pixel": dataset.metres_per_pixel,
        "licence": dataset.licence,
        "attribution": dataset.attribution,
        "labelled_by": dataset.labelled_by,
    }


def _check(args: argparse.Namespace) -> int:
    from core.data.importing import opened_source, survey

    source = _source(args)
    with opened_source(source) as tree:
        found = survey(tree, choices(args))
    told = {"source": str(source), **found.to_json()}
    if args.json:
        say_json(told)
    else:
        say_survey(told)
    return 1 if found.groups else 0


def _import(args: argparse.Namespace) -> int:
    from core.data import named
    from core.data.dataset_files import import_dataset
    from core.data.importing import opened_source

    with opened_source(args.source) as tree, progress_bar("Importing", "%") as bar:
        found = import_dataset(tree, args.name, choices(args), progress=_shares(bar))
    told = {"name": args.name, "folder": str(named.folder_of(args.name)), **found.to_json()}
    if args.json:
        say_json(told)
        return 0
    say_survey(told)
    say(f"The dataset {args.name} is in {told['folder']}: {found.labelled} labelled pictures.")
    return 0


def _pseudo_masks(args: argparse.Namespace) -> int:
    from core.config.pseudo_mask_order import PictureSource, PseudoMaskOrder
    from core.data import named
    from core.infer.pseudo_masks import make_dataset

    said = {key: getattr(args, key) for key in ("model", "name", "title", "licence", "attribution", "device")}
    settings = settings_from(args, PseudoMaskOrder)
    order = PseudoMaskOrder(source=PictureSource(dataset=args.dataset, folder=args.data), **said, **settings)
    own = named.folder_of(args.name)
    target = args.out or own
    with progress_bar("Answers", "part") as show:
        found = make_dataset(order, target, partial=target.with_name(f".{target.name}.part"), progress=show)
    warn(found.problems)
    told = {"name": args.name, "folder": str(target), **found.to_json()}
    if args.json:
        say_json(told)
    else:
        say(
            f"{found.pictures} images, {found.masks} with a mask; {100 * found.sure:.1f} % of their pixels got a class."
        )
        say(f"They are in {target}.")
    return 1 if found.problems else 0


def _shares(bar: "OnProgress") -> "OnPicture":
    """What shows on a bar how far an import is, in per cent."""
    from core.events import Progress

    return lambda done, total, _: bar(Progress(round(100 * done / max(1, total)), 100))


def _source(args: argparse.Namespace) -> Path:
    """What `check` was given, with or without `--data`. Raises `ConfigError` for nothing or two."""
    given = [path for path in (args.data, args.source) if path is not None]
    if not given:
        raise ConfigError("Say which folder or zip to check: python -m core data check --data DIR.")
    if len(given) == 2 and given[0].resolve() != given[1].resolve():
        raise ConfigError(f"Two folders are given, {given[0]} and {given[1]}: check one at a time, with --data DIR.")
    return Path(given[0])
