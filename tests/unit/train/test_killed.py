"""A run that was killed goes on within its epoch, and is bit for bit the run that was not."""

import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.config import DistillConfig
from core.train import loop
from core.train.loop import Task
from tests.unit.train.recorded_run import AVERAGED, PLAIN, SPARSE, KillingCollector, RecordedRun, differing, teacher

MakeTask = Callable[..., Task]
Folders = Callable[[str], Path]

KILLED_IN_AN_EPOCH = (3,)
KILLED_EARLY_AND_LATE = (0, 8)
KILLED_WHILE_VALIDATING = (4,)
KILLED_AGAIN_AND_AGAIN = (2, 2, 3, 1)


@pytest.mark.parametrize(
    ("settings", "kills"),
    [
        (PLAIN, KILLED_IN_AN_EPOCH),
        (PLAIN, KILLED_EARLY_AND_LATE),
        (PLAIN, KILLED_WHILE_VALIDATING),
        (AVERAGED, KILLED_AGAIN_AND_AGAIN),
        (SPARSE, KILLED_AGAIN_AND_AGAIN),
        ({"accumulate": 2}, KILLED_IN_AN_EPOCH),
        ({"distill": DistillConfig(alpha=0.5)}, KILLED_IN_AN_EPOCH),
    ],
)
def test_a_killed_run_goes_on_within_its_epoch(
    make_task: MakeTask,
    make_collector: Callable[..., Any],
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    kills: tuple[int, ...],
) -> None:
    """Where every step is saved, none is done twice. (In earnest it is one step in so many seconds.)"""

    def make() -> Task:
        return make_task(teacher_outputs=teacher if "distill" in settings else None, **settings)

    whole = RecordedRun(make, make_collector, folders("whole"))
    monkeypatch.setattr(loop, "_SAVE_EVERY", 0.0)
    killed = RecordedRun(make, KillingCollector, folders("killed"), *kills)
    assert differing(whole, killed) == []
    assert killed.steps == whole.steps


def test_between_two_saves_a_killed_run_repeats_steps_and_comes_to_the_same(
    make_task: MakeTask, make_collector: Callable[..., Any], folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved after every second step of eight, killed after the third."""
    now = [0.0]

    def perf_counter() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=perf_counter))
    whole = RecordedRun(lambda: make_task(views=32), make_collector, folders("whole"))
    monkeypatch.setattr(loop, "_SAVE_EVERY", 2.0)
    killed = RecordedRun(lambda: make_task(views=32), KillingCollector, folders("killed"), 3)
    assert killed.messages == ["Going on from epoch 1, step 2."]
    assert killed.steps == whole.steps + 1
    assert differing(whole, killed) == []


@pytest.mark.slow
def test_what_a_killed_run_does_not_get_back_would_show(
    make_task: MakeTask, make_collector: Callable[..., Any], folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its place among the views, its optimiser, its random state or its losses so far, it is another run."""

    def make() -> Task:
        task = make_task()
        task.model.encoder[4].append(torch.nn.Dropout2d(0.5))
        return task

    def killed(name: str) -> list[str]:
        return differing(whole, RecordedRun(make, KillingCollector, folders(name), 2))

    whole = RecordedRun(make, make_collector, folders("whole"))
    monkeypatch.setattr(loop, "_SAVE_EVERY", 0.0)
    assert killed("nothing lost") == []
    load = loop.load_state
    for lost in ("position", "optimiser", "random", "losses"):
        monkeypatch.setattr(loop, "load_state", functools.partial(_without, lost, load))
        assert ("losses" if lost == "losses" else "model.head.weight") in killed(lost), lost


def _without(lost: str, load: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """What was saved, but for one thing."""
    found = load(*arguments, **settings)
    if found is None:
        return None
    if lost == "position":
        found[0].step = 0
    elif lost == "optimiser":
        settings["optimiser"].state.clear()
    elif lost == "random":
        torch.manual_seed(99)
    else:
        found[0].sums = {}
    return found
