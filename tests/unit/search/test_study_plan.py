"""What a search is asked for, and what a student costs before it is trained."""

import json
from dataclasses import replace
from typing import Any

import pytest

from core.config import DistillConfig, RunConfig
from core.errors import ConfigError
from core.losses.catalogue import LOSSES
from core.runs.store.records import RunState
from core.search.figures import Figures, from_json, measure_sizes, to_json
from core.search.head import starts_for
from core.search.outcome import Trial, front, importances, volume
from core.search.space import Axis, drawn, first_trials, read_axis, settings
from core.search.study_plan import SearchPlan, StudentLimits
from tests.unit.search.kit import make_plan


def test_a_plan_survives_the_store() -> None:
    plan = make_plan(limits=StudentLimits(keep=0.97, latency_ms=20.0), goals=("miou", "latency"))
    assert SearchPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": None}, "Say when the search ends"),
        ({"trials": 0}, "Trials must be from 1 to 100,000"),
        ({"goals": ("speed",)}, "A goal is one of miou"),
        ({"space": ()}, "varies at least one setting"),
        ({"space": (Axis("shape", ("round",)),)}, "cannot vary shape"),
        ({"space": (Axis("temperature", low=0.0, high=2.0, log=True),)}, "must begin above 0"),
        ({"space": (Axis("temperature", low=1.0, high=90.0),)}, "Temperature must be from 0.5 to 50, not 90"),
        ({"space": (Axis("size", ("tower 3",)),)}, "There is no student tower 3"),
        ({"space": (Axis("losses", ("magic",)),)}, "There is no loss magic"),
        ({"space": (Axis("alpha", low=0.0, high=1.0),), "sampler": "grid"}, "A grid needs choices on every axis"),
        ({"limits": StudentLimits(latency_ms=-1.0)}, "Latency must be above 0"),
        ({"limits": StudentLimits(keep=97.0)}, "Share of the teacher must be above 0 and at most 1.5"),
        ({"runtime": "magic"}, "There is no runtime magic"),
        ({"seconds": float("nan")}, "The time of a search must be above 0"),
    ],
)
def test_what_cannot_be_searched_is_said_in_words(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_plan(**changes)


@pytest.mark.parametrize(
    ("most", "sizes"),
    [(0, []), (1, [2]), (2, [2, 8]), (3, [2, 4, 8]), (4, [2, 3, 6, 8]), (9, [2, 3, 4, 6, 8])],
)
def test_what_is_tried_first_is_the_own_run_for_students_from_the_smallest_to_the_largest(
    most: int, sizes: list[int]
) -> None:
    base = make_plan().config
    axes = [
        Axis("size", tuple(f"compact {base}" for base in (2, 3, 4, 6, 8))),
        Axis("temperature", low=1.0, high=8.0),
        Axis("weight", low=0.5, high=2.0),
        Axis("learning_rate", low=0.5, high=0.6),
        Axis("losses", ("soft_targets", "dkd")),
        Axis("taught", (True, False)),
    ]
    found = first_trials(base, axes, most)
    own = {"temperature": 2.0, "weight": 1.0, "losses": "soft_targets", "taught": True}
    assert [one["size"] for one in found] == [f"compact {size}" for size in sizes]
    assert all({**one, "size": ""} == {**own, "size": ""} for one in found), "its learning rate lies outside the space"
    assert first_trials(base, axes[1:], most) == [own][:most]


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("temperature=1,2,4", Axis("temperature", (1.0, 2.0, 4.0))),
        ("learning-rate=0.001..0.02 log", Axis("learning_rate", low=0.001, high=0.02, log=True)),
        ("size=compact 2,unet 4", Axis("size", ("compact 2", "unet 4"))),
        ("taught=yes,no", Axis("taught", (True, False))),
        ("seed=0,1", Axis("seed", (0, 1))),
    ],
)
def test_an_axis_is_read_as_it_is_typed(text: str, axis: Axis) -> None:
    assert read_axis(text) == axis


@pytest.mark.parametrize("text", ["temperature", "temperature=", "temperature=hot..cold", "alpha=a,b", "size=1..2"])
def test_a_bad_axis_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_axis(text)


def test_settings_are_those_that_were_drawn_and_nothing_else() -> None:
    base = make_plan().config
    space = (Axis("size", ("unet 4",)), Axis("losses", ("soft_targets+hint",)), Axis("weight", (2.0,)))
    params = drawn(space, lambda axis: axis.choices[0], starts={})
    assert params == {
        "size": "unet 4",
        "losses": "soft_targets+hint",
        "weight of soft_targets": 2.0,
        "weight of hint": 2.0,
    }
    found = settings(base, params, name="t", starts={})
    assert found.distill is not None
    assert found.distill.losses == {name: 2 * LOSSES[name].weight for name in ("soft_targets", "hint")}
    assert (found.model.architecture, found.model.arguments) == ("unet", {"base": 4})
    assert replace(found, name=base.name, distill=base.distill, model=base.model) == base


def test_weights_are_started_from_only_where_there_is_a_model_of_that_size() -> None:
    space = (Axis("size", ("compact 2", "compact 4")), Axis("start", ("trained", "fresh")))
    starts = {"compact 2": "student-2"}
    small = drawn(space, lambda axis: axis.choices[0], starts=starts)
    large = drawn(space, lambda axis: axis.choices[-1], starts=starts)
    assert settings(make_plan().config, small, name="t", starts=starts).train.start_from == "student-2"
    assert large == {"size": "compact 4"}


def test_a_search_starts_from_models_and_not_from_starting_points() -> None:
    """Both are there in the size compact 4; a starting point comes first by its name."""
    space = (Axis("size", ("compact 2", "compact 4")), Axis("start", ("trained", "fresh")))
    found = starts_for(make_plan(space=space))
    assert found["compact 2"] == "student-2"
    assert found["compact 4"] in ("student", "student-control")


def test_a_run_without_its_teacher_is_the_control_of_the_same_run() -> None:
    config = RunConfig(kind="distill", distill=DistillConfig())
    alone = settings(config, {"taught": False}, name="t", starts={})
    assert (alone.kind, alone.distill, alone.control_of) == ("train", None, None)
    assert (alone.train, alone.model) == (config.train, config.model)


def test_a_search_is_continued_with_other_limits_and_without_a_date_that_has_passed() -> None:
    plan = make_plan(until=100.0, limits=StudentLimits(latency_ms=20.0, keep=0.9))
    same = plan.continued(now=99.0, trials=9)
    assert (same.until, same.trials, same.generation, same.limits) == (100.0, 9, 0, plan.limits)
    widened = plan.continued(now=101.0, limits=StudentLimits(latency_ms=30.0))
    assert (widened.until, widened.generation, widened.limits.keep) == (None, 1, None)
    with pytest.raises(ConfigError, match="Say when the search ends"):
        plan.continued(now=101.0, trials=None)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (StudentLimits(latency_ms=20.0), "20.04 ms of at most 20"),
        (StudentLimits(latency_ms=0.0005), "20 ms of at most 5.00e-04"),
        (StudentLimits(memory_mb=999.0), "1,000 MB of at most 999"),
        (StudentLimits(parameters=30_000), "30,001 parameters of at most 30,000"),
    ],
)
def test_what_is_over_a_limit_reads_as_over_it(limits: StudentLimits, said: str) -> None:
    assert Figures(30_001, 10, latency_ms=20.04, memory_mb=999.7).over(limits) == [said]


def _trial(number: int, miou: float, cost: int, **params: Any) -> Trial:
    figures = Figures(cost, cost)
    known: dict[str, Any] = {"told": "done", "miou": miou, "figures": figures, "teacher": 0.8}
    return Trial(number, f"run {number}", RunState.DONE, params, "compact 2", **known)


def test_the_area_under_a_front_grows_with_what_beats_it() -> None:
    few = [_trial(0, 0.5, 20), _trial(1, 0.6, 60), _trial(2, 0.4, 80)]
    assert [trial.number for trial in front(few, "macs")] == [0, 1]
    assert volume(few, "macs", worst=100) == pytest.approx((0.5 * 40 + 0.6 * 40) / 100)
    assert volume([*few, _trial(3, 0.55, 20)], "macs", worst=100) > volume(few, "macs", worst=100)
    assert volume([], "macs", worst=100) == 0


def test_the_setting_that_decides_is_named_first() -> None:
    rows = [(at % 10 / 10, at % 7 / 7) for at in range(60)]
    trials = [_trial(at, 0.4 + 0.3 * alpha, 10, alpha=alpha, dice=dice) for at, (alpha, dice) in enumerate(rows)]
    shares = importances(trials)
    assert next(iter(shares)) == "alpha"
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(trials[:5]) == {}


def test_figures_survive_their_file_and_a_damaged_one_is_measured_again() -> None:
    figures = {"compact 2": Figures(30_000, 10**7, 0.1, 12.5, 0.02, 20, 101.0, "a CPU")}
    assert from_json(to_json(figures)) == figures
    assert from_json("{") == from_json('{"compact 2": {"shape": 1}}') == {}


@pytest.mark.slow
def test_a_student_is_measured_as_the_file_that_its_runtime_reads() -> None:
    plan = make_plan(
        limits=StudentLimits(latency_ms=1e5, macs=1e14), side=64, space=(Axis("size", ("compact 2", "compact 16")),)
    )
    # What was measured before it was limited is measured again.
    found = measure_sizes(plan, known={"compact 2": Figures(1, 1)})
    small, large = found["compact 2"], found["compact 16"]
    assert 0 < (small.latency_ms or 0) < (large.latency_ms or 0)
    assert 0 < small.parameters < large.parameters
    assert 0 < (small.megabytes or 0) < (large.megabytes or 0)
    assert 0 < small.macs < large.macs
    assert small.repeats >= 5
    assert small.memory_mb is None
    assert measure_sizes(plan, known=found) == found
    # A goal that was not asked for before is measured then.
    of_memory = make_plan(goals=("memory",), side=64, space=(Axis("size", ("compact 2",)),))
    again = measure_sizes(of_memory, known=found)["compact 2"]
    assert 10 < (again.memory_mb or 0) < 2000
