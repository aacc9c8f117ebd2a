"""Which running runs have sent no heartbeat for longer than their lease.

Clocks of two machines differ, and a clock can be set back or forward; neither may cost a run. So no time in a row is
compared: the monitor notes, on its own monotonic clock, when it last saw a run's count of heartbeats change.
"""

import platform
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from core.runs.store.records import QUICK_KINDS, RunRecord, WorkerRecord
from core.runs.store.registry import process_exists

INLINE = "inline"
"""The end of the holder's name of a run that was started in a terminal, without a worker."""
WINDOW_SECONDS = 120.0
"""The lease of a run whose worker is alive, in seconds: it may be reading data, or exporting a model."""
ORPHAN_SECONDS = 30.0
"""The lease of a run whose worker is gone, in seconds: it saves, and releases itself."""
_START_FACTOR = 4.0
"""Until its first step a run imports libraries, reads data and asks the teacher, at the lowest priority: on a busy
machine minutes pass between two heartbeats. Its worker sees when its process ends."""
_WORKER_SECONDS = 20.0
_QUICK_FACTOR = 10.0
"""A step of a quick run, polygons of a large picture say, may take minutes without a heartbeat. Its worker sees when
its process ends."""

_Key = TypeVar("_Key")


class HeartbeatMonitor:
    """What one observer has seen of heartbeats. `now` gives monotonic seconds; `host` is the name of this machine."""

    def __init__(
        self,
        *,
        window: float = WINDOW_SECONDS,
        orphaned: float = ORPHAN_SECONDS,
        now: Callable[[], float] = time.monotonic,
        host: str = platform.node() or "localhost",
    ) -> None:
        self.window, self.orphaned = window, min(orphaned, window)
        self._now, self._host = now, host
        self._runs: dict[str, tuple[tuple[int, int], float]] = {}
        self._workers: dict[str, tuple[float, float]] = {}

    def expired(self, running: Iterable[RunRecord], workers: Iterable[WorkerRecord]) -> list[RunRecord]:
        """The running runs that have lost their process, or that hang."""
        runs = {run.id: run for run in running}
        held = self._unchanged(self._workers, {worker.id: worker.heartbeat_at for worker in workers})
        alive = {name for name, seconds in held.items() if seconds <= _WORKER_SECONDS}
        still = self._unchanged(self._runs, {run.id: (run.attempt, run.heartbeats) for run in runs.values()})
        return [runs[name] for name, seconds in still.items() if seconds > self._lease(runs[name], alive)]

    def _lease(self, run: RunRecord, alive: set[str]) -> float:
        host, _, rest = run.worker.rpartition(f"-{INLINE}")[0].rpartition("-")
        if rest.isdecimal():
            here = host == self._host
            return self.orphaned if here and not process_exists(int(rest)) else self.window
        if run.worker not in alive:
            return self.orphaned
        if run.kind in QUICK_KINDS:
            return self.window * _QUICK_FACTOR
        return self.window * (1.0 if run.progress else _START_FACTOR)

    def _unchanged(self, memory: dict[str, tuple[_Key, float]], seen: dict[str, _Key]) -> dict[str, float]:
        """For how many seconds each value has stayed the same; what is missing now is forgotten."""
        now = self._now()
        for name in memory.keys() - seen.keys():
            del memory[name]
        for name, value in seen.items():
            if name not in memory or memory[name][0] != value:
                memory[name] = (value, now)
        return {name: now - since for name, (_, since) in memory.items()}
