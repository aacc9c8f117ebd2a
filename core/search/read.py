"""A search as it stands, read from the run store: for the command line, the page and its report alike. No torch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.runs.store.records import RunRecord
from core.runs.store.studies import StudyStore, TrialRow
from core.search import figures as student_figures
from core.search.figures import FIGURES_FILE, Figures
from core.search.outcome import Confirmation, Trial, best, confirmations, front, importances, read_trials
from core.search.study_plan import LIMITED, SearchPlan

_SHOWN = 20


@dataclass(frozen=True)
class Standing:
    """All that is known of a search at one moment. What is worked out of all its trials is worked out once."""

    search: RunRecord
    plan: SearchPlan
    figures: dict[str, Figures]
    trials: list[Trial]
    confirmed: list[Confirmation]

    @cached_property
    def best(self) -> Trial | None:
        """The best trial so far that meets all limits."""
        return best(self.trials, self.plan)

    @cached_property
    def front(self) -> list[Trial]:
        """The trials that no other beats on both accuracy and `cost`, cheapest first."""
        return front(self.trials, self.cost)

    @cached_property
    def pruned(self) -> int:
        """How many trials were stopped early."""
        return sum(trial.told == "pruned" for trial in self.trials)

    @property
    def cost(self) -> str:
        """The cost that accuracy is drawn against: the first that is a goal or limited, else parameters."""
        return next(iter(self.plan.needed), "parameters")

    @property
    def never_trained(self) -> dict[str, str]:
        """The students over a limit, each with which."""
        found = {size: one.over(self.plan.limits) for size, one in self.figures.items()}
        return {size: ", ".join(over) for size, over in found.items() if over}


def standing(store: StudyStore, name: str, rows: list[TrialRow] | None = None) -> Standing:
    """The search of this name; `rows` are its runs where they are known. Raises `RunNotFoundError`, `ConfigError`."""
    search = store.study(name)
    plan = SearchPlan.from_json(search.job.get("plan"))
    file = store.folder(search.id) / FIGURES_FILE
    figures = student_figures.from_json(file.read_text(encoding="utf-8")) if file.is_file() else {}
    rows = store.trials(name) if rows is None else rows
    return Standing(search, plan, figures, read_trials(rows, plan, figures), confirmations(rows))


def report(store: StudyStore, name: str) -> dict[str, Any]:
    """The same as JSON values. Raises as `standing`."""
    found = standing(store, name)
    again = [
        {
            "winner": one.winner,
            "part": one.part,
            "scores": [score for score, _ in one.pairs],
            "controls": [control for _, control in one.pairs],
        }
        for one in found.confirmed
    ]
    return {
        "name": name,
        "state": str(found.search.state),
        "asked_to_stop": found.search.cancel_requested and not found.search.state.final,
        "error": found.search.error,
        "trials": len(found.trials),
        "pruned": found.pruned,
        "never_trained": found.never_trained,
        "cost": found.cost,
        "best": [_facts(found.best, found.cost)] if found.best else [],
        "front": [_facts(trial, found.cost) for trial in found.front[:_SHOWN]],
        "importance": importances(found.trials),
        "confirmed": again,
    }


def _facts(trial: Trial, cost: str) -> dict[str, Any]:
    costs = {} if trial.figures is None else {name: getattr(trial.figures, name) for name in LIMITED.values()}
    facts = {"number": trial.number, "run": trial.run_id, "miou": trial.miou, "kept": trial.kept}
    words = student_figures.in_words(cost, trial.value(cost))
    return {**facts, **costs, "costs": words, "settings": dict(trial.params)}
