"""A search without training: a worker that claims its runs and lets them reach scores that their settings decide."""

import csv
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.events import Progress
from core.runs.store.records import MACHINE, JobRequest, RunKind, RunRecord, RunState
from core.runs.store.studies import StudyStore
from core.search.figures import Figures
from core.search.head import Head
from core.search.space import Axis
from core.search.study_plan import SearchPlan

TEACHER = 0.8
SPACE = (
    Axis("size", ("compact 2", "compact 4", "compact 8")),
    Axis("temperature", low=1.0, high=8.0, log=True),
    Axis("alpha", low=0.0, high=1.0),
)


def make_plan(**changes: Any) -> SearchPlan:
    config = RunConfig(
        kind="distill",
        data=DataConfig(crop=32),
        model=ModelConfig("compact", {"base": 2}),
        train=TrainConfig(epochs=9, device="cpu"),
        distill=DistillConfig(losses={"soft_targets": 1.0}),
    )
    return replace(SearchPlan(config, SPACE, trials=6, confirm=0), **changes).validate()


def fake_measure(plan: SearchPlan, **_: Any) -> dict[str, Figures]:
    """The larger, the slower: compact N takes 4 N ms."""
    bases = {size: int(size.split()[-1]) for size in plan.sizes}
    return {
        size: Figures(30_000 * base, 10**7 * base, 0.1 * base, 4.0 * base, 0.01, 20, 100.0 + base)
        for size, base in bases.items()
    }


def score(config: RunConfig, epoch: int, epochs: int) -> float:
    """Better with width, best at temperature 3 and alpha 0.4, and better with each epoch."""
    value = 0.4 + 0.03 * config.model.arguments["base"]
    if config.distill is not None:
        value += 0.1 - 0.01 * abs(config.distill.temperature - 3) - 0.1 * abs(config.distill.alpha - 0.4)
    return round(value * (0.5 + 0.5 * epoch / epochs) + 0.001 * (config.train.seed % 7), 6)


@dataclass
class Trainers:
    """Workers with so many places: each call of `turn` is an epoch of every run that has one."""

    store: StudyStore
    places: int = 2
    score: Callable[[RunConfig, int, int], float] = score
    fails: Callable[[RunRecord], str | None] = lambda _: None
    held: dict[str, tuple[RunRecord, int]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def turn(self) -> None:
        for run_id, (record, epoch) in list(self.held.items()):
            now = self.store.heartbeat(run_id, "t", epoch / 9, attempt=record.attempt)
            if now is None:
                del self.held[run_id]
            elif now.cancel_requested:
                self.store.release(run_id, "t", attempt=record.attempt)
                del self.held[run_id]
            elif problem := self.fails(record):
                self.store.fail(run_id, "t", problem, attempt=record.attempt)
                del self.held[run_id]
            else:
                self._epoch(record, epoch + 1)
        while len(self.held) < self.places:
            taken = self.store.claim("t", ["cpu"] * (self.places - len(self.held)))
            if taken is None:
                return
            self.ran.append(taken.id)
            self.held[taken.id] = (taken, self._reached(taken))

    def die(self) -> int:
        """What kill -9 of the workers leaves: their runs are taken back, and others claim them; gives how many."""
        lost = [record for record, _ in self.held.values()]
        self.held.clear()
        for record in lost:
            current = self.store.get(record.id)
            if (current.state, current.attempt) == (RunState.RUNNING, record.attempt):
                self.store.reclaim(current, "Its worker was killed.")
        return len(lost)

    def _reached(self, record: RunRecord) -> int:
        file = self.store.folder(record.id) / "metrics.csv"
        return len(file.read_text().splitlines()) - 1 if file.is_file() else 0

    def _epoch(self, record: RunRecord, epoch: int) -> None:
        epochs = record.config.train.epochs
        file = self.store.folder(record.id) / "metrics.csv"
        rows = [[at, self.score(record.config, at, epochs)] for at in range(1, epoch + 1)]
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([["epoch", "miou5"], *rows])
        self.held[record.id] = (record, epoch)
        if epoch < epochs:
            return
        summary = {"best_miou5": max(row[1] for row in rows), "train_seconds": 10.0, "test_miou5": rows[-1][1] - 0.01}
        summary["teacher_miou5"] = TEACHER if record.config.distill else None
        self.store.finish(record.id, "t", summary, attempt=record.attempt)
        del self.held[record.id]


def begin(store: StudyStore, plan: SearchPlan, name: str = "s") -> RunRecord:
    """Queue a search and hold it."""
    store.add_study(JobRequest(RunKind.SEARCH, {"plan": json.loads(json.dumps(plan.to_json()))}, name))
    return hold(store)


def hold(store: StudyStore) -> RunRecord:
    held = store.claim("h", [MACHINE], RunKind.SEARCH)
    assert held is not None
    return held


def head(store: StudyStore, search: RunRecord, turn: Callable[[], None], **more: Any) -> Head:
    """A head between whose looks `turn` is called."""
    options: dict[str, Any] = {"emit": ignore, "cancelled": lambda: False, "measure": fake_measure, "pause": 0.0}
    return Head(store, search, sleep=lambda _: turn(), **{**options, **more})


def ignore(_: Progress) -> None:
    """Nobody watches."""


def finish(store: StudyStore, search: RunRecord, summary: dict[str, Any]) -> None:
    store.finish(search.id, "h", summary, attempt=search.attempt)


def carry_out(store: StudyStore, plan: SearchPlan, name: str = "s", **trainers: Any) -> tuple[dict[str, Any], Trainers]:
    """A whole search; gives its summary and what trained its runs."""
    search, workers = begin(store, plan, name), Trainers(store, **trainers)
    summary = head(store, search, workers.turn).run()
    finish(store, search, summary)
    return summary, workers


def lead(home: str, gap: int) -> None:
    """A process that leads the search of `home`, and is killed before the commit of number `gap`, from 1."""
    left = [gap]

    def count(_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store = StudyStore(home=Path(home))
    search = hold(store)
    event.listen(Engine, "commit", count)
    finish(store, search, head(store, search, lambda: time.sleep(0.002)).run())


def states(store: StudyStore, name: str = "s") -> dict[tuple[str, int], RunState]:
    return {(row.role, row.number): row.state for row in store.trials(name)}
