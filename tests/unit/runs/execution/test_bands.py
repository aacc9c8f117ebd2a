"""Any bands of any depth: a teacher and its student may see different bands of the same picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core import checkpoint
from core.band_set import RGB, BandSet
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig
from core.data import open_split
from core.errors import ConfigError
from core.evaluate import evaluate
from core.export.make import contents, export
from core.export.parity import SAME_CLASS
from core.normalise import Normaliser
from core.runs.checks import check, check_settings
from tests.unit.banded import NAMES, banded_dataset
from tests.unit.runs.execution.kit import TRAIN, run

DATA = DataConfig("fields", crop=32, views_per_epoch=8)
CONFIG = RunConfig(
    kind="train", data=DATA, model=ModelConfig("compact", {"base": 2}), train=replace(TRAIN, epochs=1, batch_size=2)
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("count", "depth"), [(1, "uint8"), (4, "uint16"), (2, "float32"), (16, "uint16")])
def test_a_model_of_so_many_bands_is_trained_and_scored(home: Path, count: int, depth: str) -> None:
    """The card holds what its training pictures have."""
    bands = BandSet(tuple(f"band {number}" for number in range(count)), depth)
    banded_dataset(home, bands)
    assert check(CONFIG, runs=home) == []
    run(CONFIG, home, "model")
    card = checkpoint.load_card(home / "model" / "student")
    _, split = open_split(DATA)
    values = np.concatenate([scene.image.reshape(-1, count) for scene in split.train]).astype(np.float64)
    values = values[values.any(axis=1)]
    np.testing.assert_allclose(card.mean, values.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(card.std, values.std(axis=0), rtol=1e-4)
    assert card.bands == bands


@pytest.mark.slow
def test_an_exported_model_of_deep_bands_answers_as_pytorch_does(home: Path) -> None:
    """On the pictures of its own dataset, which nobody names."""
    banded_dataset(home, BandSet(NAMES, "uint16"))
    run(CONFIG, home, "model")
    exported = export(home / "model" / "student")
    assert exported.tiles_from == "fields"
    assert exported.parities["model.onnx"].agreement >= SAME_CLASS
    assert b"near infrared" in contents(exported)["README.txt"]


@pytest.mark.slow
def test_a_teacher_with_infrared_teaches_a_student_of_colours(home: Path) -> None:
    """The teacher sees four bands of each view, the student three, which is then a model of colours like any other."""
    banded_dataset(home, BandSet(NAMES))
    long = replace(CONFIG, train=replace(CONFIG.train, epochs=12, learning_rate=0.02))
    run(long, home, "infrared")
    colours = replace(CONFIG, data=replace(DATA, bands="red,green,blue"))
    for cache in ({}, {"cache_views": 1}, {"cache_pictures": True}):
        taught = replace(colours, kind="distill", distill=DistillConfig(teacher="infrared", **cache))
        assert not any("bands" in warning for warning in check(taught, runs=home))
        summary = run(taught, home, f"student{len(cache)}{cache.get('cache_views', 0)}")
        assert summary["teacher_miou5"] > 0.9, "it tells the classes by infrared, which nothing else does"
    card = checkpoint.load_card(home / "student00" / "student")
    assert (card.bands.names, card.mean) == (RGB, (127.0, 127.0, 127.0))


def test_a_model_of_colours_scores_pictures_of_more_bands_and_infrared_needs_them(home: Path) -> None:
    banded_dataset(home, BandSet(NAMES))
    run(replace(CONFIG, data=replace(DATA, bands="red,green,blue")), home, "colours")
    run(CONFIG, home, "all")
    loaded, split = open_split(DATA)
    scenes, classes = split.test, loaded.dataset.classes
    model = checkpoint.load(home / "colours" / "student")
    alone = [scene.only(RGB) for scene in scenes]
    given = Normaliser.of_card(model.card, "cpu", scenes[0].bands)
    bare = Normaliser.of_card(model.card, "cpu")
    assert torch.equal(given(scenes[0].image[None]), bare(alone[0].image[None]))
    found = [evaluate(model.model, each, classes, normaliser=by) for each, by in ((scenes, given), (alone, bare))]
    assert np.array_equal(found[0].matrix, found[1].matrix)
    with pytest.raises(ConfigError, match="sees the bands red, green, blue, near infrared, and these"):
        Normaliser.of_card(checkpoint.load_card(home / "all" / "student"), "cpu")


def test_what_does_not_fit_is_told_before_the_run(home: Path) -> None:
    banded_dataset(home, BandSet(NAMES))
    run(CONFIG, home, "all")
    with pytest.raises(ConfigError, match="There is no band thermal"):
        check_settings(replace(CONFIG, data=replace(DATA, bands="red,thermal")), runs=home)
    start = replace(CONFIG, train=replace(CONFIG.train, start_from="all"), data=replace(DATA, bands="red,green,blue"))
    with pytest.raises(ConfigError, match="The model to start from sees red, green, blue, near infrared"):
        check_settings(start, runs=home)
    on_colours = replace(CONFIG, kind="distill", data=DataConfig("samples"), distill=DistillConfig(teacher="all"))
    with pytest.raises(ConfigError, match="The teacher sees the bands"):
        check_settings(on_colours, runs=home)
    with pytest.raises(ConfigError, match="This run sees the bands red, green, blue, near infrared"):
        check(
            replace(
                CONFIG, kind="distill", data=replace(DATA, transfer="samples"), distill=DistillConfig(teacher="all")
            ),
            runs=home,
        )
