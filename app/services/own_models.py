"""Who may use a model: one that a visitor brought, a committee of such ones, or the student of a run on such a one.

A model is its owner's alone until they share it (`core.model_owners`), and what was trained with it is theirs too. One
that was imported on the command line belongs to the operator and is for everybody. Whatever takes the name of a model
asks `artifacts.models` or `artifacts.require_known`, and whatever takes a run asks `stores.training_run` or
`runs.some_runs`: these ask here.
"""

import json
from collections.abc import Callable, Iterable

from app.services.stores import open_store
from core import paths
from core.errors import CheckpointError, StoreError
from core.model_owners import FILE, NOBODY, owner_facts, owners_of
from core.runs.store.sharing import share_model

__all__ = ["FILE", "has_owner", "is_of", "is_shared", "may_use", "owner_text", "share", "usable"]


def usable(names: Iterable[str], owner: str | None) -> set[str]:
    """Those of these models that a visitor is shown, as `may_use`. While runs cannot be read, no student is."""
    of_run = private_runs()
    return {name for name in names if owners_of(name, paths.home(), of_run) <= {owner}}


def private_runs() -> Callable[[str], str]:
    """Whose each run is alone by its id, "" for everybody's; `NOBODY` for all while the store cannot be read."""
    try:
        found = open_store().model_use.private_runs()
    except StoreError:
        return lambda _: NOBODY
    return lambda run_id: found.get(run_id, "")


def may_use(name: str, owner: str | None) -> bool:
    """Whether a visitor is shown a model: everybody's, shared ones, and theirs.

    Args:
        name: Of a model, as `artifacts.models` gives it; one that is not there is nobody's secret.
        owner: what `visitors.folder_name` gives of who is at the browser; None: nobody in particular.
    """
    return name in usable([name], owner)


def is_of(name: str, owner: str | None) -> bool:
    """Whether this visitor brought the model."""
    told = owner_facts(name, paths.home())
    return told is not None and owner is not None and told.get("owner") == owner


def has_owner(name: str) -> bool:
    """Whether somebody who can be known again brought the model."""
    told = owner_facts(name, paths.home())
    return told is not None and told.get("owner") is not None


def is_shared(name: str) -> bool:
    """Whether everybody who uses the server may use it."""
    return may_use(name, None)


def owner_text(owner: str | None, *, shared: bool) -> str:
    """What the file says. A model whose owner cannot be known again would be nobody's: it is everybody's."""
    return json.dumps({"owner": owner, "shared": shared or owner is None})


def share(name: str, shared: bool, owner: str | None) -> None:
    """Let everybody use a model and its students, or its owner alone. Raises `CheckpointError` for another's.

    Raises `RunStateError` where it is taken back while a committee, or a run that waits or works, needs it.
    """
    if not is_of(name, owner):
        raise CheckpointError("Only who brought a model can share it: choose one of yours.")
    share_model(open_store(), name, shared=shared)
