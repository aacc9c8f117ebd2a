"""Deletes old runs, by age and by the disk that all runs take; never a pinned one, nor one that another needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core import paths
from core.errors import ConfigError, RunError
from core.model_owners import all_members
from core.runs.store.records import RunKind, RunRecord, RunState
from core.runs.store.run_files import folder_bytes

if TYPE_CHECKING:
    from core.runs.store.run_store import RunStore

_DAY = 86_400.0
_HOUR_OF_NIGHT = 3


@dataclass(frozen=True)
class KeepLimits:
    """How much is kept. `days` since a run ended, `gigabytes` of all finished runs together; None: no limit."""

    days: float | None = None
    gigabytes: float | None = None

    @classmethod
    def from_environment(cls) -> "KeepLimits":
        """`TERRASTILL_KEEP_DAYS` and `TERRASTILL_KEEP_GB`; without them nothing is pruned. Raises `ConfigError`."""
        typed = paths.keep()
        return cls(*(_number(name, typed.get(name)) for name in ("TERRASTILL_KEEP_DAYS", "TERRASTILL_KEEP_GB")))

    def __bool__(self) -> bool:
        return self.days is not None or self.gigabytes is not None


def candidates(store: "RunStore", limits: KeepLimits, *, now: Callable[[], float] = time.time) -> list[RunRecord]:
    """The runs that are over the limits, the longest ended first. Predictions go with their visitor's pictures."""
    known = store.list(kinds=(RunKind.TRAINING, RunKind.BENCHMARK))
    searches = store.list([RunState.QUEUED, RunState.RUNNING], kinds=(RunKind.SEARCH,))
    needed = _needed(known, {search.name for search in searches}) | all_members(store.home)
    ended = [run for run in known if run.state.final and not run.pinned and run.id not in needed]
    ended.sort(key=lambda run: run.finished_at or run.created_at)
    over = []
    if limits.days is not None:
        oldest = now() - limits.days * _DAY
        over = [run for run in ended if (run.finished_at or run.created_at) < oldest]
    if limits.gigabytes is not None:
        sizes = {run.id: folder_bytes(store.folder(run.id)) for run in known if run.state.final}
        room = limits.gigabytes * 1e9 - sum(size for name, size in sizes.items() if name not in {r.id for r in over})
        for run in ended[len(over) :]:
            if room >= 0:
                break
            over.append(run)
            room += sizes[run.id]
    return over


def prune(store: "RunStore", limits: KeepLimits, *, now: Callable[[], float] = time.time) -> list[RunRecord]:
    """Delete what is over the limits; gives what was deleted. A run that was pinned or retried meanwhile stays."""
    gone = []
    for run in candidates(store, limits, now=now):
        try:
            store.delete(run.id, to_prune=True)
        except RunError:
            continue
        gone.append(run)
    return gone


class Nightly:
    """Whether it is time to prune: once a night, and once at the start. `now` gives Unix seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._night: str | None = None

    def due(self) -> bool:
        night = time.strftime("%Y-%m-%d", time.localtime(self._now() - 3600 * _HOUR_OF_NIGHT))
        due, self._night = night != self._night, night
        return due


def _needed(known: list[RunRecord], searches: set[str]) -> set[str]:
    """The runs that another one, waiting or running, is taught by, starts from or controls for, or that belong to one
    of these searches, which are under way."""
    needed = {run.id for run in known if run.part is not None and run.part.study in searches}
    for run in known:
        if run.state not in (RunState.QUEUED, RunState.RUNNING):
            continue
        needed |= {run.config.control_of or "", run.config.train.start_from or ""}
        if run.config.distill is not None:
            needed.add(run.config.distill.teacher)
    return needed


def _number(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise ConfigError(f"{name} must be a number of 0 or more, not {text}.")
    return value
