"""The report of a search as one HTML file."""

from typing import Any

from app.services import searches
from app.services.plots import Series
from app.services.report import Plot, Section, Table, Text, render, settings_table
from app.services.searches import Confirmation, Standing, Trial, in_words, title_of
from core.search.study_plan import GOALS

_SHOWN = 50
_CURVES = 40


def of_search(found: Standing) -> str:
    """Limits, front, curves, what decided, the best trials, and what the winner is worth."""
    cost = found.cost
    sections = [
        Section("Result", [Text(_result(found)), *(_confirmed(found, one) for one in found.confirmed)]),
        Section(f"Accuracy against {GOALS[cost].title.lower()}", [_front(found, cost)]),
        Section("Trials", [_curves(found), Table(searches.table(found, searches.leading(found, _SHOWN)))]),
        Section("What decided", [_importance(found)]),
        Section("Students", [_students(found)]),
        Section("Settings", [settings_table({"goals": found.plan.goals, **_limits(found), **_space(found)})]),
    ]
    return render(f"Search {found.search.name}", sections, subtitle=str(found.search.state))


def _result(found: Standing) -> str:
    words = f"{len(found.trials)} trials, {found.pruned} of them stopped early."
    best = found.best
    if best is None:
        return f"{words} None of them meets the limits."
    return f"{words} The best within the limits is trial {best.number}, {best.size}: {in_words('miou', best.miou)}."


def _confirmed(found: Standing, one: Confirmation) -> Table:
    rows = [
        {"Seed": at + 1, "Student (%)": _percent(a), "Control (%)": _percent(b)} for at, (a, b) in enumerate(one.pairs)
    ]
    caption = f"Trial {one.winner}, the best of {len(found.trials)}, trained again: mIoU on the {one.part} pictures."
    return Table(rows, f"{caption} The best of many is lucky; these scores are what it is worth.")


def _percent(score: float | None) -> float | None:
    return None if score is None else 100 * score


def _front(found: Standing, cost: str) -> Plot:
    done = [trial for trial in found.trials if trial.miou is not None and trial.value(cost) is not None]
    points = Series("Trials", _points(done, cost), line=False, labels=[f"trial {trial.number}" for trial in done])
    line = Series("Front", _points(searches.front(found.trials, cost), cost))
    return Plot("", [line, points], GOALS[cost].title, "Validation mIoU (%)", log_x=True)


def _points(trials: list[Trial], cost: str) -> list[tuple[float, float]]:
    return [(trial.value(cost) or 0.0, 100 * (trial.miou or 0.0)) for trial in trials]


def _curves(found: Standing) -> Plot:
    shown = [trial for trial in searches.some(found, _CURVES) if trial.curve]
    series = [Series(f"{trial.number}", [(epoch, 100 * miou) for epoch, miou in trial.curve]) for trial in shown]
    return Plot(f"{len(shown)} trials by number", series, "Epoch", "Validation mIoU (%)")


def _importance(found: Standing) -> Table:
    shares = searches.importances(found.trials)
    return Table([{"Setting": title_of(name), "Share (%)": 100 * share} for name, share in shares.items()])


def _students(found: Standing) -> Table:
    rows: list[dict[str, Any]] = []
    for size, one in found.figures.items():
        row: dict[str, Any] = {
            "Student": size,
            **{GOALS[goal].title: one.value(goal) for goal in GOALS if goal != "miou"},
        }
        rows.append({**row, "Over a limit": found.never_trained.get(size, "")})
    where = f"{found.plan.runtime}, {found.plan.side} pixels a side, {found.plan.threads} thread"
    return Table(rows, f"Measured before training: {where}.")


def _limits(found: Standing) -> dict[str, Any]:
    return {f"limits.{name}": value for name, value in vars(found.plan.limits).items() if value is not None}


def _space(found: Standing) -> dict[str, Any]:
    return {
        f"space.{axis.name}": axis.choices or f"{axis.low:g} to {axis.high:g}{' (log)' if axis.log else ''}"
        for axis in found.plan.space
    }
