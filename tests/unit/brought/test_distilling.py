"""A brought teacher is named like any other: checked, scored, distilled from, in whatever order its classes are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core import checkpoint
from core.brought.found import ModelAnswers
from core.cards import load_card, mapping_of, resolve
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig
from core.data import open_split
from core.errors import ConfigError, ModelError
from core.events import EpochEvent, MessageEvent, TeacherEvent
from core.models.external.brought_network import ResampledModel, resampling
from core.models.external.importer import import_model
from core.models.tap import feature_shape
from core.runs.checks import check
from tests.unit.brought import folders
from tests.unit.brought.graphs import exported
from tests.unit.event_collector import EventCollector
from tests.unit.networks import noise
from tests.unit.own_dataset import own_dataset
from tests.unit.runs.execution.kit import TRAIN, run

OWN = ("Ground", "House", "Pond")
DATA = DataConfig("plots", crop=32, views_per_epoch=48, colour=0.0)
CONFIG = RunConfig(
    kind="distill",
    data=DATA,
    model=ModelConfig("unet", {"base": 4}),
    train=replace(TRAIN, epochs=4, batch_size=4, learning_rate=1e-2),
    distill=DistillConfig(teacher="brought", alpha=0.0, temperature=1.0, cache_pictures=True),
)


def nearest_tone(folder: Path, *, order: tuple[int, ...]) -> Path:
    """An ONNX teacher that tells the classes of `own_dataset` by their colour, in an order of its own."""
    _, split = open_split(DATA)
    images = np.concatenate([scene.image.reshape(-1, 3) for scene in split.val])
    labels = np.concatenate([scene.mask.ravel() for scene in split.val if scene.mask is not None])
    tones = torch.tensor(np.stack([images[labels == at].mean(axis=0) for at in order]) / 255, dtype=torch.float32)
    network = nn.Sequential(nn.Conv2d(3, len(order), 1)).eval()
    with torch.no_grad():
        network[0].weight.copy_(30 * tones[:, :, None, None])
        network[0].bias.copy_(-15 * (tones**2).sum(dim=1))
    return exported(folder / "tones.onnx", network, side=None)


def said(*names: str, **more: object) -> ModelAnswers:
    return ModelAnswers(classes=names, mean=(0, 0, 0), std=(1, 1, 1), **more)  # type: ignore[arg-type]


def test_a_student_learns_the_classes_of_an_onnx_teacher_in_the_order_of_the_data(home: Path, tmp_path: Path) -> None:
    own_dataset(home, names=OWN)
    target = open_split(DATA)[0].dataset.classes
    path = nearest_tone(tmp_path, order=(2, 0, 1))
    import_model(path, "brought", said("ponds", "ground", "a house", target=target, map={"a house": "House"}))
    told = "The teacher's a house stands for House, ground stands for Ground, ponds stands for Pond."
    warnings, collector = check(CONFIG, runs=home), EventCollector()
    summary = run(CONFIG, home, "student", collector)
    assert any(all(part in text for part in told.split(", ")[1:2]) for text in warnings)
    assert collector.of(TeacherEvent)[0].miou5 > 0.99
    losses = [sum(event.losses.values()) for event in collector.of(EpochEvent)]
    assert losses[-1] < 0.9 * losses[0]
    assert summary["best_miou5"] > 0.8
    assert checkpoint.load(home / "student" / "student").card.classes.scored_names == OWN


@pytest.mark.parametrize("stored", [{"cache_pictures": True}, {"cache_views": 1}])
def test_what_it_finds_that_the_data_does_not_know_is_no_word_of_the_teacher(
    home: Path, tmp_path: Path, stored: dict[str, object]
) -> None:
    own_dataset(home, names=OWN)
    path = nearest_tone(tmp_path, order=(2, 0, 1))
    target = open_split(DATA)[0].dataset.classes
    import_model(path, "brought", said("boat", "ground", "house", target=target))
    config = replace(CONFIG, distill=DistillConfig(teacher="brought", **stored), train=replace(CONFIG.train, epochs=1))  # type: ignore[arg-type]
    collector = EventCollector()
    run(config, home, "student", collector)
    texts = [event.text for event in collector.of(MessageEvent)]
    assert any("Where it finds boat, it has no word" in text and "nothing of Pond" in text for text in texts)
    mapping = mapping_of(load_card(resolve("brought")), OWN, {})
    assert (mapping.teacher, mapping.to, mapping.unknown) == (("boat", "ground", "house"), (None, 0, 1), (2,))


def test_a_mapping_of_the_run_goes_behind_that_of_the_card(home: Path, tmp_path: Path) -> None:
    own_dataset(home, names=OWN)
    import_model(nearest_tone(tmp_path, order=(2, 0, 1)), "brought", said("w", "g", "b", map={"w": "Sea", "g": "Soil"}))
    card = load_card(resolve("brought"))
    assert card.classes.scored_names == ("Sea", "Soil", "b")
    found = mapping_of(card, OWN, {"Sea": "Pond", "Soil": "Ground", "b": ""})
    assert (found.teacher, found.to) == (("w", "g", "b"), (2, 0, None))
    with pytest.raises(ConfigError, match="--map-classes"):
        mapping_of(card, OWN, {})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("kind", ["transformers", "smp"])
def test_a_folder_teaches_by_logits_and_by_the_features_of_a_module(home: Path, tmp_path: Path, kind: str) -> None:
    names = tuple(folders.LABELS.values())
    own_dataset(home, names=names[::-1])
    if kind == "smp":
        folders.smp_folder(tmp_path / "folder")
        layer = "network.network.encoder.layer2"
    else:
        model, processor = folders.segformer()
        folders.telling(model, noise(folders.SIDE)).save_pretrained(tmp_path / "folder")
        processor.save_pretrained(tmp_path / "folder")
        layer = "network.model.segformer.stages.1"
    target = open_split(DATA)[0].dataset.classes
    answers = ModelAnswers(classes=names, mean=folders.MEAN, std=folders.STD, target=target)
    import_model(tmp_path / "folder", "brought", answers)
    assert mapping_of(load_card(resolve("brought")), names[::-1], {}).to == (3, 2, 1, 0)
    losses = {"soft_targets": 1.0, "hint": 1.0}
    distill = DistillConfig(teacher="brought", alpha=0.0, temperature=1.0, losses=losses, teacher_layer=layer)
    config, collector = replace(CONFIG, distill=distill), EventCollector()
    check(config, runs=home)
    run(config, home, "student", collector)
    first, *_, last = [sum(event.losses.values()) for event in collector.of(EpochEvent)]
    assert last < 0.9 * first
    assert checkpoint.load(home / "student" / "student").card.classes.scored_names == names[::-1]


def test_losses_on_features_are_refused_for_an_onnx_teacher(home: Path, tmp_path: Path) -> None:
    own_dataset(home, names=OWN)
    path = nearest_tone(tmp_path, order=(0, 1, 2))
    import_model(path, "brought", said(*OWN, target=open_split(DATA)[0].dataset.classes))
    distill = DistillConfig(teacher="brought", losses={"soft_targets": 1.0, "hint": 1.0})
    with pytest.raises(ConfigError, match="logits alone"):
        check(replace(CONFIG, distill=distill), runs=home)
    with pytest.raises(ModelError, match="logits alone"):
        feature_shape(checkpoint.own_answers(checkpoint.load(resolve("brought"))), "network", size=32)


def test_a_teacher_sees_pictures_at_the_resolution_that_it_was_trained_at() -> None:
    seen = []

    class Watching(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(image.shape))
            return image

    image = torch.rand(2, 3, 20, 30)
    found = ResampledModel(Watching(), resampling(picture_metres=0.5, model_metres=0.1))(image)
    assert seen == [(2, 3, 100, 150)]
    assert found.shape == image.shape
    # Up and down again is the same picture, but for what is finer than a pixel.
    assert (found.softmax(dim=1) - image.softmax(dim=1)).abs().mean() < 0.02
    assert resampling(picture_metres=0.5, model_metres=None) == resampling(picture_metres=0.5, model_metres=0.52) == 1
    with pytest.raises(ModelError, match="more than 8 to 1"):
        resampling(picture_metres=10, model_metres=0.1)
