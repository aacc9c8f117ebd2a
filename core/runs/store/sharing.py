"""A brought model shared, or taken back, and with it what was trained with it while it was private."""

import json
from typing import TYPE_CHECKING

from core.cards import brought_stem
from core.errors import CheckpointError
from core.files import write_aside
from core.model_owners import FILE, known_name, models_used, owner_facts
from core.runs.store.records import RunKind, RunRecord

if TYPE_CHECKING:
    from core.runs.store.run_store import RunStore


def share_model(store: "RunStore", name: str, *, shared: bool) -> None:
    """Let everybody use a model that a visitor brought and its students, or its owner alone again.

    Raises:
        CheckpointError: Nobody who can be known again brought the model.
        RunStateError: It is taken back while a committee or a run that waits or works needs it.
    """
    told = owner_facts(name, store.home)
    if not told or not told.get("owner"):
        raise CheckpointError(f"{name[:80]} is everybody's: only what a visitor brought can be shared or taken back.")
    if not shared:
        store.model_use.require_unneeded(name)
    text = json.dumps(told | {"shared": shared})
    target = brought_stem(name, runs=store.home).with_name(FILE)
    write_aside(target, lambda aside: aside.write_text(text, encoding="utf-8"))
    store.model_use.share(runs_with(store, name, owner=str(told["owner"])), shared)


def runs_with(store: "RunStore", name: str, *, owner: str) -> list[str]:
    """The runs of this owner that used a model, those that used their students, and the controls of all of them."""
    own = [run for run in store.list(kinds=tuple(RunKind)) if run.owner == owner]
    found, names, studies = list[str](), {name}, set[str]()
    while more := [run for run in own if run.id not in found and _belongs(run, names, studies, store)]:
        found += [run.id for run in more]
        names |= {run.id for run in more}
        studies |= {run.name for run in more if run.kind == RunKind.SEARCH}
    return found


def _belongs(run: RunRecord, names: set[str], studies: set[str], store: "RunStore") -> bool:
    used = {known_name(one, store.home) for one in models_used(run.config, run.job)}
    return bool(used & names) or run.config.control_of in names or (run.part is not None and run.part.study in studies)
