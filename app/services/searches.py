"""Searches as the page asks for them and shows them: launched, followed, stopped, widened, and read back."""

import heapq
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.services import access, launch, own_datasets, progress
from app.services.access import Person
from app.services.run_settings import FULL, QUICK
from app.services.runs import require_opened
from app.services.search_access import search_store, shown_search
from app.services.stores import is_shown
from core.config import RunConfig
from core.errors import ConfigError
from core.events import Progress
from core.losses import catalogue
from core.runs.store.records import JobRequest, RunKind, RunState
from core.runs.store.studies import StudyStore, TrialRow
from core.runs.worker.processes import count_slots
from core.search import read
from core.search.figures import in_words
from core.search.outcome import Confirmation, Trial, fits, front, importances
from core.search.read import Standing
from core.search.space import Axis, title_of
from core.search.study_plan import GOALS, SearchPlan, StudentLimits

__all__ = [
    "GOALS",
    "Confirmation",
    "Standing",
    "StudentLimits",
    "Trial",
    "front",
    "importances",
    "in_words",
    "search_store",
    "title_of",
]

MOST_SEARCHES = 4
SIZES = tuple(f"compact {base}" for base in (2, 3, 4, 6, 8, 12, 16))
OPTIONAL = {
    "temperature": Axis("temperature", low=1.0, high=8.0, log=True),
    "alpha": Axis("alpha", low=0.0, high=1.0),
    "losses": Axis("losses", catalogue.names("logits")),
    "weight": Axis("weight", low=0.25, high=4.0, log=True),
    "learning_rate": Axis("learning_rate", low=0.002, high=0.02, log=True),
    "schedule": Axis("schedule", ("one-cycle", "cosine")),
    "colour": Axis("colour", low=0.0, high=0.5),
    "paste": Axis("paste", low=0.0, high=0.5),
    "start": Axis("start", ("fresh", "trained")),
}
"""What a search may vary besides the student, and how far."""


@dataclass(frozen=True)
class Situation:
    """What somebody may want from a search: where its form starts."""

    title: str
    help: str
    config: RunConfig
    vary: tuple[str, ...] = ("temperature", "alpha", "learning_rate")
    trials: int = 30
    grid: tuple[Axis, ...] = ()


_TINY = replace(QUICK, data=replace(QUICK.data, views_per_epoch=128), train=replace(QUICK.train, epochs=9))
SITUATIONS = {
    "first": Situation("A first look", "Short runs on few labels: minutes a trial on two processor cores.", _TINY),
    "useful": Situation(
        "A useful student",
        "Full runs: a quarter of an hour a trial or more without a GPU.",
        FULL,
        ("temperature", "alpha", "losses", "weight", "learning_rate"),
        60,
    ),
    "map": Situation(
        "Temperature × alpha",
        "A grid of both with two seeds, drawn as a map with its spread.",
        _TINY,
        (),
        24,
        (
            Axis("temperature", (1.0, 2.0, 4.0, 8.0)),
            Axis("alpha", (0.1, 0.5, 0.9)),
            Axis("seed", (0, 1)),
        ),
    ),
    "sizes": Situation(
        "Student size",
        "Sizes with and without a teacher, two seeds each, drawn as a curve.",
        _TINY,
        (),
        20,
        (Axis("size", SIZES[:5]), Axis("taught", (True, False)), Axis("seed", (0, 1))),
    ),
}


@dataclass(frozen=True)
class SearchRequest:
    """What the form holds. `limits` are in the units of `StudentLimits`; `minutes` None: as long as its trials take."""

    situation: str = "first"
    name: str = ""
    teacher: str = "teacher"
    dataset: str = "samples"
    root: str | None = None
    sizes: tuple[str, ...] = SIZES[:5]
    vary: tuple[str, ...] = ()
    goals: tuple[str, ...] = ("miou",)
    limits: StudentLimits = field(default_factory=StudentLimits)
    trials: int = 30
    minutes: float | None = None
    epochs: int = 9

    @property
    def run(self) -> launch.Request:
        """A run like those of the search, for the checks that Distill makes."""
        base = SITUATIONS[self.situation].config
        assert base.distill is not None
        data = replace(base.data, dataset=self.dataset, root=self.root)
        distill = replace(base.distill, teacher=self.teacher)
        return launch.Request(
            replace(base, data=data, distill=distill, train=replace(base.train, epochs=self.epochs)), control=False
        )


def plan_of(request: SearchRequest) -> SearchPlan:
    """The search that is asked for. Raises `ConfigError`, `DatasetNotFoundError`."""
    situation = SITUATIONS[request.situation]
    config = replace(launch.to_config(request.run), name="")
    config = replace(config, train=replace(config.train, validate_every=1 if request.epochs < 20 else 3))
    space = situation.grid or (
        Axis("size", request.sizes),
        *(axis for name, axis in OPTIONAL.items() if name in request.vary),
    )
    return SearchPlan(
        config,
        space,
        goals=request.goals,
        limits=request.limits,
        trials=request.trials,
        seconds=None if request.minutes is None else 60 * request.minutes,
        sampler="grid" if situation.grid else "auto",
        confirm=0 if situation.grid else 3,
    )


def check(request: SearchRequest, owner: str | None = None) -> launch.Check:
    """Everything that can be known to be wrong before anything is queued."""
    if not request.sizes:
        return launch.Check(["Choose at least one size."])
    if found := launch.problems(request.run, owner):
        return launch.Check(found)
    if found := plan_of(request).problems():
        return launch.Check(found)
    return launch.check(request.run, owner)


def start(request: SearchRequest, who: Person) -> str:
    """Queue a search and give its name. Raises as `launch.launch`."""
    own_datasets.require_visible(request.dataset, who.folder)
    plan = plan_of(request).validate()
    require_opened(plan.config, who.folder)
    store = search_store()
    name = request.name.strip()[:60] or _free_name(SITUATIONS[request.situation].title)
    with access.launching(who, 1) as allowed:
        _require_few(plan, allowed)
        job = JobRequest(RunKind.SEARCH, {"plan": plan.to_json()}, name)
        store.add_study(job, most=MOST_SEARCHES, launched_by=who.key)
    return name


def _free_name(title: str) -> str:
    taken = {one.name for one in search_store().studies()}
    return next(name for at in range(1, 10_000) if (name := f"{title} {at}") not in taken)


def _require_few(plan: SearchPlan, allowed: access.Access) -> None:
    """Raises `ConfigError` for more trials than the operator lets one search have."""
    if plan.trials is None or plan.trials > allowed.search_trials:
        raise ConfigError(f"A search may have {allowed.search_trials:,} trials at most on this server: ask for fewer.")


def stop(name: str, who: Person) -> None:
    """Stop a search and its trials; what they have is kept. Raises `RunStateError` when this person may not."""
    store = search_store()
    access.require(who, "cancel", launched_by=shown_search(name, who.folder).launched_by)
    store.stop_study(name)


def go_on(
    name: str,
    who: Person,
    *,
    trials: int,
    minutes: float | None,
    sizes: Sequence[str],
    vary: Sequence[str] = (),
    limits: StudentLimits | None = None,
) -> None:
    """Continue a search with `trials` in all, so many minutes more, and these students.

    `vary` names settings that are varied from now on besides those that are; `limits` None: as they were.

    Raises `RunStateError` while it goes on, or when this person may not; `ConfigError` for what cannot be searched.
    """
    store = search_store()
    plan = SearchPlan.from_json(shown_search(name, who.folder).job.get("plan"))
    changes: dict[str, Any] = {"trials": trials, "seconds": None if minutes is None else 60 * minutes}
    old = plan.axis("size")
    space = plan.space
    if old is not None and set(sizes) != set(old.choices):
        wider = replace(old, choices=tuple(sizes))
        space = tuple(wider if axis.name == "size" else axis for axis in space)
    new = (axis for name, axis in OPTIONAL.items() if name in vary and plan.axis(name) is None)
    wanted = plan.continued(now=time.time(), limits=limits, space=(*space, *new), **changes)
    require_opened(wanted.config, who.folder)
    with access.launching(who, 1) as allowed:
        _require_few(wanted, allowed)
        store.continue_study(name, {"plan": wanted.to_json()})


def delete(name: str, who: Person) -> None:
    """Remove a search with all its runs. Raises `RunStateError` while it goes on, or when this person may not."""
    access.require(who, "delete")
    shown_search(name, who.folder)
    search_store().delete_study(name)


def names(owner: str | None = None) -> list[str]:
    """Every search that a visitor may be shown (`stores.is_shown`) by name, newest first."""
    return [record.name for record in search_store().studies() if is_shown(record, owner)]


def active(found: Standing) -> bool:
    return not found.search.state.final


def live(name: str) -> tuple[RunState, Progress, bool]:
    """The state of a search now, how far it is, and whether it was asked to stop."""
    search = search_store().study(name)
    return search.state, progress.read_job(search.id).progress, search.cancel_requested


def version(name: str) -> tuple[str, ...]:
    """Changes with everything that `standing` gives. Raises `StoreError`."""
    return search_store().study_version(name)


@dataclass
class _Kept:
    """The rows of one search that were read, and the place of the last."""

    rows: dict[str, TrialRow] = field(default_factory=dict)
    place: int = 0


_kept: dict[tuple[str, str], _Kept] = {}
_reading = threading.Lock()
_MOST_KEPT = 8


def standing(name: str) -> Standing:
    """A search as it stands. Trials that were noted as ended are read once: ten thousand of them take half a second.

    Raises `RunNotFoundError`, `StoreError` and `ConfigError`.
    """
    store = search_store()
    with _reading:
        kept = _kept.setdefault((str(store.home), store.study(name).id), _Kept())
        _read(store, name, kept)
        if str(len(kept.rows)) != store.study_version(name)[0]:
            # Some were deleted, or added just now.
            kept.rows, kept.place = {}, 0
            _read(store, name, kept)
        while len(_kept) > _MOST_KEPT:
            _kept.pop(next(iter(_kept)))
        return read.standing(store, name, list(kept.rows.values()))


def _read(store: StudyStore, name: str, kept: _Kept) -> None:
    open_ones = [row.id for row in kept.rows.values() if "told" not in row.facts]
    for place, row in store.trials_since(name, after=kept.place, ids=open_ones):
        kept.rows[row.id] = row
        kept.place = max(kept.place, place)


def slots() -> int:
    """How many trials can go on at once now."""
    return sum(count_slots(worker.device) for worker in search_store().workers()) or 1


def cells(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Finished trials as rows of plain values: their settings, and `miou`."""
    return [{**trial.params, "miou": trial.miou} for trial in trials if trial.miou is not None]


def table(found: Standing, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Trials as rows for people."""
    rows = []
    for trial in trials:
        row: dict[str, Any] = {"Trial": trial.number, "Student": trial.size, "State": state_of(trial)}
        row["mIoU (%)"] = None if trial.miou is None else 100 * trial.miou
        row["Of the teacher (%)"] = None if trial.kept is None else 100 * trial.kept
        for goal in dict.fromkeys([*found.plan.needed, "parameters"]):
            row[GOALS[goal].title] = trial.value(goal)
        rows.append({**row, **{title_of(name): value for name, value in trial.params.items() if name != "size"}})
    return rows


def fitting(found: Standing) -> dict[int, bool]:
    """Of each finished trial, by its number, whether it meets all limits."""
    return {trial.number: fits(trial, found.plan) for trial in found.trials if trial.told == "done"}


def with_live_curves(trials: Sequence[Trial]) -> list[Trial]:
    """The same, those under way with the scores that they have reached by now."""
    return [trial if trial.told else replace(trial, curve=_reached(trial.run_id)) for trial in trials]


def _reached(run_id: str) -> tuple[tuple[int, float], ...]:
    rows = progress.read_progress(run_id).scores
    return tuple((int(row["epoch"]), float(row["miou5"])) for row in rows)


def state_of(trial: Trial) -> str:
    """In a word or two."""
    if not trial.told:
        return {"queued": "waits", "running": "trains"}.get(str(trial.state), "ends")
    why = {"scores": "stopped early", "time": "out of time", "": "stopped"}
    return {"done": "done", "failed": "failed"}.get(trial.told) or why[trial.why]


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the distance from the least to the most."""
    return sum(values) / len(values), (max(values) - min(values)) / 2


def by_settings(rows: Sequence[Mapping[str, Any]], *names: str) -> dict[tuple[Any, ...], list[float]]:
    """The scores of rows with the same values of these settings, by these values."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if all(name in row for name in names):
            found.setdefault(tuple(row[name] for name in names), []).append(float(row["miou"]))
    return found


def leading(found: Standing, most: int) -> list[Trial]:
    """The best finished trials, best first."""
    done = (trial for trial in found.trials if trial.miou is not None)
    return heapq.nsmallest(most, done, key=lambda trial: -(trial.miou or 0.0))


def some(found: Standing, most: int) -> list[Trial]:
    """All trials, or where they are too many to draw the best and the newest, half of each."""
    if len(found.trials) <= most:
        return found.trials
    chosen = {trial.number for trial in [*leading(found, most // 2), *found.trials[-(most // 2) :]]}
    return [trial for trial in found.trials if trial.number in chosen]


def expected_seconds(
    plan: SearchPlan, seconds: Sequence[float], slots: int, *, shared: float = 0.0
) -> tuple[float, float]:
    """How long the trials take on so many places, from seconds a run of each size, and how long confirming takes.

    `shared` are those seconds that a trial saves when one before it has ended, because that left what all need.
    """
    each = sum(seconds) / len(seconds)
    trials = plan.trials or 1
    if plan.sampler == "grid":
        cells = 1
        for axis in plan.space:
            cells *= len(axis.choices)
        trials = min(trials, cells)
    places = max(1, min(slots, plan.at_once or slots))
    turns = -(-trials // places)
    total = each * turns - shared * (turns - 1)
    return min(total, plan.seconds or total), each * -(-2 * plan.confirm // places)
