"""Who may use a model that somebody brought: its `owner.json`, read as that of a dataset (`own_datasets`).

One without it was imported on the command line: it belongs to the operator and is for everybody. Whatever takes the
name of a model asks `artifacts.models` or `artifacts.require_known`, which ask `may_use`; a run is not asked again.
"""

import json
from typing import Any

from core import paths
from core.cards import brought_stem
from core.errors import CheckpointError
from core.files import write_aside

FILE = "owner.json"


def may_use(name: str, owner: str | None) -> bool:
    """Whether a visitor is shown a brought model: those of the command line, shared ones, and theirs.

    Args:
        name: Of a brought model.
        owner: what `visitors.folder_name` gives of who is at the browser; None: nobody in particular.
    """
    told = _told(name)
    return told is None or bool(told.get("shared")) or is_of(name, owner)


def is_of(name: str, owner: str | None) -> bool:
    """Whether this visitor brought the model."""
    told = _told(name)
    return told is not None and owner is not None and told.get("owner") == owner


def has_owner(name: str) -> bool:
    """Whether somebody who can be known again brought the model."""
    told = _told(name)
    return told is not None and told.get("owner") is not None


def is_shared(name: str) -> bool:
    """Whether everybody who uses the server may use it."""
    return may_use(name, None)


def owner_text(owner: str | None, *, shared: bool) -> str:
    """What the file says. A model whose owner cannot be known again would be nobody's: it is everybody's."""
    return json.dumps({"owner": owner, "shared": shared or owner is None})


def share(name: str, shared: bool, owner: str | None) -> None:
    """Let everybody use a model, or its owner alone. Raises `CheckpointError` for another's."""
    if not is_of(name, owner):
        raise CheckpointError("Only who brought a model can share it: choose one of yours.")
    text = owner_text(owner, shared=shared)
    target = brought_stem(name, runs=paths.home()).with_name(FILE)
    write_aside(target, lambda aside: aside.write_text(text, encoding="utf-8"))


def _told(name: str) -> dict[str, Any] | None:
    """What `owner.json` says; None where there is none. A damaged one belongs to nobody and is shown to nobody."""
    try:
        found = json.loads(brought_stem(name, runs=paths.home()).with_name(FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
