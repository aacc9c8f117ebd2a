"""Takes the worker's part in a test: collects the events of a run, and says when to stop."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.events import Event
from core.train.loop import Outcome, Task, fit


@dataclass
class EventCollector:
    """Runs a task, collects its events, and cancels from call number `stop_at` of `cancelled` on."""

    stop_at: int | None = None
    events: list[Event] = field(default_factory=list)
    asked: int = 0

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def cancelled(self) -> bool:
        self.asked += 1
        return self.stop_at is not None and self.asked > self.stop_at

    def run(self, task: Task, folder: Path, **settings: bool) -> Outcome:
        return fit(task, emit=self.emit, cancelled=self.cancelled, folder=folder, **settings)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]
