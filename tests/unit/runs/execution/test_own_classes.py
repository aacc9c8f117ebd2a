"""Any number of classes, and pictures without labels: a run on labels leaves these out, a teacher speaks about them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import checkpoint
from core.class_mapping import class_mapping
from core.classes import ClassMap
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig
from core.data import open_split
from core.data.scene import TEACHABLE
from core.data.transforms import ViewSampler
from core.evaluate import evaluate
from core.events import EpochEvent, MessageEvent
from core.models.mapped import MappedModel
from core.normalise import Normaliser
from core.runs.checks import check
from tests.unit.event_collector import EventCollector
from tests.unit.own_dataset import own_dataset
from tests.unit.runs.execution.kit import TRAIN, run, save_model

DATA = DataConfig("plots", crop=32, views_per_epoch=4)
CONFIG = RunConfig(
    kind="train", data=DATA, model=ModelConfig("unet", {"base": 2}), train=replace(TRAIN, epochs=1, batch_size=2)
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("count", [2, 12, 255])
def test_a_teacher_and_its_student_in_so_many_classes(home: Path, count: int) -> None:
    names = tuple(f"class {number}" for number in range(count))
    own_dataset(home, names=names)
    collector = EventCollector()
    assert check(CONFIG, runs=home) == []
    run(CONFIG, home, "taught", collector)
    taught = replace(CONFIG, kind="distill", distill=DistillConfig(teacher="taught"))
    run(taught, home, "student", collector)
    card = checkpoint.load(home / "student" / "student").card
    assert card.classes.scored_names == names
    assert {*collector.of(EpochEvent)[-1].iou} == {*names}


def test_no_class_is_taken_for_what_a_teacher_may_speak_about(home: Path) -> None:
    """With 255 classes every value of a byte has its meaning."""
    own_dataset(home, names=tuple(map(str, range(255))))
    loaded, split = open_split(DATA)
    assert [scene.name for scene in split.train if scene.mask is None] == ["e"]
    labelled = [scene for scene in split.train if scene.mask is not None]
    ignored = loaded.dataset.classes.ignore_index
    assert TEACHABLE not in range(256)
    for scenes, expected in ((labelled, {254, ignored}), (split.train[-1:], {TEACHABLE})):
        sampler = ViewSampler(scenes, crop=48, scale=(1.0, 1.0), colour=0.0, ignore_index=ignored, seed=0)
        seen = {int(value) for index in range(8) for value in np.unique(sampler.view(0, index)[1])}
        assert expected <= seen
        assert (TEACHABLE in seen) == (expected == {TEACHABLE} == seen)


def test_pictures_without_labels_are_for_a_teacher_alone(home: Path) -> None:
    own_dataset(home, unlabelled=("e", "f"))
    save_model(home / "taught" / "student", base=4, classes=open_split(DATA)[0].dataset.classes)
    collector = EventCollector()
    run(CONFIG, home, "labels", collector)
    taught = replace(CONFIG, kind="distill", distill=DistillConfig(teacher="taught", alpha=0.0, cache_pictures=True))
    run(taught, home, "both", collector)
    _, split = open_split(DATA)
    assert [scene.name for scene in split.train] == ["a", "b", "e", "f"]
    assert "2 more have no labels: a student learns what its teacher says of them." in split.note
    stored = [message for message in messages(collector) if message.startswith("Stored the teacher's outputs")]
    assert stored == ["Stored the teacher's outputs for 4 pictures."]


def test_only_labelled_pictures_can_keep_their_labels(home: Path) -> None:
    own_dataset(home)
    collector = EventCollector()
    run(replace(CONFIG, data=replace(DATA, labelled=1)), home, "few", collector)
    assert "1 of 2 training pictures keep their labels." in messages(collector)


def test_the_test_pictures_are_scored_in_the_end(home: Path) -> None:
    own_dataset(home)
    collector = EventCollector()
    summary = run(CONFIG, home, "one", collector)
    loaded = checkpoint.load(home / "one" / "student")
    card, (_, split) = loaded.card, open_split(DATA)
    assert [scene.name for scene in split.test] == ["d"]
    report = evaluate(loaded.model, split.test, card.classes, normaliser=Normaliser.of_card(card, "cpu"))
    assert (summary["test_miou5"], summary["test_images"]) == (pytest.approx(report.scores.miou5), 1)
    assert any(text.startswith("On the test picture its mIoU is ") for text in messages(collector))
    assert "teacher_test_miou5" not in summary


def test_the_teacher_is_scored_on_the_test_pictures_of_its_student(home: Path) -> None:
    """In the classes of the data, where its own are others: what a gap closed is measured by."""
    own_dataset(home)
    classes = open_split(DATA)[0].dataset.classes
    theirs = ("Else", *classes.scored_names)
    colours = ((1, 2, 3), *classes.colours)
    save_model(home / "taught" / "student", base=4, classes=ClassMap((*theirs, "Rest"), colours, len(theirs)))
    said = dict(zip(theirs, ("", *classes.scored_names), strict=True))
    distill = DistillConfig(teacher="taught", alpha=0.0, cache_pictures=True, map_classes=said)
    summary = run(replace(CONFIG, kind="distill", distill=distill), home, "both", EventCollector())
    loaded, test = checkpoint.load(home / "taught" / "student"), open_split(DATA)[1].test
    mapping = class_mapping(theirs, classes.scored_names, said)
    mapped = MappedModel(loaded.model, mapping)
    report = evaluate(mapped, test, classes, normaliser=Normaliser.of_card(loaded.card, "cpu"))
    assert summary["teacher_test_miou5"] == pytest.approx(report.scores.miou5)


def messages(collector: EventCollector) -> list[str]:
    return [event.text for event in collector.of(MessageEvent)]


@pytest.mark.parametrize("stored", [{}, {"cache_pictures": True}, {"cache_views": 1}])
def test_a_teacher_of_other_classes_teaches_by_a_mapping(home: Path, stored: dict[str, object]) -> None:
    own_dataset(home, names=("Ground", "House", "Pond"))
    save_model(home / "taught" / "student", base=4)
    mapped = {"Building": "House", "Land": "Ground", "Road": "Ground", "Vegetation": "Ground", "Water": ""}
    distill = DistillConfig(teacher="taught", map_classes=mapped, **stored)  # type: ignore[arg-type]
    config = RunConfig.from_json(replace(CONFIG, kind="distill", distill=distill).to_json())
    told = (
        "The teacher's Land, Road and Vegetation stand for Ground, Building stands for House. Where it finds Water, it "
        "has no word: the student learns from labels alone. It knows nothing of Pond: only labels teach that."
    )
    assert told in check(config, runs=home)
    collector = EventCollector()
    run(config, home, "student", collector)
    assert told in messages(collector)
    assert checkpoint.load(home / "student" / "student").card.classes.scored_names == ("Ground", "House", "Pond")
