"""A run learns, keeps its best weights, tells what it does, hears a stop, and lasts as long as it was given."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.classes import AERIAL
from core.config import DistillConfig
from core.data.scene import Scene
from core.evaluate import evaluate
from core.train import loop
from core.train.batches import Batch
from core.train.events import EpochEvent, MessageEvent, PreviewEvent, StepEvent
from core.train.loop import Outcome, RunCancelledError, Task, fit
from core.train.step import Stepper

MakeTask = Callable[..., Task]


def run(task: Task, ear: Any, folder: Path, **settings: bool) -> Outcome:
    return fit(task, emit=ear.emit, cancelled=ear.cancelled, folder=folder, **settings)


def test_the_loss_falls_and_the_score_rises(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    outcome = run(make_task(epochs=8, views=32), ear, tmp_path)
    epochs = ear.of(EpochEvent)
    assert epochs[-1].losses["cross_entropy"] < 0.75 * epochs[0].losses["cross_entropy"]
    assert outcome.best_miou5 > 1.5 * epochs[0].miou5
    assert outcome.best_miou5 > 0.2


def test_the_best_weights_are_kept_with_their_scores(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    task = make_task(epochs=6)
    outcome = run(task, ear, tmp_path)
    by_epoch = [event.miou5 for event in ear.of(EpochEvent)]
    assert outcome.best_miou5 == max(by_epoch)
    assert outcome.best_epoch == 1 + int(np.argmax(by_epoch))
    assert outcome.best_epoch < 6 or by_epoch[-1] == max(by_epoch)
    task.model.load_state_dict(outcome.weights)
    normal = task.normaliser
    report = evaluate(
        task.model, task.validation, AERIAL, mean=normal.mean.tolist(), std=normal.std.tolist(), device="cpu"
    )
    assert report.scores.miou5 == outcome.best_miou5
    assert report.scores.to_json() == outcome.scores


def test_the_best_weights_do_not_move_with_the_model(
    make_task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first epoch is made the best; its weights must be those of a run that ended there."""
    told = loop.validate

    def worse_and_worse(*arguments: Any) -> Any:
        found = told(*arguments)
        return replace(found, scores=replace(found.scores, miou5=1 / arguments[4]))

    monkeypatch.setattr(loop, "validate", worse_and_worse)
    first: dict[str, Tensor] = {}

    def remember(event: Any) -> None:
        if isinstance(event, EpochEvent) and event.best:
            first.update({key: value.clone() for key, value in task.model.state_dict().items()})

    task = make_task(epochs=3)
    outcome = fit(task, emit=remember, cancelled=lambda: False, folder=tmp_path)
    assert outcome.best_epoch == 1
    assert all(torch.equal(value, first[key]) for key, value in outcome.weights.items())
    assert not all(torch.equal(value, first[key]) for key, value in task.model.state_dict().items())


def test_averaged_weights_are_what_is_scored_and_shipped(make_task: MakeTask, tmp_path: Path) -> None:
    """With one step an epoch and two epochs: average = decay · first + (1 − decay) · second, also of statistics."""
    after: list[dict[str, Tensor]] = []
    task = make_task(epochs=2, views=4, ema=0.75)

    def remember(event: Any) -> None:
        if isinstance(event, EpochEvent):
            after.append({key: value.clone() for key, value in task.model.state_dict().items()})

    trainer = loop._Trainer(task, remember, lambda: False, tmp_path)
    trainer.run(resume=False)
    averaged = trainer.scored.state_dict()
    for key in averaged:
        if averaged[key].is_floating_point():
            torch.testing.assert_close(averaged[key], 0.75 * after[0][key] + 0.25 * after[1][key])
    assert set(averaged) == set(after[0])


def test_what_is_told(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    run(make_task(epochs=4, validate_every=3), ear, tmp_path)
    assert [event.epoch for event in ear.of(EpochEvent)] == [3, 4]
    assert [event.epoch for event in ear.of(PreviewEvent)] == [3, 4]
    last_steps = [event for event in ear.of(StepEvent) if event.step == event.steps]
    assert [event.epoch for event in last_steps] == [1, 2, 3, 4]
    for event in ear.of(StepEvent):
        assert (event.epochs, event.steps) == (4, 4)
        assert set(event.losses) == {"cross_entropy", "dice"}
        assert event.seconds_left >= 0
        assert event.images_per_second > 0
    assert last_steps[-1].seconds_left == 0
    assert last_steps[-1].learning_rate == pytest.approx(2e-2 / 1000)
    assert ear.of(EpochEvent)[0].iou.keys() == set(AERIAL.scored_names)


def test_the_losses_of_an_epoch_are_the_mean_of_its_steps(
    make_task: MakeTask, ear: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_TELL_EVERY", 0.0)
    run(make_task(epochs=1), ear, tmp_path)
    steps, (epoch,) = ear.of(StepEvent), ear.of(EpochEvent)
    for name in ("cross_entropy", "dice"):
        assert epoch.losses[name] == pytest.approx(np.mean([step.losses[name] for step in steps]), rel=1e-5)


def test_a_stop_saves_and_raises(make_task: MakeTask, make_ear: Callable[..., Any], tmp_path: Path) -> None:
    ear = make_ear(stop_at=2)
    with pytest.raises(RunCancelledError):
        run(make_task(), ear, tmp_path)
    assert (tmp_path / "last.ckpt" / "state.safetensors").is_file()
    assert ear.of(EpochEvent) == []
    going_on = make_ear()
    run(make_task(), going_on, tmp_path)
    assert going_on.of(MessageEvent)[0].text == "Going on from epoch 1, step 2."


def test_a_stop_before_the_first_step(make_task: MakeTask, make_ear: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(RunCancelledError):
        run(make_task(), make_ear(stop_at=0), tmp_path)
    assert run(make_task(), make_ear(), tmp_path).epochs == 3


def test_a_run_that_is_done_is_not_trained_again(
    make_task: MakeTask, make_ear: Callable[..., Any], tmp_path: Path
) -> None:
    first, again = make_ear(), make_ear()
    one = run(make_task(), first, tmp_path)
    two = run(make_task(), again, tmp_path)
    assert again.of(StepEvent) == again.of(EpochEvent) == []
    assert (one.best_miou5, one.best_epoch, one.scores, one.seconds) == (
        two.best_miou5,
        two.best_epoch,
        two.scores,
        two.seconds,
    )
    assert all(torch.equal(value, two.weights[key]) for key, value in one.weights.items())


def test_without_resume_it_starts_over(make_task: MakeTask, make_ear: Callable[..., Any], tmp_path: Path) -> None:
    run(make_task(epochs=1), make_ear(), tmp_path)
    again = make_ear()
    run(make_task(epochs=1), again, tmp_path, resume=False)
    assert [event.epoch for event in again.of(EpochEvent)] == [1]


def one_class_only(task: Task) -> Task:
    """The same task with a model that says class 2 whatever it sees, and hardly learns otherwise."""
    with torch.no_grad():
        head = task.model.head
        head.weight.zero_()  # type: ignore[union-attr,operator]
        head.bias.copy_(torch.tensor([0.0, 0.0, 1000.0, 0.0, 0.0]))  # type: ignore[union-attr,operator]
    return task


def test_a_collapse_is_told_once_with_advice(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    outcome = run(one_class_only(make_task(epochs=3, learning_rate=1e-9)), ear, tmp_path)
    (warning,) = [event for event in ear.of(MessageEvent) if event.level == "warning"]
    assert "Collapsed: after epoch 1" in warning.text
    assert "Road" in warning.text
    assert "lower learning rate" in warning.text
    assert outcome.collapsed


def test_one_class_in_the_first_quarter_is_no_collapse_yet(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    run(one_class_only(make_task(epochs=8, learning_rate=1e-9)), ear, tmp_path)
    (warning,) = [event for event in ear.of(MessageEvent) if event.level == "warning"]
    assert "Collapsed: after epoch 2" in warning.text


def test_a_run_that_recovers_is_not_collapsed(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    outcome = run(make_task(epochs=8, views=32), ear, tmp_path)
    assert not outcome.collapsed


def test_a_run_whose_numbers_explode_is_called_collapsed(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    task = make_task(epochs=1)
    with torch.no_grad():
        task.model.head.bias.fill_(math.nan)  # type: ignore[union-attr,operator]
    assert run(task, ear, tmp_path).collapsed


def clock(monkeypatch: pytest.MonkeyPatch, *costs: float) -> None:
    """Steps that learn nothing and cost this many seconds each, the last cost for good: the clock is looked at once a
    step, and once at the start."""
    left, now = list(costs), [0.0]

    def perf_counter() -> float:
        now[0] += left.pop(0) if len(left) > 1 else left[0]
        return now[0]

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=perf_counter))
    monkeypatch.setattr(Stepper, "step", lambda *_: {"cross_entropy": torch.tensor(1.0)})


@pytest.mark.parametrize(
    ("views", "budget", "epochs"),
    [(16, 40.0, 10), (16, 42.9, 11), (16, 1.0, 2), (64, 80.0, 5), (4, 6.0, 6), (8, 12.0, 6), (12, 15.0, 5)],
)
def test_a_budget_of_seconds_lengthens_the_run_to_whole_epochs(
    make_task: MakeTask,
    ear: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    views: int,
    budget: float,
    epochs: int,
) -> None:
    """At one second a step, however few steps an epoch has, and never fewer epochs than were asked for."""
    clock(monkeypatch, 1.0)
    outcome = run(make_task(epochs=2, views=views, match_seconds=budget, validate_every=100), ear, tmp_path)
    assert outcome.epochs == epochs
    assert outcome.seconds == pytest.approx(epochs * views / 4)


def test_slow_first_steps_are_not_taken_for_the_pace(
    make_task: MakeTask, ear: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A translated model spends a minute before its first step."""
    clock(monkeypatch, 1.0, 60.0, 5.0, 5.0, 1.0)
    outcome = run(make_task(epochs=1, views=32, match_seconds=48.0, validate_every=100), ear, tmp_path)
    assert outcome.epochs == 6


@pytest.mark.parametrize("stop_at", [1, 2, 5, 7])
def test_a_run_stopped_in_its_first_epoch_is_lengthened_all_the_same(
    make_task: MakeTask,
    make_ear: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop_at: int,
) -> None:
    clock(monkeypatch, 1.0)
    settings = {"epochs": 1, "views": 32, "match_seconds": 40.0, "validate_every": 100}
    with pytest.raises(RunCancelledError):
        run(make_task(**settings), make_ear(stop_at=stop_at), tmp_path)
    assert run(make_task(**settings), make_ear(), tmp_path).epochs == 5


def test_a_run_is_lengthened_once(
    make_task: MakeTask, make_ear: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate depends on the length: a machine that is faster after a resume must not bend the curve again."""
    settings = {"epochs": 1, "views": 128, "match_seconds": 96.0, "validate_every": 100}
    clock(monkeypatch, 1.0)
    with pytest.raises(RunCancelledError):
        run(make_task(**settings), make_ear(stop_at=14), tmp_path)
    clock(monkeypatch, 0.25)
    assert run(make_task(**settings), make_ear(), tmp_path).epochs == 3


def test_seconds_add_up_over_a_stop(
    make_task: MakeTask, make_ear: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, 1.0)
    with pytest.raises(RunCancelledError):
        run(make_task(epochs=2), make_ear(stop_at=6), tmp_path)
    assert run(make_task(epochs=2), make_ear(), tmp_path).seconds == pytest.approx(8.0)


def test_the_teacher_sees_the_very_views_that_the_student_sees(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    taught: list[Tensor] = []
    learnt: list[Tensor] = []

    def teacher(batch: Batch) -> Tensor:
        taught.append(batch.images)
        return torch.zeros(len(batch.images), 5, 32, 32)

    task = make_task(epochs=2, distill=DistillConfig(), teacher_logits=teacher)
    task.model.register_forward_pre_hook(lambda module, inputs: learnt.append(inputs[0]) if module.training else None)
    run(task, ear, tmp_path)
    assert len(taught) == len(learnt) == 8
    for images, inputs in zip(taught, learnt, strict=True):
        torch.testing.assert_close(task.normaliser(images), inputs)
    assert len({images.numpy().tobytes() for images in taught}) == 8
    assert set(ear.of(EpochEvent)[0].losses) == {"cross_entropy", "dice", "soft_targets"}


def test_replayed_views_come_round_again(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def teacher(batch: Batch) -> Tensor:
        seen.append(batch.images.numpy().tobytes())
        return torch.zeros(len(batch.images), 5, 32, 32)

    task = make_task(epochs=5, views=8, distill=DistillConfig(cache_views=2), teacher_logits=teacher, view_epochs=2)
    run(task, ear, tmp_path)
    epochs = [tuple(seen[at : at + 2]) for at in range(0, 10, 2)]
    assert epochs[0] == epochs[2] == epochs[4]
    assert epochs[1] == epochs[3]
    assert epochs[0] != epochs[1]


def test_fewer_views_than_a_batch_are_one_step(make_task: MakeTask, ear: Any, tmp_path: Path, scene: Scene) -> None:
    task = make_task(epochs=2, views=7, validation=[scene, scene])
    run(task, ear, tmp_path)
    assert {event.steps for event in ear.of(StepEvent)} == {1}
