"""What a search has found so far, from its rows in the run store: the best, the front, what mattered. No torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.runs.store.records import RunState
from core.runs.store.studies import TRIAL, TrialRow
from core.search.figures import Figures
from core.search.space import Params, size_name
from core.search.study_plan import GOALS, SearchPlan


@dataclass(frozen=True)
class Trial:
    """One trial: its settings, and what it reached.

    Attributes:
        told: `done`, `pruned`, `failed`, or "" while it goes on.
        why: Why it was stopped early: `scores`, `time`, or "" by a person.
        miou: Best validation mIoU of a finished run, a fraction.
        curve: Validation mIoU by epoch.
        teacher: What the teacher reaches on the same pictures.
    """

    number: int
    run_id: str
    state: RunState
    params: Params
    size: str
    told: str = ""
    why: str = ""
    miou: float | None = None
    teacher: float | None = None
    seconds: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    error: str | None = None
    figures: Figures | None = field(default=None, repr=False)

    @classmethod
    def of(cls, row: TrialRow, plan: SearchPlan, figures: Mapping[str, Figures]) -> "Trial":
        """What a row of the store says."""
        facts = row.facts
        params = facts.get("params", {})
        size = str(params.get("size") or size_name(plan.config.model))
        return cls(
            number=row.number,
            run_id=row.id,
            state=row.state,
            params=params,
            size=size,
            told=facts.get("told", ""),
            why=facts.get("pruned", ""),
            miou=facts.get("miou"),
            teacher=facts.get("teacher"),
            seconds=facts.get("seconds"),
            curve=tuple((int(epoch), float(miou)) for epoch, miou in facts.get("curve", ())),
            error=row.error,
            figures=figures.get(size),
        )

    def value(self, goal: str) -> float | None:
        """What it reaches of a goal; accuracy as a fraction, and only of a finished run."""
        if goal == "miou":
            return self.miou
        return self.figures.value(goal) if self.figures else None

    @property
    def kept(self) -> float | None:
        """The share of the teacher's mIoU that it reaches."""
        known = self.miou is not None and self.teacher and self.teacher == self.teacher
        return self.miou / self.teacher if known and self.miou is not None and self.teacher else None

    @property
    def reached(self) -> float | None:
        """The best score on the way, of a trial that was stopped too."""
        return max([miou for _, miou in self.curve], default=self.miou)


def read_trials(rows: Iterable[TrialRow], plan: SearchPlan, figures: Mapping[str, Figures]) -> list[Trial]:
    """The trials among the rows of a search, in the order of their numbers."""
    found = [Trial.of(row, plan, figures) for row in rows if row.role == TRIAL]
    return sorted(found, key=lambda trial: trial.number)


def constraints_of(trial: Trial, plan: SearchPlan) -> dict[str, float]:
    """How far a trial is from the share of the teacher that is asked for: at most 0 is enough."""
    if plan.limits.keep is None:
        return {}
    reached = trial.miou if trial.miou is not None else trial.reached
    if reached is None or not trial.teacher or trial.teacher != trial.teacher:
        return {"keep": plan.limits.keep}
    return {"keep": plan.limits.keep - reached / trial.teacher}


def fits(trial: Trial, plan: SearchPlan) -> bool:
    """Whether a finished trial meets all limits."""
    if trial.told != "done" or (trial.figures is not None and trial.figures.over(plan.limits)):
        return False
    return all(value <= 1e-12 for value in constraints_of(trial, plan).values())


def best(trials: Sequence[Trial], plan: SearchPlan) -> Trial | None:
    """The trial that is first by the goals in their order, among those that meet all limits; None where none does."""
    fitting = [trial for trial in trials if fits(trial, plan) and trial.value(plan.goals[0]) is not None]
    goals = tuple(dict.fromkeys([*plan.goals, "miou", "macs"]))
    return min(fitting, key=lambda trial: tuple(_rank(trial, goal) for goal in goals), default=None)


def _rank(trial: Trial, goal: str) -> float:
    value = trial.value(goal)
    if value is None:
        return float("inf")
    return -value if GOALS[goal].more else value


def front(trials: Sequence[Trial], cost: str) -> list[Trial]:
    """Finished trials that no other beats on both: none that costs as little is more accurate. Cheapest first."""
    placed = sorted(
        (trial for trial in trials if trial.miou is not None and trial.value(cost) is not None),
        key=lambda trial: (trial.value(cost), -(trial.miou or 0.0)),
    )
    kept: list[Trial] = []
    highest = float("-inf")
    for trial in placed:
        if trial.miou is not None and trial.miou > highest:
            kept.append(trial)
            highest = trial.miou
    return kept


def volume(trials: Sequence[Trial], cost: str, *, worst: float) -> float:
    """The area under the front: accuracy above 0 over costs up to `worst`, as a share. For comparing searches."""
    area, before, highest = 0.0, 0.0, 0.0
    for trial in front(trials, cost):
        at = min(trial.value(cost) or 0.0, worst)
        area += highest * (at - before)
        before, highest = at, trial.miou or 0.0
    return (area + highest * max(0.0, worst - before)) / worst if worst else 0.0


@dataclass(frozen=True)
class Confirmation:
    """What a winner is worth when it is trained again: scores of its runs and of their controls by fresh seed.

    Scores are mIoU on the test part, or where the data has none on the validation part (`part`); None: not done yet.
    """

    winner: int
    pairs: tuple[tuple[float | None, float | None], ...]
    part: str
    run_ids: tuple[str, ...] = ()

    @property
    def scores(self) -> list[float]:
        return [score for score, _ in self.pairs if score is not None]

    @property
    def gains(self) -> list[float]:
        """By how much each is above its control."""
        return [score - control for score, control in self.pairs if score is not None and control is not None]


def confirmations(rows: Iterable[TrialRow]) -> list[Confirmation]:
    """The winners that were trained again, the latest last."""
    by_winner: dict[int, dict[int, dict[str, TrialRow]]] = {}
    for row in rows:
        if row.role != TRIAL:
            by_winner.setdefault(int(row.facts["of"]), {}).setdefault(row.number, {})[row.role] = row
    return [_confirmation(winner, pairs) for winner, pairs in by_winner.items()]


def _confirmation(winner: int, pairs: Mapping[int, Mapping[str, TrialRow]]) -> Confirmation:
    done = [row for pair in pairs.values() for row in pair.values() if row.summary]
    tested = bool(done) and all(row.summary.get("test_miou5") is not None for row in done)
    key = "test_miou5" if tested else "best_miou5"
    found = tuple(tuple(_score(pair.get(role), key) for role in ("winner", "control")) for pair in pairs.values())
    ids = tuple(pair["winner"].id for pair in pairs.values() if "winner" in pair)
    return Confirmation(winner, tuple((pair[0], pair[1]) for pair in found), "test" if tested else "validation", ids)


def _score(row: TrialRow | None, key: str) -> float | None:
    return None if row is None else row.summary.get(key)


def importances(trials: Sequence[Trial], *, most: int = 500) -> dict[str, float]:
    """Which settings decide about accuracy, as shares that sum to 1; empty for fewer than 8 finished trials.

    By PED-ANOVA (arXiv 2304.10255) over the last `most` finished trials, of the settings that all of them have.
    """
    done = [trial for trial in trials if trial.miou is not None][-most:]
    names = [name for name in (done[0].params if done else {}) if all(name in trial.params for trial in done)]
    names = [name for name in names if len({trial.params[name] for trial in done}) > 1]
    if len(done) < 8 or not names:
        return {}
    import optuna

    study = optuna.create_study(direction="maximize")
    kinds = {name: _spread([trial.params[name] for trial in done]) for name in names}
    for trial in done:
        params: dict[str, Any] = {name: trial.params[name] for name in names}
        study.add_trial(optuna.trial.create_trial(value=trial.miou, params=params, distributions=kinds))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _spread(values: Sequence[Any]) -> Any:
    """The distribution that a setting seems to be drawn from."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if any(isinstance(value, str | bool) for value in values) or len(set(values)) < 4:
        return CategoricalDistribution(sorted(set(values), key=str))
    return FloatDistribution(min(values), max(values))
