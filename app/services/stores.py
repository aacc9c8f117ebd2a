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


def training_run(run_id: str) -> RunRecord:
    """A run that everybody may be shown. Raises `RunNotFoundError` for others too: nobody learns that there is one."""
    record = open_store().get(run_id)
    if record.kind != RunKind.TRAINING:
        raise RunNotFoundError(f"There is no run {run_id}: it may have been deleted.")
    return record


@lru_cache(maxsize=4)
def _open(home: Path) -> RunStore:
    return RunStore(home=home)
