"""A model is seen at work before it is imported: with what was said of it, and with what was not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.brought.found import ModelAnswers
from core.checkpoint import load, resolve
from core.classes import ClassMap
from core.errors import ConfigError, ModelError
from core.infer.predict import predict
from core.models.external.confined_network import RunLimits
from core.models.external.importer import import_model
from core.models.external.preview import MOST_SIDE, preview
from core.normalise import Normaliser
from tests.unit.brought.graphs import NAMES, bright, exported, picture, tiny_network

SAID = ModelAnswers(classes=NAMES, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return exported(tmp_path / "tiny.onnx", tiny_network(), side=None)


def test_the_preview_is_the_mask_that_the_imported_model_gives(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    image = picture(96)
    own = ClassMap(("Green", "Built", "None"), ((0, 1, 0), (1, 0, 0), (0, 0, 0)), 2)
    for name, said in (
        ("plain", SAID),
        ("mapped", replace(SAID, target=own, map={"building": "Built", "road": "Built", "tree": "Green"})),
        ("blue", replace(SAID, order="bgr")),
    ):
        shown = preview(source, said, image)
        import_model(source, name, said)
        loaded = load(resolve(name))
        mask = predict(loaded.model, image, normaliser=Normaliser.of_card(loaded.card, "cpu")).mask
        assert (shown.mask == mask).mean() >= 0.999
        assert (shown.classes.scored_names, shown.notes) == (loaded.card.classes.scored_names, ())
    assert list((tmp_path / "home" / "models").glob(".*")) == []


def test_another_normalisation_shows_another_mask_and_what_is_missing_is_assumed_and_told(source: Path) -> None:
    image = picture(96)
    bare = preview(source, ModelAnswers(), image)
    assert bare.classes.scored_names == ("Class 0", "Class 1", "Class 2")
    assert len(bare.notes) == 2
    same = preview(source, ModelAnswers(mean=(0, 0, 0), std=(1, 1, 1)), image)
    assert (bare.mask == same.mask).all()
    wrong = preview(source, replace(SAID, scale=1.0), image)
    assert (wrong.mask != preview(source, SAID, image).mask).mean() > 0.05


def test_a_large_picture_is_shown_in_its_middle(tmp_path: Path) -> None:
    graph = bright(tmp_path / "b.onnx", source=("n", 3, "h", "w"), result=("n", 3, "h", "w"))
    image = np.zeros((MOST_SIDE + 40, MOST_SIDE + 20, 3), np.uint8)
    image[20:-20, 10:-10, 1] = 200
    shown = preview(graph, SAID, image)
    assert shown.mask.shape == shown.image.shape[:2] == (MOST_SIDE, MOST_SIDE)
    assert (shown.mask == 1).all()


def test_what_is_wrong_is_a_sentence_and_a_model_that_never_ends_is_stopped(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="std"):
        preview(source, replace(SAID, std=(0, 1, 1)), picture(32))
    with pytest.raises(ModelError, match="no answer within 0 seconds"):
        preview(source, SAID, picture(32), limits=RunLimits(seconds=0))
    with pytest.raises(ModelError):
        preview(tmp_path / "none.onnx", SAID, picture(32))
