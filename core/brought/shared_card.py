"""The card in a folder that was downloaded from a server: what a person once said there of the model beside it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.brought.found import LAYOUTS, OUTPUTS, ModelAnswers, Numbers
from core.cards import ModelCard, load_card
from core.errors import CheckpointError

CARD = "card.json"


def with_card(said: ModelAnswers, source: Path) -> ModelAnswers:
    """What a person says of a model, and where they say nothing, what the card in its folder says.

    Args:
        said: Counts before the card.
        source: The model's file or folder; only a folder can hold a card, and one that cannot be read says nothing.
    """
    path = source / CARD
    if not source.is_dir() or not path.is_file() or path.is_symlink():
        return said
    try:
        card = load_card(source / "card")
    except CheckpointError:
        return said
    arguments = card.model.arguments
    scale = said.scale if said.scale > 0 else 255.0
    bytes_in = arguments.get("dtype") == "uint8"
    made = replace(
        said,
        mean=said.mean or (None if bytes_in else _divided(card.mean, scale)),
        std=said.std or (None if bytes_in else _divided(card.std, scale)),
        layout=said.layout or _one_of(arguments.get("layout"), LAYOUTS),
        bands=said.bands or (() if card.bands.is_colours else card.bands.names),
        depth=said.depth or (None if card.bands.is_colours else card.bands.depth),
        order=said.order or _one_of(arguments.get("order"), ("rgb", "bgr")),
        output=said.output or _one_of(arguments.get("output"), OUTPUTS),
        tile=said.tile or _whole(arguments.get("tile")),
        overlap=_whole(arguments.get("overlap")) if said.overlap is None else said.overlap,
        metres=said.metres or card.metres_per_pixel,
        licence=said.licence or card.licence,
        origin=said.origin or str(card.training.get("origin") or ""),
    )
    return _with_classes(made, card, arguments)


def _with_classes(said: ModelAnswers, card: ModelCard, arguments: Mapping[str, Any]) -> ModelAnswers:
    """Names and what they stand for count together: other names, another map or other classes need no old map."""
    names, told = arguments.get("classes"), arguments.get("map")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return said
    classes = tuple(names)
    if said.classes not in ((), classes):
        return said
    said = replace(said, classes=classes)
    if said.map or said.target is not None or not isinstance(told, dict):
        return said
    fits = all(isinstance(own, str) for own in told.values()) and told.keys() <= set(classes)
    return replace(said, map=told, target=card.classes) if fits else said


def _divided(values: Numbers, scale: float) -> Numbers:
    return tuple(value / scale for value in values)


def _one_of(value: Any, choices: tuple[str, ...]) -> str | None:
    return value if isinstance(value, str) and value in choices else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
