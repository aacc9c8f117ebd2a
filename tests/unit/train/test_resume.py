"""A run that was stopped and resumed is, bit for bit, the run that was not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config import DistillConfig
from core.train import loop
from core.train.loop import Task
from tests.unit.train.recorded_run import AVERAGED, PLAIN, SPARSE, RecordedRun, differing, teacher

MakeTask = Callable[..., Task]
Folders = Callable[[str], Path]
_undisturbed: dict[str, RecordedRun] = {}


# Five looks at `cancelled` an epoch: one before each of its four steps, one while it validates.
IN_THE_MIDDLE = (2,)
AT_THE_END_OF_AN_EPOCH = (4,)
AT_THE_START_OF_THE_NEXT = (5,)
TWICE_IN_ONE_EPOCH = (1, 2)
AGAIN_AND_AGAIN = (3, 3, 0, 2, 1)


@pytest.mark.parametrize(
    ("settings", "stops"),
    [
        (PLAIN, IN_THE_MIDDLE),
        (PLAIN, AT_THE_END_OF_AN_EPOCH),
        (PLAIN, AT_THE_START_OF_THE_NEXT),
        (PLAIN, TWICE_IN_ONE_EPOCH),
        (AVERAGED, IN_THE_MIDDLE),
        (AVERAGED, AGAIN_AND_AGAIN),
        (SPARSE, AGAIN_AND_AGAIN),
    ],
)
def test_labels_only(
    make_task: MakeTask,
    make_collector: Callable[..., Any],
    folders: Folders,
    settings: dict[str, Any],
    stops: tuple[int, ...],
) -> None:
    whole = _undisturbed.get(str(settings)) or RecordedRun(
        lambda: make_task(**settings), make_collector, folders("whole")
    )
    _undisturbed[str(settings)] = whole
    stopped = RecordedRun(lambda: make_task(**settings), make_collector, folders("stopped"), *stops)
    assert differing(whole, stopped) == []


@pytest.mark.parametrize("view_epochs", [None, 2])
def test_a_distillation(
    make_task: MakeTask, make_collector: Callable[..., Any], folders: Folders, view_epochs: int | None
) -> None:
    def make() -> Task:
        return make_task(distill=DistillConfig(alpha=0.5), teacher_outputs=teacher, view_epochs=view_epochs)

    whole = RecordedRun(make, make_collector, folders("whole"))
    stopped = RecordedRun(make, make_collector, folders("stopped"), 2, 6)
    assert differing(whole, stopped) == []


def test_another_seed_is_another_run(make_task: MakeTask, make_collector: Callable[..., Any], folders: Folders) -> None:
    """Without this, a comparison that compared nothing would pass."""
    one = RecordedRun(lambda: make_task(seed=0), make_collector, folders("one"))
    other = RecordedRun(lambda: make_task(seed=1), make_collector, folders("other"))
    found = differing(one, other)
    assert "model.head.weight" in found
    assert "shipped head.weight" in found
    assert "losses" in found


def test_the_teacher_is_part_of_what_is_learnt(
    make_task: MakeTask, make_collector: Callable[..., Any], folders: Folders
) -> None:
    distill = DistillConfig(alpha=0.5)
    taught = RecordedRun(lambda: make_task(distill=distill, teacher_outputs=teacher), make_collector, folders("taught"))
    alone = RecordedRun(make_task, make_collector, folders("alone"))
    assert "model.head.weight" in differing(taught, alone)


def test_a_stop_that_lost_a_step_would_show(
    make_task: MakeTask, make_collector: Callable[..., Any], folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison sees as little as one batch seen twice."""
    whole = RecordedRun(make_task, make_collector, folders("whole"))
    load = loop.load_state

    def one_step_back(*arguments: Any, **settings: Any) -> Any:
        found = load(*arguments, **settings)
        if found is not None:
            found[0].step -= 1
        return found

    monkeypatch.setattr(loop, "load_state", one_step_back)
    stopped = RecordedRun(make_task, make_collector, folders("stopped"), 2)
    assert "model.head.weight" in differing(whole, stopped)
