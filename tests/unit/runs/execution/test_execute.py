"""From settings to a finished run: a model on disk, a card that says how it came about, and a summary."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.config import RunConfig
from core.data import open_split
from core.data.datasets.dubai import AERIAL
from core.data.scene import digest
from core.evaluate import evaluate
from core.events import EpochEvent, MessageEvent, StepEvent, TeacherEvent
from core.models import count_parameters
from core.normalise import Normaliser
from core.runs import execution, teaching
from core.train.batches import epoch_batches
from core.train.loop import Outcome, Task
from tests.unit.event_collector import EventCollector
from tests.unit.runs.execution.kit import run


def test_training_leaves_a_model_that_scores_what_the_summary_says(labels: RunConfig, runs: Path) -> None:
    summary = run(labels, runs, "one")
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    loaded = checkpoint.load(checkpoint.resolve("one", runs=runs))
    dataset, split = open_split(labels.data)
    card = loaded.card
    report = evaluate(loaded.model, split.val, dataset.dataset.classes, normaliser=Normaliser.of_card(card, "cpu"))
    assert report.scores.miou5 == pytest.approx(summary["best_miou5"])
    assert card.metrics["miou5"] == summary["best_miou5"]
    assert card.metrics["split"] == "val"
    assert card.metrics["images"] == [scene.name for scene in split.val]


def test_the_card_says_what_was_done(labels: RunConfig, runs: Path) -> None:
    summary = run(labels, runs, "one")
    card = checkpoint.load_card(runs / "one" / "student")
    assert (card.name, card.model, card.classes, card.seed) == ("labels", labels.model, AERIAL, 0)
    assert (card.teacher, card.distillation) == (None, None)
    assert card.parameters == summary["parameters"] == count_parameters(checkpoint.load(runs / "one" / "student").model)
    assert card.bytes == (runs / "one" / "student.safetensors").stat().st_size
    assert card.training["seconds"] == summary["train_seconds"] > 0
    assert card.training["epochs"] == 2
    assert str(runs.parent) not in card.to_json(), "a path of this machine went into the card"


def test_the_card_lists_every_picture_by_its_pixels(labels: RunConfig, runs: Path) -> None:
    run(labels, runs, "one")
    listed = checkpoint.load_card(runs / "one" / "student").data["pictures"]
    _, split = open_split(labels.data)
    parts = {"train": split.train, "val": split.val, "test": split.test}
    assert listed == {use: sorted(digest(scene.image) for scene in scenes) for use, scenes in parts.items()}
    assert listed["train"]
    restarted = replace(labels, train=replace(labels.train, start_from="one"), data=replace(labels.data, labelled=1))
    run(restarted, runs, "two")
    again = checkpoint.load_card(runs / "two" / "student").data["pictures"]
    assert again["train"] == listed["train"], "what the model began from has learned from them"


def test_a_distillation_learns_from_its_teacher(distilled: RunConfig, runs: Path) -> None:
    collector = EventCollector()
    before = (runs / "taught" / "student.safetensors").read_bytes()
    summary = run(distilled, runs, "one", collector)
    assert set(collector.of(EpochEvent)[0].losses) == {"cross_entropy", "dice", "channel_wise"}
    card = checkpoint.load_card(runs / "one" / "student")
    assert (card.teacher, summary["teacher"]) == ("taught", "taught")
    assert card.distillation is not None
    assert card.distillation["temperature"] == 2.0
    assert (runs / "taught" / "student.safetensors").read_bytes() == before


def test_the_teacher_is_scored_in_its_own_normalisation(
    distilled: RunConfig, runs: Path, caught: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def remember(*arguments: Any, **settings: Any) -> Any:
        asked.append((settings["normaliser"].mean.tolist(), settings["normaliser"].std.tolist()))
        return evaluate(*arguments, **settings)

    monkeypatch.setattr(teaching, "evaluate", remember)
    collector = EventCollector()
    summary = run(distilled, runs, "one", collector)
    # On the validation and on the test pictures.
    assert asked == [([90.0, 100.0, 110.0], [50.0, 60.0, 70.0])] * 2
    (event,) = collector.of(TeacherEvent)
    assert event.name == "a teacher"
    assert summary["teacher_miou5"] == event.miou5
    assert caught[0].normaliser.mean.tolist() == list(execution.MEAN), "the student has its own"


@pytest.mark.parametrize("cache_views", [0, 2])
def test_the_teachers_answers_are_to_the_views_in_its_own_normalisation(
    distilled: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch, cache_views: int
) -> None:
    assert distilled.distill is not None
    config = replace(distilled, distill=replace(distilled.distill, cache_views=cache_views))
    teacher = checkpoint.load(runs / "taught" / "student").model
    seen: list[float] = []

    def compare(task: Task, **_: object) -> Outcome:
        assert task.teacher_outputs is not None
        for epoch in (0, 1):
            for batch in epoch_batches(task.sampler, epoch=epoch, views=8, batch_size=4):
                normal = (batch.images.float() - torch.tensor([90.0, 100, 110])) / torch.tensor([50.0, 60, 70])
                with torch.no_grad():
                    expected = teacher(normal.permute(0, 3, 1, 2))
                seen.append((task.teacher_outputs(batch).logits.float() - expected).abs().max().item())
        return Outcome(task.model.state_dict(), {}, 0.5, 1, 1, 60.0, False)

    monkeypatch.setattr(execution, "fit", compare)
    run(config, runs, "one")
    assert len(seen) == 4
    assert max(seen) < (0.01 if cache_views else 1e-4)


@pytest.mark.parametrize("cache", [{"cache_views": 1}, {"cache_pictures": True}])
def test_a_cache_is_announced_counted_and_removed(distilled: RunConfig, runs: Path, cache: dict[str, Any]) -> None:
    assert distilled.distill is not None
    collector = EventCollector()
    config = replace(distilled, distill=replace(distilled.distill, **cache))
    summary = run(config, runs, "one", collector)
    assert any("will take 1 MB of disk" in event.text for event in collector.of(MessageEvent))
    assert 0 < summary["cache_seconds"] < summary["train_seconds"]
    assert sorted(path.name for path in (runs / "one").iterdir()) == [
        "last.ckpt",
        "student.json",
        "student.safetensors",
    ]


def test_what_is_odd_about_the_data_is_reported(
    labels: RunConfig, runs: Path, caught: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Callable[..., Any] = open_split
    monkeypatch.setattr(
        execution, "open_split", lambda data: (replace(told(data)[0], warnings=["two masks are odd"]), told(data)[1])
    )
    collector = EventCollector()
    run(labels, runs, "one", collector)
    assert MessageEvent("two masks are odd", "warning") in collector.events
    assert len(caught) == 1
    assert any("2 training pictures" in event.text for event in collector.of(MessageEvent))


def test_an_epoch_has_as_many_views_as_asked_and_never_less_than_a_batch(
    labels: RunConfig, runs: Path, caught: list[Task]
) -> None:
    for views, expected in ((8, 8), (2, 4), (None, 4)):
        run(replace(labels, data=replace(labels.data, views_per_epoch=views)), runs, f"views {views}")
        assert caught[-1].views == expected


def test_steps_report_the_progress(labels: RunConfig, runs: Path) -> None:
    collector = EventCollector()
    run(labels, runs, "one", collector)
    assert [(event.epoch, event.step) for event in collector.of(StepEvent) if event.step == event.steps] == [
        (1, 2),
        (2, 2),
    ]
