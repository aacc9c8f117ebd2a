"""The process that leads a search: it queues trials, follows them, stops those not worth going on with, and confirms.

It may be killed at any moment. What it knows lies in the run store: which trials there are, what was noted of them, and
which of its attempts may go on. The next attempt reads that, makes the search engine agree with it, and goes on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config import RunConfig
from core.errors import CheckpointError, ConfigError, RunError, RunNotFoundError, RunStateError
from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.runs import trial_shares
from core.runs.recorder import read_metrics
from core.runs.store.records import LAST_CHECKPOINT, RunRecord, RunState, StudyPart
from core.runs.store.run_files import atomic_write
from core.runs.store.studies import CONTROL, TRIAL, WINNER, StudyStore, TrialRow
from core.runs.worker.processes import count_slots
from core.search import figures as student_figures
from core.search.engine import Engine
from core.search.figures import FIGURES_FILE, Figures, Measure
from core.search.halving import Halving
from core.search.outcome import Trial, best, constraints_of, read_trials
from core.search.space import TRAINED, Axis, Params, settings, size_name
from core.search.study_plan import SearchPlan

_ACTIVE = (RunState.QUEUED, RunState.RUNNING)
_FAILURES = 5
"""So many trials that fail one after another end a search, where none was ever done or all fail for one reason."""
_FRESH_SEEDS = 1000


class Head:
    """One attempt at leading a search.

    Args:
        store: The run store.
        search: The search's own run, which this process holds.
        emit: Takes how far the search is.
        cancelled: Whether this process must stop.
        measure: Measures students before they are trained.
        pause: Seconds between two looks at the trials.
        now: Gives Unix seconds.
    """

    def __init__(
        self,
        store: StudyStore,
        search: RunRecord,
        *,
        emit: OnProgress,
        cancelled: Cancelled,
        measure: Measure = student_figures.measure_sizes,
        pause: float = 0.5,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._search = store, search
        self._emit, self._cancelled, self._measure = emit, cancelled, measure
        self._pause, self._sleep, self._now = pause, sleep, now
        self.plan = SearchPlan.from_json(search.job["plan"])
        self._halving = Halving(self.plan)
        self._open: dict[int, str] = {}
        self._ended = 0
        self._failed_in_a_row: list[str] = []
        self._any_done = False
        self._stopping: set[str] = set()
        self._sizes: dict[str, Figures] = {}
        self._starts: dict[str, str] = {}
        self._unfinished: list[int] = []

    def run(self) -> dict[str, Any]:
        """Carry the search out; gives its summary. Raises `CancelledError`, `ConfigError` and `RunError`."""
        try:
            folder = self._store.folder(self._search.id)
            # What it goes on from is the store; this only says that it may.
            (folder / LAST_CHECKPOINT).mkdir(exist_ok=True)
            figures = self._figures(folder)
            if not student_figures.allowed(figures, self.plan.limits):
                raise ConfigError(student_figures.none_fits(figures, self.plan.limits))
            self._starts, self._sizes = starts_for(self.plan), figures
            space = self._space(figures)
            self._engine = Engine(self._store.search_url, self._search.id, self.plan, space, self._starts)
            with closing(self._engine):
                self._reconcile()
                self._lead()
            trial_shares.discard_answers(folder)
            return self._confirm()
        except RunStateError:
            if self._cancelled():
                raise CancelledError from None
            raise
        finally:
            if self._asked_to_stop():
                self._store.stop_trials(self._search.name)

    def _asked_to_stop(self) -> bool:
        try:
            held = self._store.get(self._search.id)
        except RunError:
            return False
        return held.cancel_requested and held.attempt == self._search.attempt

    def _figures(self, folder: Path) -> dict[str, Figures]:
        """Of every size, measured once and kept in the search's folder."""
        file = folder / FIGURES_FILE
        known = student_figures.from_json(file.read_text(encoding="utf-8")) if file.is_file() else {}
        found = self._measure(self.plan, emit=self._emit, cancelled=self._cancelled, known=known)
        if found != known:
            atomic_write(file, student_figures.to_json(found).encode())
        return found

    def _space(self, figures: Mapping[str, Figures]) -> list[Axis]:
        """The axes without the students that are over a limit."""
        left = student_figures.allowed(figures, self.plan.limits)
        return [replace(axis, choices=tuple(left)) if axis.name == "size" else axis for axis in self.plan.space]

    def _reconcile(self) -> None:
        """Make the engine agree with the store, and take up the trials that are under way."""
        runs = self._store.trials(self._search.name)
        rows = [row for row in runs if row.role == TRIAL]
        by_number = {row.number: row for row in rows}
        for number in range(self._engine.count(), max(by_number, default=-1) + 1):
            row = by_number.get(number)
            told = row.facts.get("told") if row else "failed"
            params = row.facts.get("params", {}) if row else {}
            facts = self._told(row) if row and told else {}
            self._engine.restore(params, told, curve=row.facts.get("curve") if row else None, **facts)
        self._stopping = {row.id for row in runs if row.cancel_requested and "pruned" not in row.facts}
        for row in rows:
            if "told" not in row.facts:
                self._open[row.number] = row.id
            elif self._for_a_front:
                self._note_for_halving(row, row.facts.get("curve", ()))
        self._ended = len(rows) - len(self._open)
        self._any_done = any(row.facts.get("told") == "done" for row in rows)
        for number in self._engine.open_trials():
            row = by_number.get(number)
            if row is not None and "told" in row.facts:
                self._engine.end_trial(number, row.facts["told"], **self._told(row))

    def _lead(self) -> None:
        """Queue and follow trials until the search has had what it may cost."""
        self._unfinished = [number for number in self._engine.open_trials() if number not in self._open]
        while True:
            for number in list(self._open):
                self._update(number)
            if self._too_late():
                self._stop_open("time")
            wanted = self._wanted()
            self._emit(Progress(self._ended, wanted or self._ended + len(self._open) + 1, self._doing()))
            if not self._open and (self._too_late() or self._queued() >= (wanted or float("inf"))):
                return
            while len(self._open) < self._at_once() and not self._too_late():
                if wanted is not None and self._queued() >= wanted:
                    break
                self._add(self._unfinished.pop(0) if self._unfinished else None)
            self._wait()

    def _wait(self) -> None:
        if self._cancelled():
            raise CancelledError
        self._sleep(self._pause)

    def _doing(self) -> str:
        return f"{self._ended} trials ended, {len(self._open)} under way"

    def _queued(self) -> int:
        return self._ended + len(self._open)

    def _wanted(self) -> int | None:
        """How many trials there may be; None for as many as the time allows."""
        if (left := self._engine.cells_left(self._unfinished)) is None:
            return self.plan.trials
        return min(self._queued() + left, self.plan.trials or self._queued() + left)

    def _too_late(self) -> bool:
        begun, now = self._search.started_at or self._search.created_at, self._now()
        over = self.plan.seconds is not None and now >= begun + self.plan.seconds
        return over or (self.plan.until is not None and now >= self.plan.until)

    def _at_once(self) -> int:
        """As many trials as there are places to train; where no worker is alive, one waits for it."""
        places = sum(count_slots(worker.device) for worker in self._store.workers())
        return max(1, min(places, self.plan.at_once or places))

    def _add(self, unfinished: int | None) -> None:
        """Draw settings and queue their run. `unfinished` is a trial that got none before a process was killed."""
        number, params = self._engine.ask(unfinished)
        config = replace(self._config(params, f", trial {number}"), trial_of=self._search.id)
        part = StudyPart(self._search.name, TRIAL, number, {"params": params})
        self._open[number] = self._store.add_trial(self._search, config, part).id

    def _config(self, params: Params, ending: str) -> RunConfig:
        return settings(self.plan.config, params, name=self._named(ending), starts=self._starts)

    def _named(self, ending: str) -> str:
        """The name of a run of this search; what is cut from a long one is never the number."""
        return f"{self._search.name[: 80 - len(ending)]}{ending}"

    def _update(self, number: int) -> None:
        """Pass on what one trial has reached, prune it, or note its end."""
        row = self._store.trial(self._open[number])
        if row is None:
            # Somebody deleted it.
            self._close(number, "failed", {})
            return
        curve = self._curve(row.id)
        for epoch, miou in curve:
            self._engine.report(number, epoch, miou)
        if self._for_a_front:
            self._note_for_halving(row, curve)
        if row.state in _ACTIVE:
            if "pruned" not in row.facts and curve and self._lags(number):
                facts = {"pruned": "scores", "curve": curve}
                self._store.note_trial(self._search, row.id, facts, cancel=True)
            return
        if row.state == RunState.CANCELLED and self._was_stopped(row):
            self._stopping.discard(row.id)
            self._store.retry_trial(self._search, row.id, {})
            return
        if row.state == RunState.FAILED and not row.facts.get("retried") and not curve:
            # A process that died before its first score may have been killed; an error comes again.
            self._store.retry_trial(self._search, row.id, {"retried": True})
            return
        self._end(number, row, curve)

    @property
    def _for_a_front(self) -> bool:
        return self.plan.prunes and len(self.plan.goals) > 1

    def _lags(self, number: int) -> bool:
        """Whether a trial is not worth going on with."""
        return self._halving.lags(number) if self._for_a_front else self._engine.should_prune(number)

    def _note_for_halving(self, row: TrialRow, curve: Sequence[tuple[int, float]]) -> None:
        trial = Trial.of(row, self.plan, self._sizes)
        costs = [trial.value(goal) for goal in self.plan.goals if goal != "miou"]
        self._halving.note(row.number, costs, [(int(epoch), float(miou)) for epoch, miou in curve])

    def _was_stopped(self, row: TrialRow) -> bool:
        """Whether a run was cancelled with the whole search, before it was continued, and not for its scores."""
        begun = self._search.started_at or self._search.created_at
        return "pruned" not in row.facts and (row.id in self._stopping or (row.finished_at or 0.0) <= begun)

    def _end(self, number: int, row: TrialRow, curve: list[tuple[int, float]]) -> None:
        told = {RunState.DONE: "done", RunState.CANCELLED: "pruned"}.get(row.state, "failed")
        miou = row.summary.get("best_miou5")
        if told == "done" and (miou is None or miou != miou):
            told = "failed"
        facts: dict[str, Any] = {"told": told, "curve": curve}
        if told == "done":
            facts |= {
                "miou": miou,
                "teacher": row.summary.get("teacher_miou5"),
                "seconds": row.summary.get("train_seconds"),
            }
        self._store.note_trial(self._search, row.id, facts)
        self._close(number, told, self._told(replace(row, facts={**row.facts, **facts})))
        self._watch_failures(told, row.error)

    def _close(self, number: int, told: str, values: Mapping[str, Any]) -> None:
        known = {"values": None, "constraints": {}, **values}
        self._engine.end_trial(number, told, values=known["values"], constraints=known["constraints"])
        self._open.pop(number, None)
        self._ended += 1

    def _told(self, row: TrialRow) -> dict[str, Any]:
        """What the engine is told of a trial that ended: the value of each goal, and how far it is from the limits."""
        trial = Trial.of(row, self.plan, self._sizes)
        values = [trial.value(goal) for goal in self.plan.goals]
        whole = all(value is not None for value in values)
        return {"values": values if whole else None, "constraints": constraints_of(trial, self.plan)}

    def _watch_failures(self, told: str, error: str | None) -> None:
        """Raises `RunError` when one trial after another fails: none was ever done, or all have one reason.

        The second is what becomes of a search whose teacher or data were removed meanwhile.
        """
        self._any_done = self._any_done or told == "done"
        self._failed_in_a_row = [*self._failed_in_a_row, error or ""] if told == "failed" else []
        latest = self._failed_in_a_row[-_FAILURES:]
        if len(latest) < _FAILURES:
            return
        if not self._any_done or (latest[-1] and len(set(latest)) == 1):
            which = "last" if self._any_done else "first"
            reason = latest[-1] or "its scores were not numbers."
            raise RunError(
                f"The {which} {_FAILURES} trials failed, the last one so: {reason} Mend that, then continue."
            )

    def _curve(self, run_id: str) -> list[tuple[int, float]]:
        """Validation scores by epoch, from the run's own file."""
        try:
            rows = read_metrics(self._store.folder(run_id) / "metrics.csv")
        except (OSError, RunNotFoundError):
            return []
        return [(int(row["epoch"]), float(row["miou5"])) for row in rows if row.get("miou5")]

    def _stop_open(self, why: str) -> None:
        """Ask the trials that are under way to stop; they count with what they have reached."""
        for run_id in self._open.values():
            row = self._store.trial(run_id)
            if row is not None and row.state in _ACTIVE and "pruned" not in row.facts:
                facts = {"pruned": why, "curve": self._curve(run_id)}
                self._store.note_trial(self._search, run_id, facts, cancel=True)

    def _confirm(self) -> dict[str, Any]:
        """Train the winner again with fresh seeds, each with a control of equal cost, and wait for them."""
        rows = self._store.trials(self._search.name)
        trials = read_trials(rows, self.plan, self._sizes)
        counts: dict[str, Any] = {"trials": len(trials), "pruned": sum(t.told == "pruned" for t in trials)}
        winner = best(trials, self.plan)
        if winner is None:
            if self.plan.limits.keep is not None and any(trial.told == "done" for trial in trials):
                return {**counts, "winner": None}
            raise RunError("No trial was finished: give the search more time or fewer epochs, then continue.")
        for at in range(self.plan.confirm):
            self._add_pair(winner, at)
        while waiting := self._unconfirmed(winner.number):
            self._emit(Progress(len(trials), len(trials) + waiting, f"{waiting} runs to confirm the winner"))
            self._wait()
        return {**counts, "winner": winner.number}

    def _add_pair(self, winner: Trial, at: int) -> None:
        number = confirming(winner.number, at)
        ending = f", winner {winner.number}, seed {at + 1}"
        config = self._config(winner.params, ending)
        config = replace(config, train=replace(config.train, seed=_FRESH_SEEDS + self.plan.seed * 10 + at))
        facts = {"of": winner.number}
        run = self._store.add_trial(self._search, config, StudyPart(self._search.name, WINNER, number, facts))
        if config.distill is None:
            return
        control = config.as_control(run.id, name=self._named(f"{ending}, control"))
        self._store.add_trial(self._search, control, StudyPart(self._search.name, CONTROL, number, facts))

    def _unconfirmed(self, winner: int) -> int:
        """How many of the runs that confirm a winner go on; what was stopped with the search goes on first."""
        waiting = 0
        for row in self._store.trials(self._search.name):
            if row.role == TRIAL or row.facts.get("of") != winner:
                continue
            if row.state == RunState.CANCELLED and self._was_stopped(row):
                self._store.retry_trial(self._search, row.id, {})
                waiting += 1
            waiting += row.state in _ACTIVE
        return waiting


def confirming(winner: int, at: int) -> int:
    """The number of the run that trains a winner with its fresh seed number `at`, from 0."""
    return 10 * winner + at


def starts_for(plan: SearchPlan) -> dict[str, str]:
    """The shipped model of each size that has one, where the axis `start` offers trained weights."""
    axis = plan.axis("start")
    if axis is None or TRAINED not in axis.choices:
        return {}
    from core.cards import available, load_card

    found: dict[str, str] = {}
    for name, stem in available().items():
        try:
            card = load_card(stem)
            size = size_name(card.model)
        except CheckpointError:
            continue
        if size in plan.sizes and not card.starting_point:
            found.setdefault(size, name)
    return found
