"""`models`: bring a model from elsewhere, list and describe what there is, rename, share or delete what was brought."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import paths
from core.band_set import DEPTHS
from core.cli.brought import pairs_of
from core.cli.options import add_json
from core.cli.terminal import percent, say, say_json, warn
from core.errors import CheckpointError

if TYPE_CHECKING:
    from core.brought.found import FoundModel, ModelAnswers
    from core.cards import ModelCard


def add(verbs: Any) -> None:
    verb = verbs.add_parser(
        "models", help="bring a model from elsewhere, list, describe, rename, share or delete models"
    )
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)
    importing = actions.add_parser(
        "import", help="take an ONNX file, an OpenVINO IR, or a folder of transformers or smp, as a model"
    )
    importing.add_argument(
        "source",
        type=Path,
        metavar="PATH",
        help="an .onnx file, an .xml with its .bin beside it, or a folder that holds a model",
    )
    importing.add_argument("--name", required=True, help="what the model is called: letters, digits, - and _")
    _add_answers(importing)
    add_json(importing)
    importing.set_defaults(run=_import)
    info = actions.add_parser("info", help="say what is known of a model, or what a file says that is not yet imported")
    info.add_argument("model", metavar="NAME", help="a model by its name, an .onnx file or a folder")
    add_json(info)
    info.set_defaults(run=_info)
    listing = actions.add_parser("list", help="list the models that can be named")
    add_json(listing)
    listing.set_defaults(run=_list)
    _add_committee(actions)
    renaming = actions.add_parser("rename", help="give a model that was brought another name")
    renaming.add_argument("model", metavar="NAME")
    renaming.add_argument("new", metavar="NEW", help="letters, digits, - and _")
    renaming.set_defaults(run=_rename)
    sharing = actions.add_parser("share", help="let everybody use a model that a visitor brought, with its students")
    sharing.add_argument("model", metavar="NAME")
    sharing.add_argument("--private", action="store_true", help="its owner alone again")
    sharing.set_defaults(run=_share)
    deleting = actions.add_parser("delete", help="remove a model that was brought")
    deleting.add_argument("model", metavar="NAME")
    deleting.set_defaults(run=_delete)


def _add_committee(actions: Any) -> None:
    """Several models as one."""
    together = actions.add_parser("committee", help="make several models one: the mean of their probabilities")
    together.add_argument("members", nargs="+", metavar="NAME", help="models of the same classes")
    together.add_argument("--name", required=True, help="what the committee is called")
    together.add_argument(
        "--weights", nargs="+", type=float, default=[], metavar="W", help="one for each (default: alike)"
    )
    together.add_argument("--flips", action="store_true", help="each also sees the three mirror images")
    together.add_argument(
        "--scales", nargs="+", type=float, default=[1.0], metavar="S", help="such as 0.75 1 1.25 (default: 1)"
    )
    together.add_argument(
        "--weigh", action="store_true", help="in a distillation a pixel counts by how much the members agree about it"
    )
    add_json(together)
    together.set_defaults(run=_committee)


def _add_answers(verb: Any) -> None:
    """What a person can say of a model that its file does not say."""
    group = verb.add_argument_group("what its files do not say")
    group.add_argument("--classes", metavar="A,B,C", help="names of its classes, in the order of its outputs")
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="THEIRS=OWN,...",
        help="which of its classes stand for which of yours; several may stand for one, and THEIRS= for none",
    )
    group.add_argument("--dataset", metavar="NAME", help="the dataset whose classes it is to answer in")
    for what in ("mean", "std"):
        group.add_argument(
            f"--{what}", nargs="+", type=float, metavar="X", help=f"{what} of each band of its input, after --scale"
        )
    group.add_argument(
        "--scale", type=float, help="values are divided by this before mean and std (default: 255, deeper than bytes 1)"
    )
    group.add_argument(
        "--bands", metavar="A,B,C", help="names of the bands that it takes, in its order (default: red,green,blue)"
    )
    group.add_argument("--depth", choices=DEPTHS, help="what the values of its pictures are (default: uint8)")
    group.add_argument("--layout", choices=("nchw", "nhwc"), help="where the colours of its input are")
    group.add_argument(
        "--order", choices=("rgb", "bgr"), help="which colour comes first (default: as the files say, or rgb)"
    )
    group.add_argument(
        "--output", choices=("logits", "probabilities"), help="what it gives (default: found by running it)"
    )
    group.add_argument("--tile", type=int, metavar="PIXELS", help="side of the pictures that it was made for")
    group.add_argument("--overlap", type=int, metavar="PERCENT", help="of neighbouring tiles (default: 12)")
    group.add_argument(
        "--resolution", type=float, metavar="METRES", help="width of a pixel on the ground that it was trained at"
    )
    group.add_argument("--licence", default="", help="of the model")
    group.add_argument("--origin", default="", help="where it comes from (default: the name of its file)")


def answers_of(args: argparse.Namespace) -> "ModelAnswers":
    """What was typed. Raises `ConfigError`."""
    from core.band_set import parse_names
    from core.brought.found import ModelAnswers
    from core.data.datasets import dataset_named

    said: dict[str, str] = {}
    for text in args.map:
        said |= pairs_of(text, "A map is pairs such as building=Building,car=", empty=True)
    names = tuple(name.strip() for name in args.classes.split(",")) if args.classes else ()
    return ModelAnswers(
        classes=names,
        map=said,
        target=dataset_named(args.dataset).classes if args.dataset else None,
        mean=None if args.mean is None else tuple(args.mean),
        std=None if args.std is None else tuple(args.std),
        bands=parse_names(args.bands),
        depth=args.depth,
        scale=args.scale or (255.0 if args.depth in (None, "uint8") else 1.0),
        layout=args.layout,
        order=args.order,
        output=args.output,
        tile=args.tile,
        overlap=args.overlap,
        metres=args.resolution,
        licence=args.licence,
        origin=args.origin,
    )


def _import(args: argparse.Namespace) -> int:
    from core.models.external.importer import import_model

    card = import_model(args.source, args.name, answers_of(args))
    if args.json:
        say_json(_told(args.name, card))
        return 0
    _say_card(args.name, card)
    say(f"The model {args.name} is in {paths.brought_models() / args.name}.")
    return 0


def _committee(args: argparse.Namespace) -> int:
    from core.cards import load_card, resolve
    from core.model_owners import known_name
    from core.models.committee import committee_card
    from core.models.external.importer import keep_card

    # Kept as `available` names them, so that what needs a model is found by its name.
    members = {known_name(name, paths.home()): load_card(resolve(name)) for name in args.members}
    options = {"weights": args.weights, "flips": args.flips, "scales": args.scales, "weigh": args.weigh}
    card = keep_card(args.name, committee_card(args.name, members, **options))
    if args.json:
        say_json(_told(args.name, card))
    else:
        say(f"{args.name} is a committee of {', '.join(members)}: {', '.join(card.classes.scored_names)}.")
    return 0


def _info(args: argparse.Namespace) -> int:
    from core.cards import load_card, resolve
    from core.models.external.importer import inspect

    try:
        card = load_card(resolve(args.model))
    except CheckpointError:
        if not Path(args.model).exists():
            raise
        found = inspect(Path(args.model))
        if args.json:
            say_json(_found(found))
        else:
            _say_found(found)
        return 0
    if args.json:
        say_json(_told(args.model, card))
    else:
        _say_card(args.model, card)
    return 0


def _list(args: argparse.Namespace) -> int:
    from core.cards import available, load_card

    told, unread = [], []
    for name, stem in available().items():
        try:
            told.append({**_told(name, load_card(stem)), "from": _source(stem)})
        except CheckpointError as error:
            unread.append(f"{name}: {error}")
    warn(unread)
    if args.json:
        say_json(told)
        return 0
    width = max((len(each["name"]) for each in told), default=0)
    for each in told:
        score = "" if each["miou5"] is None else f"mIoU {percent(each['miou5'])}"
        score = "starting point" if each["starting_point"] else score
        say(
            f"{each['name']:<{width}}  {each['from']:<8}  {each['kind']:<12}  {len(each['classes']):>3} classes  "
            f"{each['parameters']:>12,} parameters  {score}".rstrip()
        )
    return 0


def _delete(args: argparse.Namespace) -> int:
    from core.models.external.importer import delete
    from core.runs.store.run_store import RunStore

    RunStore().model_use.require_unneeded(args.model)
    delete(args.model)
    say(f"The model {args.model} is deleted.")
    return 0


def _rename(args: argparse.Namespace) -> int:
    from core.models.external.importer import rename
    from core.runs.store.run_store import RunStore

    RunStore().model_use.require_unneeded(args.model)
    rename(args.model, args.new)
    say(f"The model {args.model} is called {args.new} now.")
    return 0


def _share(args: argparse.Namespace) -> int:
    from core.runs.store.run_store import RunStore
    from core.runs.store.sharing import share_model

    share_model(RunStore(), args.model, shared=not args.private)
    say(f"{args.model} is {'its owner' if args.private else 'everybody'}{chr(39)}s.")
    return 0


def _source(stem: Path) -> str:
    from core.cards import is_brought

    if stem.parent == paths.CHECKPOINTS:
        return "shipped"
    return "brought" if is_brought(stem) else "run"


def _told(name: str, card: "ModelCard") -> dict[str, Any]:
    arguments, score = card.model.arguments, card.metrics.get("miou5")
    return {
        "name": name,
        "kind": card.model.architecture,
        "classes": list(card.classes.scored_names),
        "map": arguments.get("map", {}),
        "mean": list(card.mean),
        "std": list(card.std),
        "bands": list(card.bands.names),
        "tile": arguments.get("tile"),
        "metres_per_pixel": card.metres_per_pixel,
        "parameters": card.parameters,
        "bytes": card.bytes,
        "licence": card.licence,
        "origin": card.training.get("origin"),
        "miou5": score if isinstance(score, float) else None,
        "notes": card.training.get("notes", []),
        "starting_point": card.starting_point,
    }


def _say_card(name: str, card: "ModelCard") -> None:
    told = _told(name, card)
    say(f"{name}: {told['kind']}, {card.parameters:,} parameters, licence {card.licence}")
    for theirs, own in told["map"].items() or ((name, name) for name in told["classes"]):
        say(f"  {theirs} → {own or 'nothing: no word there'}")
    say(f"  mean {_three(card.mean)}, std {_three(card.std)} on 0..255")
    say(f"  pictures of {_side(told['tile'])}, {_ground(card.metres_per_pixel)}")
    for note in told["notes"]:
        say(f"  {note}")


def _found(found: "FoundModel") -> dict[str, Any]:
    from core.brought.found import missing

    return {**asdict(found), "missing": missing(found)}


def _say_found(found: "FoundModel") -> None:
    from core.brought.found import missing

    say(f"{found.title}, {found.parameters:,} parameters")
    for key, value in found.facts.items():
        say(f"  {key}: {value}")
    say(f"  classes: {', '.join(found.classes) or 'not named'}")
    say(f"  pictures of {_side(found.tile)}, {_ground(found.metres)}")
    if found.mean and found.std:
        say(f"  mean {_three(found.mean)}, std {_three(found.std)} on 0..255")
    for sentence in (*found.notes, *missing(found)):
        say(f"  {sentence}")


def _three(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _side(tile: int | None) -> str:
    return "any size" if tile is None else f"{tile} x {tile} pixels"


def _ground(metres: float | None) -> str:
    return "ground resolution not known" if metres is None else f"{metres:g} m a pixel"
