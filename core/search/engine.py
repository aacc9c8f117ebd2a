"""Optuna, which draws the settings of trials and says which trials to stop: asked and told, never in the lead.

Its storage lies beside the run store, and holds nothing that the store does not hold: what it lacks is added from the
store when a search begins again, so that trial and run always pair up by their number. Its own heartbeat is not used
(it does not work with ask and tell): the attempts of the run store say which process may go on.
"""

import itertools
import random
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from core.errors import StoreError
from core.search.halving import REDUCTION, rungs_of
from core.search.space import Axis, Value, drawn, first_trials
from core.search.study_plan import GOALS, SearchPlan

_MANY_GOALS_TRIALS = 60
"""From so many trials on several goals are searched by NSGA-II, which needs generations; fewer by TPE."""
_KNOWN_SHARE = 3
"""At most one in so many trials begins with the settings of the plan's own run."""
_OUTSIDE = "outside"
"""Marks a trial of values that the space has lost since."""
_STATES = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Engine:
    """The trials of one search as Optuna sees them.

    Args:
        url: Where its storage lies.
        search_id: Of the search's own run, so that one that was deleted leaves nothing to the next of its name; each
            `plan.generation` is a study of its own, because Optuna lets no choice be added to a list.
        plan: What is searched.
        space: The axes with what the limits leave of them.
        starts: A trained model to start from for each size that has one.
    """

    def __init__(
        self, url: str, search_id: str, plan: SearchPlan, space: Sequence[Axis], starts: Mapping[str, str]
    ) -> None:
        self._plan, self._space, self._starts = plan, space, starts
        try:
            storage = open_storage(url)
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(
                "The storage of the search engine cannot be opened: check the run store and its disk, then continue."
            ) from error
        self._database = storage
        self._storage = optuna.storages.get_storage(storage)
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=f"{search_id}/{plan.generation}",
            directions=[
                StudyDirection.MAXIMIZE if GOALS[goal].more else StudyDirection.MINIMIZE for goal in plan.goals
            ],
            load_if_exists=True,
            pruner=_pruner(plan),
        )
        self._reported: set[tuple[int, int]] = set()
        self._ids: dict[int, int] = {}
        self._left = (-1, 0)
        self._study.sampler = _sampler(plan, space, drawn_so_far=len(self._study.get_trials(deepcopy=False)))

    def close(self) -> None:
        """Give the connections back."""
        self._storage.remove_session()
        self._database.engine.dispose()

    def open_trials(self) -> list[int]:
        """The numbers of the trials that were begun and not told, in order."""
        states = (TrialState.RUNNING, TrialState.WAITING)
        return [trial.number for trial in self._study.get_trials(deepcopy=False, states=states)]

    def count(self) -> int:
        """How many trials Optuna knows."""
        return len(self._study.get_trials(deepcopy=False))

    def cells_left(self, unfinished: Sequence[int]) -> int | None:
        """How many combinations of a grid no trial has but those `unfinished`; None where settings are drawn."""
        if not isinstance(self._study.sampler, _Grid):
            return None
        trials = [trial for trial in self._study.get_trials(deepcopy=False) if trial.number not in unfinished]
        if len(trials) != self._left[0]:
            self._left = len(trials), len(self._study.sampler.left(trials))
        return self._left[1]

    def restore(self, params: Mapping[str, Value], told: str | None, **facts: Any) -> None:
        """Add a trial that the run store holds and Optuna lacks; it gets the next number."""
        known = {name: self._distribution(name) for name in params}
        fitting = {name: value for name, value in params.items() if _holds(known[name], value)}
        state = _STATES[told] if told else TrialState.RUNNING
        values = facts.get("values") if state == TrialState.COMPLETE else None
        if state == TrialState.COMPLETE and values is None:
            state = TrialState.FAIL
        self._study.add_trial(
            create_trial(
                state=state,
                values=values,
                params=dict(fitting),
                distributions={name: known[name] for name in fitting},
                intermediate_values=dict(facts.get("curve") or []) if len(self._plan.goals) == 1 else None,
                user_attrs={} if len(fitting) == len(params) else {_OUTSIDE: True},
                constraints=facts.get("constraints"),
            )
        )

    def ask(self, unfinished: int | None = None) -> tuple[int, dict[str, Value]]:
        """The number of the next trial and its settings; of one that was begun and got no run where it is named."""
        with _quietly():
            trial = self._study.ask() if unfinished is None else self._trial(unfinished)
            return trial.number, drawn(self._space, lambda axis: self._draw(trial, axis), starts=self._starts)

    @property
    def _stops(self) -> bool:
        return self._plan.prunes and len(self._plan.goals) == 1

    def report(self, number: int, epoch: int, miou: float) -> None:
        """A score on the way, a fraction; told twice, the first holds. Optuna takes it for one goal alone."""
        if not self._stops or (number, epoch) in self._reported:
            return
        self._storage.set_trial_intermediate_value(self._id(number), epoch, miou)
        self._reported.add((number, epoch))

    def should_prune(self, number: int) -> bool:
        """Whether the other trials say that this one is not worth going on with; of a front `Halving` says it."""
        return self._stops and self._study.pruner.prune(self._study, self._storage.get_trial(self._id(number)))

    def end_trial(
        self, number: int, told: str, *, values: Sequence[float] | None, constraints: Mapping[str, float]
    ) -> None:
        """How a trial ended: `done`, `pruned` or `failed`. A second time does nothing."""
        state = _STATES[told]
        if state == TrialState.COMPLETE and values is None:
            state = TrialState.FAIL
        if self._study.get_trials(deepcopy=False)[number].state.is_finished():
            return
        with _quietly():
            trial = self._trial(number)
            for name, value in constraints.items():
                trial.set_constraint(name, value)
            self._study.tell(
                number, values=values if state == TrialState.COMPLETE else None, state=state, skip_if_finished=True
            )

    def _trial(self, number: int) -> Trial:
        return Trial(self._study, self._id(number))

    def _id(self, number: int) -> int:
        if number not in self._ids:
            study_id = self._storage.get_study_id_from_name(self._study.study_name)
            self._ids[number] = self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return self._ids[number]

    def _draw(self, trial: Trial, axis: Axis) -> Value:
        if axis.choices:
            value: Any = trial.suggest_categorical(axis.name, list(axis.choices))
            return cast(Value, value)
        return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)

    def _distribution(self, name: str) -> BaseDistribution:
        plain = "weight" if name.startswith("weight") else name
        axis = next((axis for axis in self._space if axis.name == plain), Axis(name, choices=("gone",)))
        if axis.choices:
            return CategoricalDistribution(list(axis.choices))
        return FloatDistribution(axis.low, axis.high, log=axis.log)


def _holds(distribution: BaseDistribution, value: Value) -> bool:
    """Whether a value may still be drawn: a space can have lost it since."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution)
    return not isinstance(value, str) and distribution.low <= value <= distribution.high


def _pruner(plan: SearchPlan) -> optuna.pruners.BasePruner:
    rungs = rungs_of(plan)
    if not plan.prunes or len(plan.goals) > 1 or not rungs:
        return optuna.pruners.NopPruner()
    most = plan.config.train.epochs
    return optuna.pruners.HyperbandPruner(min_resource=rungs[0], max_resource=most, reduction_factor=REDUCTION)


def _sampler(plan: SearchPlan, space: Sequence[Axis], *, drawn_so_far: int) -> BaseSampler:
    """What draws settings. The seed moves on with the trials, so that a restart does not draw the same again."""
    seed = plan.seed * 1_000_003 + drawn_so_far
    chosen = plan.sampler
    if chosen == "auto":
        many = len(plan.goals) > 1 and (plan.trials or 0) >= _MANY_GOALS_TRIALS
        chosen = "nsga2" if many else "tpe"
    if chosen == "grid":
        return _Grid(space, seed=plan.seed)
    if chosen == "random":
        return RandomSampler(seed=seed)
    first = first_trials(plan.config, space, (plan.trials or 30) // _KNOWN_SHARE)
    if chosen == "nsga2":
        population = max(8, min(50, (plan.trials or 100) // 6))
        return _Begun(NSGAIISampler(population_size=population, seed=seed), first)
    startup = max(4, min(10, (plan.trials or 30) // 4))
    return _Begun(TPESampler(n_startup_trials=startup, seed=seed, constant_liar=True), first)


class _Begun(BaseSampler):
    """Another sampler, before whose first draws come settings that are known.

    Trial number N has the settings number N, whichever process asks for it: so a restart loses and repeats none.
    """

    def __init__(self, sampler: BaseSampler, first: Sequence[Mapping[str, Value]]) -> None:
        self._sampler, self._first = sampler, first

    def _known(self, trial: FrozenTrial) -> Mapping[str, Value]:
        return self._first[trial.number] if trial.number < len(self._first) else {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        drawn_together = self._sampler.sample_relative(study, trial, search_space)
        return {**drawn_together, **{name: value for name, value in self._known(trial).items() if name in search_space}}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # A weight is drawn for each loss, and known for all of them.
        known, plain = self._known(trial), "weight" if param_name.startswith("weight") else param_name
        if plain in known:
            return known[plain]
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._sampler.before_trial(study, trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)


class _Grid(BaseSampler):
    """Every combination once, in an order that the seed decides: each trial is the first that none before it has.

    So a grid that was widened goes on with what is new, and one process draws as another would have.
    """

    def __init__(self, space: Sequence[Axis], *, seed: int) -> None:
        names = [axis.name for axis in space]
        cells = itertools.product(*(axis.choices for axis in space))
        self._cells = [dict(zip(names, cell, strict=True)) for cell in cells]
        random.Random(seed).shuffle(self._cells)
        self._cell = self._cells[0]

    def left(self, trials: Sequence[FrozenTrial]) -> list[dict[str, Value]]:
        """The combinations that none of these trials has, in order."""
        found = list(self._cells)
        for trial in trials:
            own = trial.params
            if not own or trial.user_attrs.get(_OUTSIDE):
                continue
            # One without a teacher has no value on the axes of a teacher.
            same = (at for at, cell in enumerate(found) if all(cell.get(name) == own[name] for name in own))
            if (at := next(same, None)) is not None:
                del found[at]
        return found

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing is drawn together, but here a trial begins: it gets its combination."""
        left = self.left(study.get_trials(deepcopy=False)[: trial.number])
        self._cell = (left or self._cells)[0]
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        del study, trial, search_space
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        del study, trial, param_distribution
        return self._cell[param_name]


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """The storage, made where it is missing. What it holds can be made anew: it does not wait for the disk."""
    options = {"connect_args": {"timeout": 30}} if _is_file(url) else None
    storage = optuna.storages.RDBStorage(url, engine_kwargs=options)
    if _is_file(url):
        event.listen(storage.engine, "connect", _unhurried)
        storage.engine.dispose()
    return storage


def _is_file(url: str) -> bool:
    return url.startswith("sqlite")


def _unhurried(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


class _quietly(AbstractContextManager[None]):  # noqa: N801
    """What Optuna warns of (a value told twice, a list of choices that is not a number) is no news to anybody."""

    def __enter__(self) -> None:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *error: object) -> None:
        self._caught.__exit__(None, None, None)
