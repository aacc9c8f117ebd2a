"""A brought model may take other bands than red, green and blue: their names say which of a picture it sees."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from core import checkpoint
from core.band_set import BandSet
from core.brought.found import ModelAnswers, missing
from core.cards import resolve
from core.errors import ConfigError, ModelError
from core.infer.predict import predict
from core.models.external.importer import import_model, inspect
from core.models.external.preview import preview
from core.models.tap import Tap
from core.normalise import Normaliser
from tests.unit.brought.graphs import NAMES, bright, graph, picture

BANDS = ("red", "green", "blue", "nir")
MEAN, STD = (10.0, 20.0, 30.0, 40.0), (50.0, 60.0, 70.0, 80.0)
SAID = ModelAnswers(classes=(*NAMES, "water"), mean=MEAN, std=STD, scale=1, bands=BANDS)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return bright(tmp_path / "four.onnx", source=("n", 4, "h", "w"), result=("n", 4, "h", "w"))


def test_it_asks_for_the_names_of_its_bands_and_answers_as_its_graph_does(source: Path) -> None:
    assert inspect(source).bands == 4
    assert any("--bands" in sentence for sentence in missing(inspect(source)))
    card = import_model(source, "four", SAID)
    assert (card.bands, card.inputs, card.mean) == (BandSet(BANDS), 4, MEAN)
    loaded = checkpoint.load(resolve("four"))
    image = np.random.default_rng(0).integers(0, 256, (40, 56, 5), np.uint8)
    given = BandSet(("nir", "extra", "blue", "green", "red"))
    found = predict(loaded.model, image, normaliser=Normaliser.of_card(card, "cpu", given))
    values = (image[..., [4, 3, 2, 0]].astype(np.float32) - MEAN) / STD
    expected = torch.from_numpy(0.02 * values).permute(2, 0, 1).softmax(dim=0).numpy()
    assert np.abs(found.probabilities - expected).max() < 1e-3
    with pytest.raises(ConfigError, match="nir"):
        Normaliser.of_card(card, "cpu")


@pytest.mark.parametrize(
    "wrong",
    [
        {"bands": ()},
        {"bands": BANDS[:3]},
        {"bands": ("a",) * 4},
        {"mean": (0, 0, 0)},
        {"std": (1, 1, 1)},
        {"order": "bgr"},
    ],
)
def test_what_does_not_fit_its_bands_is_said(source: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        import_model(source, "four", replace(SAID, **wrong))


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_it_is_seen_at_work_on_a_picture_of_its_bands(source: Path, depth: str) -> None:
    said = replace(SAID, depth=depth)
    card = import_model(source, "four", said)
    assert card.bands == BandSet(BANDS, depth)
    given = BandSet(("nir", "extra", "blue", "green", "red"), depth)
    values = np.random.default_rng(0).integers(0, 200, (40, 56, 5)).astype(depth)
    shown = preview(source, said, picture(56)[:40], values=values, bands=given)
    loaded = checkpoint.load(resolve("four"))
    found = predict(loaded.model, values, normaliser=Normaliser.of_card(card, "cpu", given))
    assert (shown.mask == found.mask).mean() >= 0.999
    assert len(np.unique(shown.mask)) > 1
    bare = preview(source, replace(said, mean=None, std=None), picture(56)[:40], values=values, bands=given)
    assert any("No normalisation is given yet" in note for note in bare.notes)


def test_what_a_picture_lacks_for_its_preview_is_said(source: Path) -> None:
    three = BandSet(BANDS[:3], "uint16")
    for said, more, words in (
        (SAID, {}, "was read in colours: choose one of a dataset"),
        (replace(SAID, bands=()), {}, "Name its 4 bands"),
        (SAID, {"values": np.zeros((32, 32, 3), np.uint16), "bands": three}, "choose pictures with nir"),
        (SAID, {"values": np.zeros((32, 32, 4), np.uint16), "bands": BandSet(BANDS, "uint16")}, "takes uint8 values"),
        (replace(SAID, depth="uint64"), {}, "not 'uint64'"),
    ):
        with pytest.raises(ConfigError, match=words):
            preview(source, said, picture(32), **more)


def test_one_that_takes_bytes_sees_no_deeper_pictures(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    shape = ("n", 4, "h", "w")
    source = graph(tmp_path / "bytes.onnx", nodes, source=shape, result=shape, kind=TensorProto.UINT8)
    with pytest.raises(ConfigError, match="takes bytes"):
        import_model(source, "bytes", replace(SAID, depth="uint16"))


def test_a_folder_with_its_card_keeps_the_depth(source: Path, home: Path) -> None:
    first = import_model(source, "one", replace(SAID, depth="uint16"))
    second = import_model(home / "models" / "one", "two", ModelAnswers())
    assert (first.bands, first.mean, first.std) == (second.bands, second.mean, second.std)


def test_features_of_an_onnx_file_cannot_be_tapped(source: Path) -> None:
    import_model(source, "four", SAID)
    loaded = checkpoint.load(resolve("four"))
    assert isinstance(loaded.model, nn.Module)
    with pytest.raises(ModelError, match="logits"):
        Tap(checkpoint.own_answers(loaded), "network")
