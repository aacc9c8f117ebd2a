"""A run learns, keeps its best weights, tells what it does, stops when asked, and lasts as long as it was given."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.config import DistillConfig
from core.data.datasets.dubai import AERIAL
from core.data.scene import Scene
from core.evaluate import evaluate
from core.events import CancelledError, EpochEvent, MessageEvent, PreviewEvent, StepEvent
from core.train import loop
from core.train.batches import Batch
from core.train.loop import Task, fit
from core.train.step import TeacherOutput

MakeTask = Callable[..., Task]


def test_the_loss_falls_and_the_score_rises(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    outcome = collector.run(make_task(epochs=8, views=32), tmp_path)
    epochs = collector.of(EpochEvent)
    assert epochs[-1].losses["cross_entropy"] < 0.75 * epochs[0].losses["cross_entropy"]
    assert outcome.best_miou5 > 1.5 * epochs[0].miou5
    assert outcome.best_miou5 > 0.2
    assert not outcome.collapsed


def test_the_best_weights_are_kept_with_their_scores(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    task = make_task(epochs=6)
    outcome = collector.run(task, tmp_path)
    by_epoch = [event.miou5 for event in collector.of(EpochEvent)]
    assert outcome.best_miou5 == max(by_epoch)
    assert outcome.best_epoch == 1 + int(np.argmax(by_epoch))
    assert outcome.best_epoch < 6 or by_epoch[-1] == max(by_epoch)
    task.model.load_state_dict(outcome.weights)
    normal = task.normaliser
    report = evaluate(task.model, task.validation, AERIAL, normaliser=normal)
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


def test_what_is_told(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    collector.run(make_task(epochs=4, validate_every=3), tmp_path)
    assert [event.epoch for event in collector.of(EpochEvent)] == [3, 4]
    assert [event.epoch for event in collector.of(PreviewEvent)] == [3, 4]
    last_steps = [event for event in collector.of(StepEvent) if event.step == event.steps]
    assert [event.epoch for event in last_steps] == [1, 2, 3, 4]
    for event in collector.of(StepEvent):
        assert (event.epochs, event.steps) == (4, 4)
        assert set(event.losses) == {"cross_entropy", "dice"}
        assert event.seconds_left >= 0
        assert event.images_per_second > 0
    assert last_steps[-1].seconds_left == 0
    assert last_steps[-1].learning_rate == pytest.approx(2e-2 / 1000)
    assert collector.of(EpochEvent)[0].iou.keys() == set(AERIAL.scored_names)


def test_the_losses_of_an_epoch_are_the_mean_of_its_steps(
    make_task: MakeTask, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_REPORT_EVERY", 0.0)
    collector.run(make_task(epochs=1), tmp_path)
    steps, (epoch,) = collector.of(StepEvent), collector.of(EpochEvent)
    for name in ("cross_entropy", "dice"):
        assert epoch.losses[name] == pytest.approx(np.mean([step.losses[name] for step in steps]), rel=1e-5)


def test_a_stop_saves_and_raises(make_task: MakeTask, make_collector: Callable[..., Any], tmp_path: Path) -> None:
    collector = make_collector(stop_at=2)
    with pytest.raises(CancelledError):
        collector.run(make_task(), tmp_path)
    assert (tmp_path / "last.ckpt" / "state.safetensors").is_file()
    assert collector.of(EpochEvent) == []
    going_on = make_collector()
    going_on.run(make_task(), tmp_path)
    assert going_on.of(MessageEvent)[0].text == "Going on from epoch 1, step 2."


def test_a_stop_before_the_first_step(make_task: MakeTask, make_collector: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        make_collector(stop_at=0).run(make_task(), tmp_path)
    assert make_collector().run(make_task(), tmp_path).epochs == 3


def test_a_run_that_is_done_is_not_trained_again(
    make_task: MakeTask, make_collector: Callable[..., Any], tmp_path: Path
) -> None:
    first, again = make_collector(), make_collector()
    one = first.run(make_task(), tmp_path)
    two = again.run(make_task(), tmp_path)
    assert again.of(StepEvent) == again.of(EpochEvent) == []
    assert (one.best_miou5, one.best_epoch, one.scores, one.seconds) == (
        two.best_miou5,
        two.best_epoch,
        two.scores,
        two.seconds,
    )
    assert all(torch.equal(value, two.weights[key]) for key, value in one.weights.items())


def test_without_resume_it_starts_over(make_task: MakeTask, make_collector: Callable[..., Any], tmp_path: Path) -> None:
    make_collector().run(make_task(epochs=1), tmp_path)
    again = make_collector()
    again.run(make_task(epochs=1), tmp_path, resume=False)
    assert [event.epoch for event in again.of(EpochEvent)] == [1]


def test_the_teacher_sees_the_very_views_that_the_student_sees(
    make_task: MakeTask, collector: Any, tmp_path: Path
) -> None:
    taught: list[Tensor] = []
    learnt: list[Tensor] = []

    def teacher(batch: Batch) -> TeacherOutput:
        taught.append(batch.images)
        return TeacherOutput(torch.zeros(len(batch.images), 5, 32, 32))

    task = make_task(epochs=2, distill=DistillConfig(), teacher_outputs=teacher)
    task.model.register_forward_pre_hook(lambda module, inputs: learnt.append(inputs[0]) if module.training else None)
    collector.run(task, tmp_path)
    assert len(taught) == len(learnt) == 8
    for images, inputs in zip(taught, learnt, strict=True):
        torch.testing.assert_close(task.normaliser(images), inputs)
    assert len({images.numpy().tobytes() for images in taught}) == 8
    assert set(collector.of(EpochEvent)[0].losses) == {"cross_entropy", "dice", "channel_wise"}


def test_replayed_views_come_round_again(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def teacher(batch: Batch) -> TeacherOutput:
        seen.append(batch.images.numpy().tobytes())
        return TeacherOutput(torch.zeros(len(batch.images), 5, 32, 32))

    task = make_task(epochs=5, views=8, distill=DistillConfig(cache_views=2), teacher_outputs=teacher, view_epochs=2)
    collector.run(task, tmp_path)
    epochs = [tuple(seen[at : at + 2]) for at in range(0, 10, 2)]
    assert epochs[0] == epochs[2] == epochs[4]
    assert epochs[1] == epochs[3]
    assert epochs[0] != epochs[1]


def test_fewer_views_than_a_batch_are_one_step(
    make_task: MakeTask, collector: Any, tmp_path: Path, scene: Scene
) -> None:
    task = make_task(epochs=2, views=7, validation=[scene, scene])
    collector.run(task, tmp_path)
    assert {event.steps for event in collector.of(StepEvent)} == {1}


def test_of_epochs_with_one_score_the_first_is_the_best(
    make_task: MakeTask, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = loop.validate

    def always_the_same(*arguments: Any) -> Any:
        found = told(*arguments)
        return replace(found, scores=replace(found.scores, miou5=0.5))

    monkeypatch.setattr(loop, "validate", always_the_same)
    assert collector.run(make_task(epochs=3), tmp_path).best_epoch == 1
