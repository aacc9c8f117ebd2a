"""A run that was stopped or killed, and resumed, is bit for bit the run that was not."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.config import DistillConfig
from core.train import loop
from core.train.batches import Batch
from core.train.events import EpochEvent, MessageEvent
from core.train.loop import Outcome, RunCancelledError, Task
from core.train.step import Answer
from tests.unit.ear import Ear

MakeTask = Callable[..., Task]
Folders = Callable[[str], Path]

PLAIN: dict[str, Any] = {}
AVERAGED = {"ema": 0.9}
SPARSE = {"validate_every": 2, "schedule": "cosine"}


def teacher(batch: Batch) -> Answer:
    """An answer that depends on the view alone."""
    red = batch.images[..., 0].float() / 64
    return Answer(torch.stack([torch.sin(red + at) * 3 for at in range(5)], dim=1))


class KilledError(Exception):
    """Nobody in the loop waits for this one: as after a kill, what is on the disk by then is all there is."""


class Fragile(Ear):
    """Kills the run at look number `stop_at`, instead of asking it to stop."""

    def cancelled(self) -> bool:
        if super().cancelled():
            raise KilledError
        return False


class Story:
    """A run from its start to its end, stopped at some steps on the way; what it left and what it told."""

    def __init__(self, make: Callable[[], Task], make_ear: Callable[..., Any], folder: Path, *stops: int) -> None:
        losses: dict[int, tuple[dict[str, float], float | None]] = {}
        self.steps, self.told = 0, list[str]()
        for stop_at in (*stops, None):
            ear, task = make_ear(stop_at=stop_at), make()
            task.model.register_forward_pre_hook(lambda module, _: self._count(module.training))
            with contextlib.suppress(RunCancelledError, KilledError):
                self.outcome: Outcome = ear.run(task, folder)
            self.told += [event.text for event in ear.of(MessageEvent)]
            # What a killed run told after it had last saved is told again.
            losses |= {event.epoch: (event.losses, event.miou5) for event in ear.of(EpochEvent)}
        self.losses = losses
        self.tensors = load_file(folder / "last.ckpt" / "state.safetensors")

    def _count(self, training: bool) -> None:
        self.steps += training


def differing(one: Story, other: Story) -> list[str]:
    assert one.tensors.keys() == other.tensors.keys()
    found = [key for key, value in one.tensors.items() if not torch.equal(value, other.tensors[key])]
    found += [
        f"shipped {key}"
        for key, value in one.outcome.weights.items()
        if not torch.equal(value, other.outcome.weights[key])
    ]
    mine, theirs = one.outcome, other.outcome
    if (mine.scores, mine.best_epoch, mine.epochs) != (theirs.scores, theirs.best_epoch, theirs.epochs):
        found.append("outcome")
    if one.losses != other.losses:
        found.append("losses")
    return found


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
    make_ear: Callable[..., Any],
    folders: Folders,
    settings: dict[str, Any],
    stops: tuple[int, ...],
) -> None:
    whole = Story(lambda: make_task(**settings), make_ear, folders("whole"))
    stopped = Story(lambda: make_task(**settings), make_ear, folders("stopped"), *stops)
    assert differing(whole, stopped) == []


@pytest.mark.parametrize("view_epochs", [None, 2])
def test_a_distillation(
    make_task: MakeTask, make_ear: Callable[..., Any], folders: Folders, view_epochs: int | None
) -> None:
    def make() -> Task:
        return make_task(distill=DistillConfig(alpha=0.5), answers=teacher, view_epochs=view_epochs)

    whole = Story(make, make_ear, folders("whole"))
    stopped = Story(make, make_ear, folders("stopped"), 2, 6)
    assert differing(whole, stopped) == []


def test_another_seed_is_another_run(make_task: MakeTask, make_ear: Callable[..., Any], folders: Folders) -> None:
    """Without this, a comparison that compared nothing would pass."""
    one = Story(lambda: make_task(seed=0), make_ear, folders("one"))
    other = Story(lambda: make_task(seed=1), make_ear, folders("other"))
    found = differing(one, other)
    assert "model.head.weight" in found
    assert "shipped head.weight" in found
    assert "losses" in found


def test_the_teacher_is_part_of_what_is_learnt(
    make_task: MakeTask, make_ear: Callable[..., Any], folders: Folders
) -> None:
    distill = DistillConfig(alpha=0.5)
    taught = Story(lambda: make_task(distill=distill, answers=teacher), make_ear, folders("taught"))
    alone = Story(make_task, make_ear, folders("alone"))
    assert "model.head.weight" in differing(taught, alone)


def test_a_stop_that_lost_a_step_would_show(
    make_task: MakeTask, make_ear: Callable[..., Any], folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison sees as little as one batch seen twice."""
    whole = Story(make_task, make_ear, folders("whole"))
    load = loop.load_state

    def one_step_back(*arguments: Any, **settings: Any) -> Any:
        found = load(*arguments, **settings)
        if found is not None:
            found[0].step -= 1
        return found

    monkeypatch.setattr(loop, "load_state", one_step_back)
    stopped = Story(make_task, make_ear, folders("stopped"), 2)
    assert "model.head.weight" in differing(whole, stopped)


KILLED_IN_AN_EPOCH = (3,)
KILLED_AT_ONCE_AND_LATER = (0, 8)
KILLED_WHILE_VALIDATING = (4,)
KILLED_AGAIN_AND_AGAIN = (2, 2, 3, 1)


@pytest.mark.parametrize(
    "settings", [PLAIN, AVERAGED, SPARSE, {"accumulate": 2}, {"distill": DistillConfig(alpha=0.5)}]
)
@pytest.mark.parametrize(
    "kills", [KILLED_IN_AN_EPOCH, KILLED_AT_ONCE_AND_LATER, KILLED_WHILE_VALIDATING, KILLED_AGAIN_AND_AGAIN]
)
def test_a_killed_run_goes_on_within_its_epoch(
    make_task: MakeTask,
    make_ear: Callable[..., Any],
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    kills: tuple[int, ...],
) -> None:
    """Where every step is saved, none is done twice. (In earnest it is one step in so many seconds.)"""

    def make() -> Task:
        return make_task(answers=teacher if "distill" in settings else None, **settings)

    whole = Story(make, make_ear, folders("whole"))
    monkeypatch.setattr(loop, "_SAVE_EVERY", 0.0)
    killed = Story(make, Fragile, folders("killed"), *kills)
    assert differing(whole, killed) == []
    assert killed.steps == whole.steps


def test_between_two_saves_a_killed_run_repeats_steps_and_comes_to_the_same(
    make_task: MakeTask, make_ear: Callable[..., Any], folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved after every second step of eight, killed after the third."""
    now = [0.0]

    def perf_counter() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=perf_counter))
    whole = Story(lambda: make_task(views=32), make_ear, folders("whole"))
    monkeypatch.setattr(loop, "_SAVE_EVERY", 2.0)
    killed = Story(lambda: make_task(views=32), Fragile, folders("killed"), 3)
    assert killed.told == ["Going on from epoch 1, step 2."]
    assert killed.steps == whole.steps + 1
    assert differing(whole, killed) == []


@pytest.mark.parametrize("lost", ["position", "optimiser", "random", "losses"])
def test_what_a_killed_run_does_not_get_back_would_show(
    make_task: MakeTask,
    make_ear: Callable[..., Any],
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    """Without its place among the views, its optimiser, its random state or its losses so far, it is another run."""

    def make() -> Task:
        task = make_task()
        task.model.encoder[4].append(torch.nn.Dropout2d(0.5))
        return task

    whole = Story(make, make_ear, folders("whole"))
    monkeypatch.setattr(loop, "_SAVE_EVERY", 0.0)
    same = Story(make, Fragile, folders("same"), 2)
    assert differing(whole, same) == []
    load = loop.load_state

    def forgetful(*arguments: Any, **settings: Any) -> Any:
        if (found := load(*arguments, **settings)) is None:
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

    monkeypatch.setattr(loop, "load_state", forgetful)
    killed = Story(make, Fragile, folders("killed"), 2)
    assert ("losses" if lost == "losses" else "model.head.weight") in differing(whole, killed)
