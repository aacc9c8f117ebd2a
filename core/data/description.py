"""`dataset.toml`: all that is known of a dataset that was imported under a name, beside its pictures.

name = "orchard"
title = "Orchards of 2024"
licence = "CC BY 4.0"
attribution = "Orchard survey"
labelled_by = "Answers of the model teacher, and no labels"   # only where a model made the masks
bands = ["red", "green", "blue", "near infrared"]
depth = "uint16"                 # or "uint8", "float32": the type of the values that are trained on
shown = ["near infrared", "red", "green"]   # what is seen as red, green and blue
metres_per_pixel = 0.3

[split]
kind = "names"                   # or "folders" (train/, val/ and test/ in images/), or "drawn"
train = ["scene_1", "scene_2"]
validate = ["scene_3"]
test = ["scene_4"]

[[classes]]                      # in the order of the numbers in the masks, from 0
name = "Tree"
colour = [10, 120, 40]
from = [3, "#0A7828"]            # for the record: what it was called in the masks that were imported
"""

import itertools
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from core.band_set import RGB, BandSet
from core.classes import MOST_CLASSES, UNLABELLED_COLOUR, ClassMap, Colour, colours_for
from core.errors import ConfigError
from core.files import write_aside

FILE = "dataset.toml"
SPLIT_KINDS = ("folders", "names", "drawn")
LARGEST = 20_000_000
_LONGEST_NAME, _LONGEST_TEXT = 60, 2000
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNLABELLED = "Unlabeled"


@dataclass(frozen=True)
class DescribedClass:
    """A class: its name, its colour (None: one is chosen), and the values or colours that it had before."""

    name: str
    colour: Colour | None = None
    source: tuple[int | str | Colour, ...] = ()


@dataclass(frozen=True)
class DescribedSplit:
    """How pictures are parted. `names`: by lists of stems; `folders`: by folders in images/; `drawn`: at random.

    A labelled picture that no list names trains. `margin` are the pixels that lie between the parts of a picture that
    was cut for all three; None where none was.
    """

    kind: str = "drawn"
    train: tuple[str, ...] = ()
    validate: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    margin: int | None = None

    def uses(self) -> dict[str, str]:
        """Of each stem that is listed: `train`, `val` or `test`."""
        lists = (("train", self.train), ("val", self.validate), ("test", self.test))
        return {stem: use for use, stems in lists for stem in stems}


@dataclass(frozen=True)
class Description:
    """What `dataset.toml` says. The file's module docstring is an example.

    Attributes:
        name: lower-case letters, digits, - and _; also the name of its folder.
        title: what menus call it.
        classes: 2 to 255, in the order of the numbers in the masks, from 0; none where no picture has labels.
        licence: of the pictures and masks.
        attribution: who made it, as it wants to be cited.
        bands: what the channels of its pictures are, in order.
        depth: type of their values, as in `core.band_set.BandSet`.
        shown: which of the bands are seen as red, green and blue, as there.
        metres_per_pixel: ground resolution, where all pictures share one and it is known.
        split: how its pictures are parted.
        labelled_by: which model made the masks, and how sure it had to be; empty: people did.

    Raises:
        ConfigError: A value is out of range; with every problem.
    """

    name: str
    title: str
    classes: tuple[DescribedClass, ...]
    licence: str = ""
    attribution: str = ""
    bands: tuple[str, ...] = RGB
    depth: str = "uint8"
    shown: tuple[str, ...] = ()
    metres_per_pixel: float | None = None
    split: DescribedSplit = DescribedSplit()
    labelled_by: str = ""

    def __post_init__(self) -> None:
        if problems := [*_text_problems(self), *_class_problems(self.classes), *_split_problems(self.split)]:
            raise ConfigError(problems)

    @property
    def band_set(self) -> BandSet:
        """The bands of its pictures with their depth, and which are shown."""
        return BandSet(self.bands, self.depth, self.shown)

    @property
    def class_map(self) -> ClassMap:
        """The classes as models know them: these, and one for pixels that nobody labelled."""
        names = [entry.name for entry in self.classes]
        numbers = (f"{_UNLABELLED} {number}" for number in itertools.count(2))
        unlabelled = next(name for name in itertools.chain([_UNLABELLED], numbers) if name not in names)
        brought = {entry.colour for entry in self.classes}
        chosen = (*colours_for(len(names)), *colours_for(MOST_CLASSES))
        free = iter([colour for colour in dict.fromkeys(chosen) if colour not in brought])
        colours = [entry.colour or next(free) for entry in self.classes]
        return ClassMap((*names, unlabelled), (*colours, UNLABELLED_COLOUR), len(names))


def read_description(folder: Path) -> Description:
    """What FOLDER/dataset.toml says. Raises `ConfigError`, in one sentence a problem."""
    path = folder / FILE
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"The {FILE} of {folder.name} is too large: import the dataset again.")
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no {FILE} in {folder.name}: import the dataset again.") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error.strerror if isinstance(error, OSError) else error).rstrip(".")
        raise ConfigError(f"The {FILE} of {folder.name} cannot be read ({reason}): correct it.") from error
    try:
        return _description(data)
    except ConfigError as error:
        raise ConfigError([f"The {FILE} of {folder.name}: {problem}" for problem in error.problems]) from error


def told_by(texts: Iterable[str], key: str) -> str:
    """What these texts of `dataset.toml` say under `labelled_by`, `licence` or `attribution`, each once; else empty.

    What is not a text of ours is passed over: they may be anybody's.
    """
    told = []
    for text in texts:
        try:
            said = tomllib.loads(text).get(key)
        except (ValueError, RecursionError):
            continue
        if isinstance(said, str) and _is_text(said, _LONGEST_TEXT):
            told.append(said.strip())
    return " ".join(dict.fromkeys(filter(None, told)))[:_LONGEST_TEXT]


def write_description(folder: Path, description: Description) -> None:
    """Write FOLDER/dataset.toml in one piece, every class with its colour. Raises `DiskFullError` and `OSError`."""
    text = to_toml(description)
    write_aside(folder / FILE, lambda path: path.write_text(text, encoding="utf-8"))


def to_toml(description: Description) -> str:
    """The text of `dataset.toml`."""
    names = ("name", "title", "licence", "attribution", "labelled_by", "bands", "depth", "shown", "metres_per_pixel")
    usual = {"labelled_by": "", "depth": "uint8", "shown": (), "metres_per_pixel": None}
    told = [name for name in names if name not in usual or getattr(description, name) != usual[name]]
    lines = [_line(name, getattr(description, name)) for name in told]
    split = description.split
    lines += ["", "[split]", _line("kind", split.kind)]
    if split.kind == "names":
        lines += [_line(name, getattr(split, name)) for name in ("train", "validate", "test")]
    lines += [] if split.margin is None else [_line("margin", split.margin)]
    for entry, colour in zip(description.classes, description.class_map.colours, strict=False):
        lines += ["", "[[classes]]", _line("name", entry.name), _line("colour", colour)]
        lines += [_line("from", entry.source)] if entry.source else []
    return "\n".join(lines) + "\n"


def _line(name: str, value: Any) -> str:
    return f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A text, a number, or a list of such."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # What JSON escapes in a text, TOML reads in the same way.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _description(data: dict[str, Any]) -> Description:
    """The description in a table of TOML. Raises `ConfigError`."""
    _known(data, Description, "it")
    classes = data.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(entry, dict) for entry in classes):
        raise ConfigError("its classes must be tables: write [[classes]] above each.")
    split = data.get("split", {})
    if not isinstance(split, dict):
        raise ConfigError("its split must be a table: write [split] above it.")
    _known(split, DescribedSplit, "its split")
    values = {name: _plain(value) for name, value in data.items()}
    return Description(
        **{
            **values,
            "name": data.get("name", ""),
            "title": data.get("title", ""),
            "classes": tuple(_class(entry) for entry in classes),
            "split": DescribedSplit(**{name: _plain(value) for name, value in split.items()}),
        }
    )


def _class(entry: dict[str, Any]) -> DescribedClass:
    if unknown := sorted(set(entry) - {"name", "colour", "from"}):
        raise ConfigError(f"a class has no {unknown[0][:40]}: it has name, colour and from.")
    source = _plain(entry.get("from", []))
    if not isinstance(source, tuple):
        raise ConfigError("what a class was made from must be a list, as in from = [3].")
    return DescribedClass(entry.get("name", ""), _plain(entry.get("colour")), source)


def _known(data: dict[str, Any], cls: type, whose: str) -> None:
    names = [field.name for field in fields(cls)]
    if unknown := sorted(set(data) - set(names)):
        raise ConfigError(f"{whose} has no {unknown[0][:40]}: it has {', '.join(names)}.")


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def _text_problems(found: Any) -> list[str]:
    problems = []
    if not isinstance(found.name, str) or not _NAME.fullmatch(found.name) or len(found.name) > _LONGEST_NAME:
        problems.append(
            f"{str(found.name)[:80]!r} cannot name a dataset: use up to {_LONGEST_NAME} lower-case letters, digits, - "
            "and _, and begin with a letter."
        )
    if not _is_text(found.title, _LONGEST_NAME) or not found.title.strip():
        problems.append(f"A dataset needs a title of 1 to {_LONGEST_NAME} characters in one line.")
    problems += [
        f"The {name} must be text of at most {_LONGEST_TEXT:,} characters in one line."
        for name in ("licence", "attribution", "labelled_by")
        if not _is_text(getattr(found, name), _LONGEST_TEXT)
    ]
    try:
        BandSet(found.bands, found.depth, found.shown)
    except ConfigError as error:
        problems += error.problems
    ground = found.metres_per_pixel
    if ground is not None and not (_is_number(ground) and 0 < ground < 1e6):
        problems.append("The metres a pixel must be a number above 0.")
    return problems


def _class_problems(classes: tuple[Any, ...]) -> list[str]:
    if classes and not 2 <= len(classes) <= MOST_CLASSES:
        return [f"A dataset has 2 to {MOST_CLASSES} classes, not {len(classes)}."]
    problems = []
    for number, entry in enumerate(classes):
        if not _is_text(entry.name, _LONGEST_NAME) or not entry.name.strip():
            problems.append(f"Class {number} needs a name of 1 to {_LONGEST_NAME} characters in one line.")
        elif entry.name in [other.name for other in classes[:number]]:
            problems.append(f"Class names must differ: {entry.name} is there twice.")
        if entry.colour is not None and not _is_colour(entry.colour):
            problems.append(f"The colour of class {number} must be red, green and blue from 0 to 255.")
        if not all(isinstance(value, str) or _is_whole(value) or _is_colour(value) for value in entry.source):
            problems.append(f"What class {number} was made from must be values, texts or colours.")
    return problems


def _split_problems(split: Any) -> list[str]:
    if split.kind not in SPLIT_KINDS:
        return [f"There is no split {str(split.kind)[:40]!r}: choose {', '.join(SPLIT_KINDS)}."]
    lists = (split.train, split.validate, split.test)
    if not all(isinstance(stems, tuple) and all(isinstance(stem, str) for stem in stems) for stems in lists):
        return ["The lists of the split must hold names of pictures without their endings."]
    if split.margin is not None and not (_is_whole(split.margin) and split.margin >= 0):
        return ["The margin of the split must be a whole number of pixels, 0 or more."]
    every = [stem for stems in lists for stem in stems]
    if every and split.kind != "names":
        return [f'A split of the kind {split.kind} has no lists: write kind = "names".']
    if len(set(every)) < len(every):
        twice = next(stem for at, stem in enumerate(every) if stem in every[:at])
        return [f"The split names the picture {twice} twice: name it once."]
    return []


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and not _CONTROL.search(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_colour(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(_is_whole(part) and 0 <= part <= 255 for part in value)
