"""The run store of this machine, opened once a home."""

from functools import lru_cache
from pathlib import Path

from core import paths
from core.errors import RunNotFoundError
from core.runs.store.records import RunKind, RunRecord
from core.runs.store.run_store import RunStore


def open_store(home: Path | None = None) -> RunStore:
    """The store under `home`, by default `core.paths.home()`. Raises `StoreError`."""
    return _open(home or paths.home())


def training_run(run_id: str, owner: str | None = None) -> RunRecord:
    """A run that a visitor may be shown. Raises `RunNotFoundError` for others too: nobody learns that there is one.

    Args:
        run_id: Of the run.
        owner: Who asks, as for `is_shown`.
    """
    record = open_store().get(run_id)
    if record.kind != RunKind.TRAINING or not is_shown(record, owner):
        raise RunNotFoundError(f"There is no run {run_id}: it may have been deleted.")
    return record


def is_shown(record: RunRecord, owner: str | None) -> bool:
    """Whether a visitor is shown a run: not one on models that are another's alone (`RunRecord.owner`).

    Args:
        record: Of any kind.
        owner: What `visitors.folder_name` gives of who asks; None: nobody in particular.
    """
    return record.private_to in ("", owner)


@lru_cache(maxsize=4)
def _open(home: Path) -> RunStore:
    return RunStore(home=home)
