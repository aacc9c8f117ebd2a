"""Every loss on a teacher trains a student to the end, and what it begins with is what was asked for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.config import DistillConfig, RunConfig
from core.data.datasets import dataset_of
from core.data.datasets.dubai import AERIAL
from core.errors import CheckpointError, ConfigError
from core.events import EpochEvent, MessageEvent
from core.losses.catalogue import LOSSES
from core.runs import checks, execution
from core.train.loop import Task
from core.train.step import FrozenTeacher
from tests.unit.event_collector import EventCollector
from tests.unit.runs.execution.kit import run, save_model, weights


def taught(config: RunConfig, **changes: Any) -> RunConfig:
    assert config.distill is not None
    return replace(config, distill=replace(config.distill, **changes))


@pytest.mark.parametrize("name", LOSSES)
def test_a_student_learns_by_each_loss_and_its_term_is_reported(distilled: RunConfig, runs: Path, name: str) -> None:
    collector = EventCollector()
    run(taught(distilled, losses={name: 2.0}), runs, "one", collector)
    losses = collector.of(EpochEvent)[-1].losses
    assert set(losses) == {"cross_entropy", "dice", name}
    assert losses[name] > 0
    student = checkpoint.load(runs / "one" / "student")
    assert student.card.distillation is not None
    assert student.card.distillation["losses"] == {name: 2.0}
    assert not any("adapters" in key for key in student.model.state_dict()), "what learns beside it is not shipped"


def test_terms_add_up_with_their_weights(distilled: RunConfig, runs: Path) -> None:
    once, twice = EventCollector(), EventCollector()
    for collector, weight in ((once, 1.0), (twice, 2.0)):
        losses = {"soft_targets": weight, "attention": weight}
        slow = replace(taught(distilled, losses=losses), train=replace(distilled.train, learning_rate=1e-9))
        run(slow, runs, f"weight-{weight}", collector)
    for name in ("soft_targets", "attention"):
        double, single = (collector.of(EpochEvent)[0].losses[name] for collector in (twice, once))
        assert double == pytest.approx(2 * single, rel=1e-3)


def test_mirrored_views_are_averaged(distilled: RunConfig, runs: Path, caught: list[Task]) -> None:
    """Where the teacher answers the mirrored picture otherwise, the mean of all four is what is taught."""
    run(distilled, runs, "plain")
    run(taught(distilled, average_flips=True), runs, "averaged")
    teacher = checkpoint.load(runs / "taught" / "student")
    images = torch.randint(0, 255, (1, 32, 32, 3), dtype=torch.uint8)
    batch: Any = type("Batch", (), {"images": images})
    mean, std = torch.tensor(teacher.card.mean), torch.tensor(teacher.card.std)
    pixels = ((images.float() - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        mirrored = [teacher.model(pixels.flip(axes)).flip(axes) for axes in ((), (2,), (3,), (2, 3))]
    plain, averaged = (task.teacher_outputs(batch).logits for task in caught if task.teacher_outputs)
    torch.testing.assert_close(plain, mirrored[0])
    torch.testing.assert_close(averaged, torch.stack(mirrored).mean(dim=0))
    assert not torch.allclose(plain, averaged, atol=1e-3)


def test_stored_features_teach_what_live_ones_do_and_the_teacher_rests(
    distilled: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch costs the student alone: all that differs is the rounding to half precision."""
    asked = []
    output = FrozenTeacher.output
    monkeypatch.setattr(FrozenTeacher, "output", lambda *given: asked.append(len(given[1])) or output(*given))
    losses = {"hint": 1.0, "masked_generation": 1.0, "soft_targets": 1.0}
    told, times = {}, {}
    for name, cache_views in (("live", 0), ("stored", 1)):
        asked.clear()
        collector, slow = EventCollector(), replace(distilled.train, epochs=3, learning_rate=1e-9)
        run(replace(taught(distilled, losses=losses, cache_views=cache_views), train=slow), runs, name, collector)
        told[name], times[name] = collector, sum(asked)
    assert times == {"live": 3 * 8, "stored": 8}
    words = "The teacher's outputs, with its features at encoder.4, will take 1 MB of disk while the run lasts."
    assert MessageEvent(words) in told["stored"].events
    live, stored = (told[name].of(EpochEvent)[0].losses for name in ("live", "stored"))
    assert live == pytest.approx(stored, rel=2e-3)
    assert live != stored
    first, *others = [event.losses["masked_generation"] for event in told["stored"].of(EpochEvent)]
    assert all(loss != pytest.approx(first, rel=1e-3) for loss in others), (
        "the same positions are hidden in every epoch"
    )
    assert not list((runs / "stored").glob("teacher_cache.*"))


def test_a_layer_that_the_teacher_lacks_is_refused_before_queueing(distilled: RunConfig, runs: Path) -> None:
    config = taught(distilled, losses={"hint": 1.0}, cache_views=1, teacher_layer="encoder.9")
    with pytest.raises(ConfigError, match=r"no module encoder\.9"):
        execution.check(config, runs=runs)


def test_the_disk_that_stored_features_need_is_asked_for(
    distilled: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    needed = checks.bytes_needed
    monkeypatch.setattr(checks, "bytes_needed", lambda **given: asked.append(needed(**given)) or asked[-1])
    for losses in ({"soft_targets": 1.0}, {"hint": 1.0}):
        execution.check(taught(distilled, losses=losses, cache_views=3), runs=runs)
    assert asked[1] - asked[0] == 3 * 8 * 64 * 2 * 2 * 2, "epochs, views, channels, height, width, bytes"


def test_pictures_without_labels_are_added_to_those_with(
    distilled: RunConfig, runs: Path, caught: list[Task], tmp_path: Path
) -> None:
    collector = EventCollector()
    config = replace(distilled, data=replace(distilled.data, transfer=str(tmp_path / "pictures")))
    run(config, runs, "one", collector)
    run(distilled, runs, "other")
    with_more, without = (task.sampler.scenes for task in caught)
    # The folder holds the run's own pictures: the one that validates and the one that tests stay out.
    assert len(with_more) == len(without) + 2
    assert all(scene.mask is None for scene in with_more[len(without) :])
    assert any("2 more pictures without labels" in event.text for event in collector.of(MessageEvent))


@pytest.mark.parametrize(
    ("views", "teaching", "words"),
    [
        ({"mix": 0.3}, {"alpha": 0.5}, "alpha 0"),
        ({"transfer": "samples"}, None, "without a teacher"),
        ({}, {"losses": {"softtargets": 1.0}}, "There is no loss softtargets"),
        ({}, {"losses": {}}, "at least one loss"),
        ({}, {"losses": {"soft_targets": 0.0}}, "above 0"),
        ({}, {"losses": {"soft_targets": True}}, "above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    distilled: RunConfig, runs: Path, views: dict[str, Any], teaching: dict[str, Any] | None, words: str
) -> None:
    config = replace(distilled, data=replace(distilled.data, **views))
    kind = "train" if teaching is None else "distill"
    config = replace(config, kind=kind, distill=None if teaching is None else DistillConfig("taught", **teaching))
    with pytest.raises(ConfigError, match=words):
        run(config, runs, "one")


def test_the_control_of_a_mixed_run_sees_plain_labelled_views(distilled: RunConfig) -> None:
    mixed = replace(taught(distilled, alpha=0.0), data=replace(distilled.data, mix=0.3, transfer="samples"))
    control = mixed.as_control("the run").validate()
    assert (control.data.mix, control.data.transfer, control.distill) == (0.0, None, None)


def test_a_run_begins_with_the_weights_it_names(labels: RunConfig, runs: Path, caught: list[Task]) -> None:
    save_model(runs / "first" / "student", base=2)
    run(replace(labels, train=replace(labels.train, start_from="first")), runs, "one")
    assert torch.equal(weights(runs, "one"), weights(runs, "first"))
    run(labels, runs, "fresh")
    assert not torch.equal(weights(runs, "fresh"), weights(runs, "first"))
    assert len(caught) == 2


def test_a_run_begins_with_what_a_model_of_other_classes_knows(labels: RunConfig, runs: Path) -> None:
    """Its last layer is fresh, also where there are as many classes of other names."""
    renamed = replace(AERIAL, names=(*"ABCDE", "Unlabeled"))
    fewer = replace(AERIAL, names=(*"ABC", "Unlabeled"), colours=AERIAL.colours[:4], ignore_index=3)
    for name, classes in (("same", AERIAL), ("renamed", renamed), ("fewer", fewer)):
        save_model(runs / name / "student", base=2, classes=classes)
        config = replace(labels, train=replace(labels.train, start_from=name))
        execution.check(config, runs=runs)
        begun = checks.initial_model(config, dataset_of(config.data), runs).state_dict()
        stored = checkpoint.load(runs / name / "student").model.state_dict()
        equal = {key for key, value in begun.items() if torch.equal(value, stored[key])}
        assert set(begun) - equal == (set() if name == "same" else {"head.weight", "head.bias"})


def test_a_starting_point_gives_its_weights_to_any_classes_and_answers_nothing(
    distilled: RunConfig, runs: Path
) -> None:
    """Also where the classes are those that its card names; the run that begins with it leaves a model."""
    fewer = replace(AERIAL, names=(*"ABC", "Unlabeled"), colours=AERIAL.colours[:4], ignore_index=3)
    labels = replace(distilled, kind="train", distill=None)
    for name, classes in (("same", AERIAL), ("fewer", fewer)):
        save_model(runs / name / "student", base=2, classes=classes)
        loaded = checkpoint.load(runs / name / "student")
        checkpoint.save(runs / name / "student", loaded.model, replace(loaded.card, starting_point=True))
        config = replace(labels, train=replace(labels.train, start_from=name))
        execution.check(config, runs=runs)
        begun = checks.initial_model(config, dataset_of(config.data), runs).state_dict()
        stored = loaded.model.state_dict()
        equal = {key for key, value in begun.items() if torch.equal(value, stored[key])}
        assert set(begun) - equal == {"head.weight", "head.bias"}
        with pytest.raises(CheckpointError, match="a starting point, whose last layer was never trained: begin a run"):
            checkpoint.load(runs / name / "student")
        with pytest.raises(ConfigError, match="a starting point"):
            execution.check(taught(distilled, teacher=name), runs=runs)
    run(config, runs, "begun")
    assert not checkpoint.load(runs / "begun" / "student").card.starting_point


def test_features_alone_pre_train_an_encoder_without_a_label(distilled: RunConfig, runs: Path) -> None:
    """What lies behind the features that are compared only decays; so the result serves to start from."""
    save_model(runs / "first" / "student", base=2)
    config = taught(distilled, alpha=0.0, losses={"attention": 1.0})
    run(replace(config, train=replace(config.train, start_from="first")), runs, "features")
    before, after = (checkpoint.load(runs / name / "student").model.state_dict() for name in ("first", "features"))
    learned = [key for key in after if key.endswith((".weight", ".bias"))]
    moved = {key for key in learned if not torch.allclose(after[key], before[key], rtol=1e-2, atol=1e-4)}
    assert moved
    assert {key.partition(".")[0] for key in moved} == {"encoder"}


def test_another_network_to_start_from_is_refused_before_queueing(labels: RunConfig, runs: Path) -> None:
    config = replace(labels, train=replace(labels.train, start_from="taught"))
    with pytest.raises(ConfigError, match=r"another network \(unet, base 4\): train one of its size"):
        execution.check(config, runs=runs)
    execution.check(replace(config, model=replace(config.model, arguments={"base": 4})), runs=runs)


@pytest.mark.parametrize("few", [1, 2, 9])
def test_where_few_pictures_have_labels_the_others_are_only_taught(
    distilled: RunConfig, runs: Path, caught: list[Task], few: int
) -> None:
    """And a control has only the few."""
    config = replace(distilled, data=replace(distilled.data, labelled=few))
    run(config, runs, "one")
    run(replace(config, kind="train", distill=None), runs, "two")
    taught_on, alone = (task.sampler.scenes for task in caught)
    assert len(taught_on) == 2, "all that are for training"
    assert [scene.name for scene in taught_on if scene.mask is not None] == [scene.name for scene in alone]
    assert len(alone) == min(few, 2)
    assert all(scene.mask is not None for scene in alone)
