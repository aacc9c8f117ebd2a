"""What a person says about data of their own (`data check`, `data import`), and how what was found is told."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.band_set import RGB, parse_names
from core.cli.terminal import percent, say
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.data.importing import ImportChoices

_SHOWN = 5
_PARTS = {"train": "train", "validate": "validate", "test": "test", "none": "of no part"}
_MOST_BYTES = 1_000_000
_HOW = "A map is pairs such as 3=Water,4=ignore, or a JSON file"


def add_choices(verb: Any) -> None:
    """The switches that say how a source is read."""
    group = verb.add_argument_group("how it is read")
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="MAP",
        help="names of classes: 3=Water,4=ignore or '#3C1098=Building' or outside=Background, or a JSON file of such "
        "pairs; values of one name are merged",
    )
    group.add_argument(
        "--resample",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="resample masks (nearest) whose sides differ from the image's by at most this: 0.02 or 2%%",
    )
    group.add_argument("--skip", action="store_true", help="leave out what does not fit")
    group.add_argument(
        "--leave-out-border",
        action="store_true",
        help="a black or white border of an image, which no no-data value declares, counts as not labelled",
    )
    group.add_argument(
        "--bands",
        metavar="NAMES",
        help="what the bands of the images are, in their order: 'red,green,blue,near infrared'; - for one that is not "
        "taken; all: as the files name them (default: red, green and blue alone)",
    )
    group.add_argument(
        "--shown", metavar="NAMES", help="of --bands: the three that are seen as red, green and blue, or one in grey"
    )
    group.add_argument("--attribute", metavar="NAME", help="of polygons: the attribute that tells the class")
    group.add_argument("--area", metavar="FILE", help="of polygons: a file of the source, labelled is what lies inside")


def add_blocks(verb: Any) -> None:
    """The switch that makes a split of one picture."""
    verb.add_argument(
        "--blocks",
        action="store_true",
        default=None,
        help="cut labelled images into blocks that train, validate and test, with margins between them (default: where "
        "there is but one)",
    )
    verb.add_argument(
        "--margin",
        type=int,
        metavar="PIXELS",
        help="between blocks that train, validate and test, at least as wide as the crop of the training (default: "
        "256, less in a small image)",
    )


def choices(args: argparse.Namespace) -> "ImportChoices":
    """What was typed. Raises `ConfigError`."""
    from core.data.importing import ImportChoices
    from core.data.readers.source import Asked

    wanted: dict[str, str] = {}
    for text in args.map:
        wanted |= _pairs_of_file(Path(text)) if text.lower().endswith(".json") else pairs_of(text, _HOW)
    return ImportChoices(
        wanted=wanted,
        resample=args.resample,
        skip=args.skip,
        asked=Asked(args.attribute, args.area),
        title=getattr(args, "title", None),
        licence=getattr(args, "licence", ""),
        attribution=getattr(args, "attribution", ""),
        blocks=getattr(args, "blocks", None),
        margin=getattr(args, "margin", None),
        leave_border=args.leave_out_border,
        bands=parse_names(args.bands),
        shown=parse_names(args.shown),
    )


def say_survey(told: dict[str, Any]) -> None:
    """What was found, as a table: counts, classes, what is odd and what does not fit."""
    say(
        f"{told['format']}: {told['pictures']:,} pictures, {told['labelled']:,} labelled"
        + (f", {told['resampled']:,} masks resampled" if told["resampled"] else "")
    )
    width = max((len(each["name"]) for each in told["classes"]), default=0)
    for at, each in enumerate(told["classes"]):
        colour = "       " if each["colour"] is None else "#{:02X}{:02X}{:02X}".format(*each["colour"])
        sources = ", ".join(each["from"])
        say(f"  {at:>3}  {each['name']:<{width}}  {colour}  {percent(each['share'])}  from {sources}")
    if told["ignored"] or told["unlabelled_share"]:
        sources = f"  from {', '.join(told['ignored'])}" if told["ignored"] else ""
        say(f"  255  {'not labelled':<{width}}  {percent(told['unlabelled_share'])} of all pixels{sources}")
    say("  " + ", ".join(f"{count:,} {_PARTS[part]}" for part, count in told["parts"].items()))
    if told["bands"] != list(RGB) or told["depth"] != "uint8":
        say(f"  bands: {', '.join(told['bands'])} ({told['depth']})")
    for note in told["notes"]:
        say(f"note     {note}")
    for problem in told["problems"]:
        names = problem["names"][:_SHOWN]
        more = f" and {problem['count'] - _SHOWN:,} more" if problem["count"] > _SHOWN else ""
        say(f"problem  {problem['sentence']}")
        say(f"         {', '.join(names)}{more}")


def _share(text: str) -> float:
    """`0.02` and `2%` are the same. Raises `argparse.ArgumentTypeError`."""
    plain = text.strip()
    try:
        found = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 10:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no share: write 0.02 or 2%")
    return found


def pairs_of(text: str, what: str, *, empty: bool = False) -> dict[str, str]:
    """`3=Water,4=ignore`; `what` says how it is written, `empty` whether nothing may stand behind a sign.

    Raises `ConfigError`.
    """
    found = {}
    for pair in text.split(","):
        key, mark, name = (part.strip() for part in pair.rpartition("="))
        if not (key and mark and (name or empty)):
            raise ConfigError(f"{what}, not {text[:60]!r}.")
        found[key] = name
    return found


def _pairs_of_file(path: Path) -> dict[str, str]:
    """`{"3": "Water", "4": "ignore"}`. Raises `ConfigError`."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"The map {path.name} is too large: a map has a line a class.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f'The map {path.name} cannot be read: it is a JSON object such as {{"3": "Water"}}.'
        ) from error
    if not isinstance(data, dict) or not all(isinstance(name, str) and name.strip() for name in data.values()):
        raise ConfigError(
            f'The map {path.name} must be a JSON object of names, such as {{"3": "Water", "4": "ignore"}}.'
        )
    return {str(key): name.strip() for key, name in data.items()}
