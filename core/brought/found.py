"""What a model's files say of it, what a person adds, and the card that both make. Pure Python."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.band_set import DEPTHS, RGB, BandSet
from core.cards import ModelCard
from core.class_mapping import ClassMapping, class_mapping, propose
from core.classes import MOST_CLASSES, UNLABELLED_COLOUR, ClassMap, colours_for, in_short
from core.config import ModelConfig
from core.errors import ConfigError

OUTPUTS = ("logits", "probabilities")
LAYOUTS = ("nchw", "nhwc")
SMALLEST, LARGEST_TILE = 16, 2048
PERCENT_SHARED = 12
"""Of a tile, with its neighbour, where neither the model nor a person says otherwise."""
_LONGEST_NAME = 80
_IGNORED = "Unlabelled"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_NUMBER = re.compile(r"[0-9]{1,4}")
_LARGEST_NUMBER = 1e12
Triple = tuple[float, float, float]
Numbers = tuple[float, ...]
"""One for each band."""


@dataclass(frozen=True)
class FoundModel:
    """What is read from a model's files. None and (): they do not say.

    Attributes:
        kind: A key of `core.models.external.KINDS`.
        title: What it is, for people.
        files: What has to be kept, by their names below the model's folder.
        network: What builds it again, for the card (plain JSON values).
        outputs: How many channels it gives.
        classes: Their names; two for one channel of a sigmoid.
        mean: Of each band of its input on 0..255.
        std: Likewise, above 0.
        bands: How many it takes; None where only a person can tell.
        band_names: What these are, in its order; (): red, green and blue.
        depth: The type of the values that its pictures hold, one of `core.band_set.DEPTHS`.
        tile: The side of the pictures that it was made for, in pixels.
        fixed: Whether it takes no other side.
        output: `logits` or `probabilities`.
        metres: The ground resolution that it was trained at.
        overlap: The share of a tile that neighbours have in common, in per cent.
        parameters: Numbers in its weights.
        facts: What else is worth showing, by name.
        notes: Sentences on what was assumed.
    """

    kind: str
    title: str
    files: tuple[str, ...]
    network: dict[str, Any]
    outputs: int | None = None
    classes: tuple[str, ...] = ()
    mean: Numbers | None = None
    std: Numbers | None = None
    bands: int | None = 3
    band_names: tuple[str, ...] = ()
    depth: str = "uint8"
    tile: int | None = None
    fixed: bool = False
    output: str | None = None
    metres: float | None = None
    overlap: int = PERCENT_SHARED
    licence: str = ""
    parameters: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> int:
        """How many bands it takes, 3 where nobody says."""
        return len(self.band_names) or self.bands or 3

    @property
    def band_set(self) -> BandSet:
        """What it sees of a picture; colours where nobody names its bands."""
        return BandSet(self.band_names or RGB, self.depth)


@dataclass(frozen=True)
class ModelAnswers:
    """What a person says of a model, which counts before what its files say. None and empty: nothing.

    `scale` is what values are divided by before `mean` and `std` count: 255 where these are shares. `map` says which
    of its classes stand for which of `target`'s; nothing for none. `target` are the classes that it is to answer in.
    """

    classes: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)
    target: ClassMap | None = None
    mean: Numbers | None = None
    std: Numbers | None = None
    bands: tuple[str, ...] = ()
    depth: str | None = None
    scale: float = 255.0
    layout: str | None = None
    order: str | None = None
    output: str | None = None
    tile: int | None = None
    overlap: int | None = None
    metres: float | None = None
    licence: str = ""
    origin: str = ""


def check_name(name: str) -> str:
    """The name, if it can be a model's. Raises `ConfigError`."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name[:80]!r} cannot name a model: use lower-case letters, digits, - and _.")
    return name


def settle(found: FoundModel, said: ModelAnswers) -> FoundModel:
    """What is known of the model with what was said of it. Raises `ConfigError` with everything that is wrong."""
    problems = []
    problems += _band_problems(found, said)
    inputs = len(said.bands) or found.inputs
    if wrong := [label for label, value in (("mean", said.mean), ("std", said.std)) if not _numbers(value, inputs)]:
        which = "of red, green and blue" if inputs == 3 else f"one for each of {inputs} bands"
        problems.append(f"The {' and '.join(wrong)} must be numbers, {which}.")
    elif said.std is not None and min(said.std) <= 0:
        problems.append("Each std must be above 0.")
    if not 0 < said.scale < math.inf:
        problems.append("The scale that bytes are divided by must be above 0: 255, or 1 for none.")
    if said.output not in (None, *OUTPUTS):
        problems.append(f"A model gives {' or '.join(OUTPUTS)}, not {said.output!r:.40}.")
    if said.layout not in (None, *LAYOUTS):
        problems.append(f"The layout is {' or '.join(LAYOUTS)}, not {said.layout!r:.40}.")
    if said.order not in (None, "rgb", "bgr"):
        problems.append(f"The order of colours is rgb or bgr, not {said.order!r:.40}.")
    if said.tile is not None and not SMALLEST <= said.tile <= LARGEST_TILE:
        problems.append(f"The side of a tile must be from {SMALLEST} to {LARGEST_TILE} pixels.")
    if said.tile is not None and found.fixed and said.tile != found.tile:
        problems.append(f"The model takes {found.tile} x {found.tile} pixels and nothing else: leave the tile out.")
    if said.overlap is not None and not 0 <= said.overlap <= 75:
        problems.append("The overlap of tiles must be from 0 to 75 per cent.")
    if said.metres is not None and not 0.001 <= said.metres <= 1000:
        problems.append("The ground resolution must be from 0.001 to 1,000 metres a pixel.")
    problems += _class_problems(said.classes)
    if problems:
        raise ConfigError(problems)
    return _merged(found, said)


def _merged(found: FoundModel, said: ModelAnswers) -> FoundModel:
    by = dict(found.network)
    if said.order is not None:
        by["order"] = said.order
    if said.layout is not None:
        by["layout"] = said.layout
    return replace(
        found,
        network=by,
        band_names=said.bands or found.band_names,
        depth=said.depth or found.depth,
        classes=said.classes or found.classes,
        mean=_scaled(said.mean, said.scale) or found.mean,
        std=_scaled(said.std, said.scale) or found.std,
        tile=said.tile or found.tile,
        output=said.output or found.output,
        metres=said.metres or found.metres,
        overlap=found.overlap if said.overlap is None else said.overlap,
        licence=said.licence or found.licence,
    )


def missing(found: FoundModel) -> list[str]:
    """What has to be asked for, a sentence each: nothing is guessed that changes what a model answers."""
    asked = []
    if not found.classes:
        count = f" its {found.outputs}" if found.outputs else ""
        asked.append(f"The file does not name{count} classes: give --classes A,B,C in the order of its outputs.")
    elif found.outputs and len(found.classes) != found.outputs:
        two = " (two for one channel: what it does not find, and what it finds)" if found.network.get("binary") else ""
        asked.append(
            f"The model has {found.outputs} classes and {len(found.classes)} names: give --classes with each{two}."
        )
    if found.network.get("dtype") != "uint8" and (found.mean is None or found.std is None):
        asked.append(
            "The file does not say how its input is normalised: give --mean and --std (of bytes divided by --scale, "
            "which is 255; --mean 0 0 0 --std 1 1 1 for none)."
        )
    if found.bands not in (None, 3) and not found.band_names:
        asked.append(
            f"The model takes {found.bands} bands: give their names in its order, as those of your pictures "
            "(--bands red,green,blue,nir)."
        )
    if found.network.get("layout", "nchw") not in LAYOUTS:
        asked.append("The file does not say where its colour channels are: give --layout nchw or nhwc.")
    return asked


def card_of(name: str, found: FoundModel, said: ModelAnswers, *, size: int, digest: str, confined: bool) -> ModelCard:
    """The card of a brought model. Raises `ConfigError` with everything that is missing or does not fit."""
    if asked := missing(found):
        raise ConfigError(asked)
    mapping, own = own_classes(found.classes, said)
    arguments = {
        **found.network,
        "output": found.output,
        "tile": found.tile,
        "fixed": found.fixed,
        "overlap": found.overlap,
        "inputs": found.inputs,
        "classes": list(found.classes),
        "map": {
            theirs: "" if at is None else own.names[at] for theirs, at in zip(found.classes, mapping.to, strict=True)
        },
        "digest": digest,
        "confined": confined,
        "files": list(found.files),
    }
    bytes_as_they_are = found.network.get("dtype") == "uint8"
    return ModelCard(
        name=name,
        model=ModelConfig(found.kind, arguments),
        classes=own,
        mean=(0.0,) * found.inputs if bytes_as_they_are or found.mean is None else found.mean,
        std=(1.0,) * found.inputs if bytes_as_they_are or found.std is None else found.std,
        bands=found.band_set,
        parameters=found.parameters,
        macs_256=0,
        bytes=size,
        licence=found.licence or "not said",
        metres_per_pixel=found.metres,
        training={"origin": said.origin[:200], "facts": found.facts, "notes": list(found.notes)},
    )


def own_classes(theirs: Sequence[str], said: ModelAnswers) -> tuple[ClassMapping, ClassMap]:
    """What stands for what, and the classes that the model answers in. Raises `ConfigError`."""
    if unknown := [name for name in said.map if name not in theirs]:
        raise ConfigError(
            [f"The model has no class {name[:60]!r}: it has {in_short(tuple(theirs))}." for name in unknown]
        )
    target = said.target or _named([said.map.get(name, name) for name in theirs])
    given = dict(said.map) if said.target is None else propose(theirs, target.scored_names) | dict(said.map)
    if said.target is not None and not any(given.values()) and not set(theirs) & set(target.scored_names):
        raise ConfigError(
            f"None of the model's classes ({in_short(tuple(theirs))}) has the name of one of "
            f"{in_short(target.scored_names)}: say which stands for which (--map THEIRS=OWN,...)."
        )
    return class_mapping(theirs, target.scored_names, given), target


def _named(names: Sequence[str]) -> ClassMap:
    """A class map of these names, each once and in their order, but for empty ones. Raises `ConfigError`."""
    kept = list(dict.fromkeys(name for name in names if name))
    if problems := _class_problems(kept):
        raise ConfigError(problems)
    if len(kept) < 2:
        raise ConfigError("At least two classes must be left: map fewer of them to one, or to nothing.")
    ignored = next(name for name in (_IGNORED, "Not labelled", "No class") if name not in kept)
    return ClassMap((*kept, ignored), (*colours_for(len(kept)), UNLABELLED_COLOUR), len(kept))


def _class_problems(names: Sequence[str]) -> list[str]:
    problems = []
    if len(names) > MOST_CLASSES:
        problems.append(f"A mask holds {MOST_CLASSES} classes at most, not {len(names)}.")
    if twice := sorted({name for name in names if list(names).count(name) > 1})[:3]:
        problems.append(f"Class names must differ: {', '.join(twice)} is there twice.")
    if any(not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable() for name in names):
        problems.append(f"Class names are of 1 to {_LONGEST_NAME} letters that can be shown.")
    return problems


def _band_problems(found: FoundModel, said: ModelAnswers) -> list[str]:
    if said.order == "bgr" and (len(said.bands) or found.inputs) != 3:
        return ["The order of colours is for three bands: name the bands in the order that the model takes."]
    if said.depth not in (None, *DEPTHS):
        return [f"The pictures of a model hold {', '.join(DEPTHS)}, not {said.depth!r:.40}."]
    if said.depth not in (None, "uint8") and found.network.get("dtype") == "uint8":
        return [f"The model takes bytes, so its pictures cannot hold {said.depth}."]
    if not said.bands:
        return []
    if found.bands not in (None, len(said.bands)):
        return [f"The model takes {found.bands} bands, and {len(said.bands)} are named."]
    try:
        BandSet(said.bands)
    except ConfigError as error:
        return list(error.problems)
    return []


def _numbers(values: Numbers | None, count: int) -> bool:
    return values is None or (len(values) == count and all(math.isfinite(value) for value in values))


def _scaled(values: Numbers | None, scale: float) -> Numbers | None:
    """As numbers on 0..255."""
    return None if values is None else tuple(value * scale for value in values)


def names_from(text: str) -> tuple[str, ...]:
    """Class names that a file's metadata gives, as JSON: a list, or by number from 0 on; () for anything else."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return ordered_names(told)


def ordered_names(told: Any) -> tuple[str, ...]:
    """A list of names, or names by number from 0 on without gaps, as they are kept; () for anything else."""
    if isinstance(told, dict):
        numbered = {int(key): value for key, value in told.items() if _NUMBER.fullmatch(str(key))}
        if sorted(numbered) != list(range(len(told))):
            return ()
        told = [numbered[at] for at in range(len(numbered))]
    if not isinstance(told, list) or not 0 < len(told) <= MOST_CLASSES:
        return ()
    if any(not isinstance(name, str | int) for name in told):
        return ()
    return distinct([shown_name(str(name)) for name in told])


def with_background(names: tuple[str, ...]) -> tuple[str, ...]:
    """The two names of a model of one channel: what it does not find, and what it finds; other names as they are."""
    if len(names) != 1:
        return names
    return ("Background" if names[0] != "Background" else "Other", *names)


def distinct(names: list[str]) -> tuple[str, ...]:
    """The names, those that are there twice with their number behind them."""
    taken, found = {name for name in names if names.count(name) == 1}, []
    for at, name in enumerate(names):
        if names.count(name) > 1:
            tries = (f"{name} ({number})" for number in range(at, at + len(names) + 1))
            name = next(one for one in tries if one not in taken)
            taken.add(name)
        found.append(name)
    return tuple(found)


def is_number(value: Any) -> bool:
    """Whether a file's value is a number that can be computed with: no truth value, none without end."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER


def shown_name(name: str) -> str:
    """Letters that can be shown, 1 to 80 of them."""
    return shown_text(name)[: _LONGEST_NAME - 6].strip() or "unnamed"


def shown_text(text: str) -> str:
    """Letters of one line that can be shown, 80 at most."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:_LONGEST_NAME].strip()
