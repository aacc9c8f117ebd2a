"""A dataset that is registered by one entry is opened, parted, trained on and scored, with classes of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import checkpoint
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig
from core.data import open_dataset, open_split
from core.data.dataset import Dataset
from core.data.datasets import DATASETS
from core.errors import ConfigError
from core.evaluate import evaluate
from core.events import EpochEvent, PreviewEvent, StepEvent
from core.normalise import Normaliser
from core.runs.checks import check, check_settings
from core.runs.recorder import Recorder
from tests.unit.data.pictures import meadows
from tests.unit.event_collector import EventCollector
from tests.unit.runs.execution.kit import TRAIN, run, save_model

DATA = DataConfig("meadows", crop=32, views_per_epoch=4)
CONFIG = RunConfig(kind="train", name="grass", data=DATA, model=ModelConfig("unet", {"base": 2}), train=TRAIN)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    made = meadows(tmp_path / "meadows")
    monkeypatch.setitem(DATASETS, made.name, made)
    return made


def test_it_is_opened_and_parted_by_its_own_parts(dataset: Dataset) -> None:
    loaded, split = open_split(DATA)
    assert loaded.dataset is dataset
    assert [len(part) for part in (split.train, split.val, split.test)] == [2, 1, 1]
    assert split.note == "By source image: parts 1, 2 train, 3 validates, 4 tests."
    assert {value for scene in loaded.scenes for value in np.unique(scene.mask)} == {0, 1, 2, 3}  # type: ignore[arg-type]


def test_a_model_of_it_is_trained_scored_and_drawn_in_its_classes(dataset: Dataset, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert check(CONFIG, runs=runs) == []
    collector = EventCollector()
    run(CONFIG, runs, "one", collector)
    assert len(collector.of(StepEvent)) == TRAIN.epochs == 2
    assert [*collector.of(EpochEvent)[-1].iou] == ["Grass", "Path", "Pond"]
    loaded = checkpoint.load(runs / "one" / "student")
    assert loaded.card.classes == dataset.classes
    _, split = open_split(DATA)
    card = loaded.card
    report = evaluate(loaded.model, split.test, card.classes, normaliser=Normaliser.of_card(card, "cpu"))
    assert [*report.scores.per_class] == ["Grass", "Path", "Pond"]
    recorder = Recorder(tmp_path / "drawn", CONFIG)
    recorder(collector.of(PreviewEvent)[-1])
    drawn = np.asarray(Image.open(tmp_path / "drawn" / "preview" / "truth.png").convert("RGB"))
    assert {tuple(map(int, colour)) for colour in np.unique(drawn.reshape(-1, 3), axis=0)} <= {*dataset.classes.colours}


def test_a_model_of_it_can_teach_on_it_and_nowhere_else(dataset: Dataset, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    save_model(runs / "taught" / "student", base=4, classes=dataset.classes)
    taught = replace(CONFIG, kind="distill", distill=DistillConfig(teacher="taught"))
    assert check_settings(taught, runs=runs) == []
    with pytest.raises(ConfigError, match="knows the classes Grass, Path, Pond, not those of the data"):
        check_settings(replace(taught, data=DataConfig("samples")), runs=runs)


def test_bands_that_are_not_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "meadows", meadows(tmp_path, bands=("red", "green", "blue", "near infrared")))
    with pytest.raises(ConfigError, match=r"has the bands red.* infrared, and .* is read with red"):
        open_dataset(DATA)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "My Meadows"}, "cannot name a dataset"),
        ({"short_title": " "}, "needs a title and a short title"),
        ({"bands": ("red", "red")}, "bands need different names"),
        ({"bands": ()}, "bands must be names"),
        ({"metres_per_pixel": 0.0}, "above 0 metres a pixel"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        meadows(tmp_path, **wrong)
