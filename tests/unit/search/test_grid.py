"""A grid draws each combination once, also when it is widened, narrowed, killed between two draws, or has gaps."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution

from core.search.engine import Engine, open_storage
from core.search.space import Axis
from tests.unit.search.kit import make_plan

T, ALPHA, TAUGHT = (
    Axis("temperature", (1.0, 2.0)),
    Axis("alpha", (0.1, 0.9)),
    Axis("taught", (True, False)),
)
Drawn = dict[int, dict[str, Any]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'searches.db'}"


def engine(url: str, *space: Axis, generation: int = 0) -> Engine:
    plan = make_plan(space=space, sampler="grid", trials=None, seconds=1e6, generation=generation)
    return Engine(url, "s", plan, space, {})


def draw(made: Engine, drawn: Drawn) -> None:
    """As many trials as there are combinations left."""
    while made.cells_left(()):
        number, params = made.ask()
        drawn[number] = params


def go_on(url: str, drawn: Drawn, *space: Axis, generation: int) -> None:
    """The same search with another space: what ended is told, then the rest is drawn."""
    with closing(engine(url, *space, generation=generation)) as made:
        for number in range(max(drawn, default=-1) + 1):
            made.restore(drawn.get(number, {}), "done" if number in drawn else "failed", values=[0.5])
        draw(made, drawn)


def keys(drawn: Drawn) -> list[tuple[Any, ...]]:
    return [tuple(sorted(params.items())) for params in drawn.values()]


def test_what_was_tried_before_a_grid_was_widened_or_narrowed_is_not_tried_again(url: str) -> None:
    drawn: Drawn = {}
    go_on(url, drawn, T, ALPHA, generation=0)
    assert len(drawn) == len(set(keys(drawn))) == 4
    go_on(url, drawn, Axis("temperature", (1.0, 2.0, 4.0)), ALPHA, generation=1)
    assert len(drawn) == len(set(keys(drawn))) == 6
    go_on(url, drawn, Axis("temperature", (4.0, 8.0)), Axis("alpha", (0.1, 0.5)), generation=2)
    assert len(drawn) == len(set(keys(drawn))) == 9
    assert {(params["temperature"], params["alpha"]) for params in list(drawn.values())[6:]} == {
        (4.0, 0.5),
        (8.0, 0.1),
        (8.0, 0.5),
    }


def test_a_combination_whose_run_was_deleted_is_tried_again(url: str) -> None:
    drawn: Drawn = {}
    go_on(url, drawn, T, ALPHA, generation=0)
    gone = drawn.pop(2)
    go_on(url, drawn, T, ALPHA, generation=1)
    assert drawn[4] == gone
    assert len(drawn) == 4


def test_one_without_a_teacher_counts_for_one_combination(url: str) -> None:
    drawn: Drawn = {}
    go_on(url, drawn, TAUGHT, T, generation=0)
    assert len(drawn) == 4
    assert sorted(keys(drawn), key=str)[:2] == [(("taught", False),)] * 2


@pytest.mark.parametrize(
    "axes_drawn", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_trial_that_was_begun_by_a_process_that_was_killed_gets_the_same_combination(
    url: str, axes_drawn: int
) -> None:
    with closing(engine(url, T, ALPHA)) as made:
        expected = dict([made.ask(), made.ask()])
    other = url.replace("searches", "others")
    with closing(engine(other, T, ALPHA)) as made:
        made.ask()
    storage = open_storage(other)
    study_id = storage.get_study_id_from_name("s/0")
    trial_id = storage.create_new_trial(study_id)
    for name in list(expected[1])[:axes_drawn]:
        axis = {"temperature": T, "alpha": ALPHA}[name]
        distribution = CategoricalDistribution(list(axis.choices))
        storage.set_trial_param(trial_id, name, distribution.to_internal_repr(expected[1][name]), distribution)
    storage.remove_session()
    storage.engine.dispose()
    with closing(engine(other, T, ALPHA)) as made:
        assert made.open_trials() == [0, 1]
        assert made.cells_left([1]) == 3
        assert made.ask(1) == (1, expected[1])
        assert made.cells_left([]) == 2
        drawn: Drawn = dict(expected)
        draw(made, drawn)
    assert len(drawn) == len(set(keys(drawn))) == 4
