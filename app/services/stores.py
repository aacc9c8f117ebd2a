"""The run store of this machine, opened once a home."""

from functools import lru_cache
from pathlib import Path

from core import paths
from core.runs.store.run_store import RunStore


def open_store() -> RunStore:
    """The store under `core.paths.home()`. Raises `StoreError`."""
    return _open(paths.home())


@lru_cache(maxsize=4)
def _open(home: Path) -> RunStore:
    return RunStore(home=home)
