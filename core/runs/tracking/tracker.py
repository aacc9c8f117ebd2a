"""What a tracker is: the calls that `dispatch.py` makes, and that each class of `trackers.py` answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from core.runs.store.records import RunRecord, RunState

Numbers = tuple[dict[str, float], int, float]
"""Values by name, the step they belong to, and when they were measured (Unix seconds)."""


class Tracker(Protocol):
    """Where numbers are sent. One thread makes all calls, in this order; each may raise `RunError`."""

    name: str

    def open(self, record: RunRecord, *, resumed: bool) -> None:
        """Begin, or continue what an earlier attempt began; a value that it has for a step is not added again."""

    def log(self, numbers: list[Numbers]) -> None:
        """Some measurements, oldest first."""

    def close(self, state: RunState, summary: Mapping[str, Any], card: Path) -> None:
        """The attempt is over: `queued` means that a later one goes on. `card` is there when the run is done."""
