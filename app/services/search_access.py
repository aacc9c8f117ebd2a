"""Searches as a visitor may see them: the store that knows them, whose each is, and sharing one."""

import threading

from app.services.access import Person
from app.services.stores import is_shown
from core import paths
from core.errors import RunNotFoundError, RunStateError
from core.runs.store.records import RunRecord
from core.runs.store.studies import StudyStore
from core.search.read import Standing


def search_store() -> StudyStore:
    """The run store as searches use it; one for each folder of runs."""
    home = paths.home()
    with _opening:
        if (found := _stores.get(str(home))) is None:
            found = _stores[str(home)] = StudyStore(home=home)
        return found


_stores: dict[str, StudyStore] = {}
_opening = threading.Lock()


def share(name: str, shared: bool, who: Person) -> None:
    """Show a search on a model of one person, with its students, to everybody, or to its owner alone again.

    Raises `RunNotFoundError` for another's, and `RunStateError` for one that is everybody's anyway.
    """
    store, search = search_store(), shown_search(name, who.folder)
    if not search.owner or search.owner != who.folder:
        raise RunStateError("Only whose model a search learns from can share it: ask them.")
    together = [row.id for row in store.trials(name)]
    for run_id in together if not shared else ():
        store.model_use.require_unneeded(run_id)
    store.model_use.share([search.id, *together], shared)


def sharing(found: Standing, owner: str | None) -> bool | None:
    """Whether a search is shared; None for one that this visitor cannot share."""
    return found.search.shared if found.search.owner and found.search.owner == owner else None


def shown_search(name: str, owner: str | None) -> RunRecord:
    """A search that a visitor may be shown. Raises `RunNotFoundError`, for another's too."""
    search = search_store().study(name)
    if not is_shown(search, owner):
        raise RunNotFoundError(f"There is no search {name}: it may have been deleted.")
    return search
