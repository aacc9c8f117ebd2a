"""Whose a model is: one that somebody brought and has not shared, and a committee that has such a member. Pure Python.

`owner.json` beside a brought model's card names who brought it and says whether it is shared. One without it was
imported on the command line and is everybody's. What is trained with a model that is one person's is theirs as well:
the run store notes that with the run (`core.runs.store.run_store`).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import paths
from core.cards import ModelCard, available, brought_stem, is_brought, load_card, resolve
from core.config import RunConfig
from core.errors import CheckpointError

FILE = "owner.json"
NOBODY = "-"
"""Owns what a damaged file tells of, and what uses models of two owners: nobody is shown it."""
_MEMBERS = "members"
_NAMING = ("model", "models", "teacher", "start_from")


def owner_facts(name: str, home: Path) -> dict[str, Any] | None:
    """What `owner.json` says; None where there is none, {} for one that is damaged."""
    try:
        found = json.loads(brought_stem(name, runs=home).with_name(FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def owners_of(name: str, home: Path, of_run: Callable[[str], str]) -> frozenset[str]:
    """Who alone may use a model, by their folders; nobody in it: everybody may.

    Args:
        name: Of a model, as `known_name` gives it.
        home: The workspace.
        of_run: The owner of a run by its id, "" for none.
    """
    if not brought_stem(name, runs=home).parent.is_dir():
        return frozenset({of_run(name)} - {""})
    told = owner_facts(name, home)
    found = set() if told is None or told.get("shared") is True else {str(told.get("owner") or NOBODY)}
    for member in members_of(name, home):
        if member != name:
            found |= owners_of(member, home, of_run)
    return frozenset(found)


def one_owner(owners: frozenset[str]) -> str:
    """The only one of them, "" where there is none, `NOBODY` where they are several."""
    return "" if not owners else next(iter(owners)) if len(owners) == 1 else NOBODY


def known_name(name: str, home: Path) -> str:
    """The name in `core.cards.available` of a model that a person names by that, by its run's name or by its path."""
    if brought_stem(name, runs=home).with_suffix(".json").is_file() or (paths.CHECKPOINTS / f"{name}.json").is_file():
        return name
    try:
        stem = resolve(name, runs=home)
    except CheckpointError:
        return name
    inside = stem.resolve().is_relative_to(home.resolve())
    return stem.parent.name if inside and (is_brought(stem) or stem.name == "student") else name


def members_of(name: str, home: Path) -> list[str]:
    """The members of a committee; none for every other model."""
    card = _card(brought_stem(name, runs=home))
    named = card.model.arguments.get(_MEMBERS) if card is not None else None
    return [str(one) for one in named] if isinstance(named, list) else []


def committees_with(name: str, home: Path) -> list[str]:
    """The committees that have this model as a member."""
    brought = [other for other, stem in available(runs=home).items() if is_brought(stem)]
    return [other for other in brought if any(known_name(one, home) == name for one in members_of(other, home))]


def all_members(home: Path) -> set[str]:
    """The members of all committees."""
    brought = [other for other, stem in available(runs=home).items() if is_brought(stem)]
    return {known_name(one, home) for other in brought for one in members_of(other, home)}


def models_used(config: RunConfig, job: dict[str, Any]) -> list[str]:
    """The models that a run names: its teacher, what it starts from, and what a benchmark or a search names."""
    named = [config.distill.teacher if config.distill else None, config.train.start_from]
    return [name for name in (*named, *_named(job)) if name]


def _named(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return []
    found = []
    for key, inner in value.items():
        texts = inner if isinstance(inner, list | tuple) else [inner]
        if key in _NAMING:
            found += [text for text in texts if isinstance(text, str)]
        found += [name for each in texts for name in _named(each)]
    return found


def _card(stem: Path) -> ModelCard | None:
    try:
        return load_card(stem)
    except CheckpointError:
        return None
