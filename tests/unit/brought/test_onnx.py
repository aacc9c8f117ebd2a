"""An ONNX file that was brought answers as it does in the library that made it, whatever it takes and gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from core import checkpoint
from core.brought.found import ModelAnswers
from core.cards import resolve
from core.export.graph import with_ends
from core.export.session import OnnxModel
from core.infer.predict import Prediction, predict
from core.models.external.importer import import_model, inspect
from core.normalise import Normaliser
from tests.unit.brought.graphs import NAMES, bright, exported, graph, picture, tiny_network

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SAID = ModelAnswers(classes=NAMES, mean=MEAN, std=STD)


def answer(name: str, image: np.ndarray) -> Prediction:
    loaded = checkpoint.load(resolve(name))
    return predict(loaded.model, image, normaliser=Normaliser.of_card(loaded.card, "cpu"))


def by_onnxruntime(path: Path, image: np.ndarray) -> np.ndarray:
    """What the file itself gives for a picture that was normalised by hand."""
    values = ((image / 255 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: values})[0][0]


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(dim=0).numpy()


@pytest.mark.parametrize(("head", "side"), [(None, 64), ("softmax", None)])
def test_it_answers_as_onnxruntime_does(tmp_path: Path, head: str | None, side: int | None) -> None:
    path, image = exported(tmp_path / "net.onnx", tiny_network(head=head), side=side), picture(64)
    card = import_model(path, "brought", SAID)
    scores = by_onnxruntime(path, image)
    expected = scores if head else softmax(scores)
    found = answer("brought", image)
    assert card.model.arguments["output"] == ("probabilities" if head else "logits")
    assert np.abs(found.probabilities - expected).max() < 1e-3
    assert (found.mask == expected.argmax(axis=0)).mean() >= 0.999
    assert set(np.unique(found.mask)) == {0, 1, 2}
    assert card.parameters == sum(p.numel() for p in tiny_network().parameters())


def test_one_channel_of_a_sigmoid_is_two_classes(tmp_path: Path) -> None:
    path, image = exported(tmp_path / "net.onnx", tiny_network(1, head="sigmoid")), picture(64)
    import_model(path, "brought", ModelAnswers(classes=("other", "roof"), mean=MEAN, std=STD))
    expected, found = by_onnxruntime(path, image)[0], answer("brought", image)
    assert np.abs(found.probabilities[1] - expected).max() < 1e-3
    assert 0.05 < (found.mask == 1).mean() < 0.95


@pytest.mark.parametrize(
    ("kind", "layout", "size"),
    [(TensorProto.UINT8, "nhwc", "any"), (TensorProto.FLOAT, "nhwc", 40), (TensorProto.FLOAT16, "nchw", 40)],
)
def test_every_layout_type_and_size_reads_the_same_colours(
    tmp_path: Path, kind: int, layout: str, size: int | str
) -> None:
    sides = (3, size, size) if layout == "nchw" else (size, size, 3)
    nodes = [
        helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["scale"], value=helper.make_tensor("s", TensorProto.FLOAT, [], [0.02])),
        helper.make_node("Mul", ["float", "scale"], ["y"]),
    ]
    path = graph(tmp_path / "colours.onnx", nodes, source=("n", *sides), result=("n", *sides), kind=kind)
    import_model(
        path, "colours", ModelAnswers(classes=("red", "green", "blue"), mean=(0, 0, 0), std=(1, 1, 1), scale=1)
    )
    image = picture(75)
    expected = softmax((0.02 * image.astype(np.float32)).transpose(2, 0, 1))
    # Tiles of a fixed size meet at seams that see the same colours.
    assert np.abs(answer("colours", image).probabilities - expected).max() < 1e-3


def test_blue_first_and_a_fixed_batch_are_respected(tmp_path: Path) -> None:
    path = bright(tmp_path / "bgr.onnx", source=(2, 3, 32, 32), result=(2, 3, 32, 32))
    import_model(
        path,
        "bgr",
        ModelAnswers(classes=("blue", "green", "red"), mean=(0, 0, 0), std=(1, 1, 1), scale=1, order="bgr"),
    )
    image = picture(64)
    expected = softmax((0.02 * image[..., ::-1].astype(np.float32)).transpose(2, 0, 1))
    assert np.abs(answer("bgr", image).probabilities - expected).max() < 1e-3


def test_a_file_for_deepness_is_read_with_its_metadata(tmp_path: Path) -> None:
    told = {
        "model_type": "Segmentor",
        "class_names": {"0": "ground", "1": "roof", "2": "water"},
        "resolution": 25.0,
        "tile_size": 64,
        "tiles_overlap": 20,
        "standardization_mean": list(MEAN),
        "standardization_std": list(STD),
    }
    path, image = exported(tmp_path / "net.onnx", tiny_network(head="softmax"), metadata=told), picture(64)
    found = inspect(path)
    assert (found.classes, found.tile, found.overlap, found.metres) == (("ground", "roof", "water"), 64, 20, 0.25)
    card = import_model(path, "deepness", ModelAnswers())
    assert card.metres_per_pixel == 0.25
    assert np.abs(answer("deepness", image).probabilities - by_onnxruntime(path, image)).max() < 1e-3


def test_an_export_of_ours_comes_back_with_its_classes_and_its_normalisation(tmp_path: Path) -> None:
    card = replace(checkpoint.load_card(resolve("student")), mean=(120.0, 110.0, 100.0), std=(60.0, 50.0, 70.0))
    core = onnx.load(exported(tmp_path / "core.onnx", tiny_network(5), side=None, source="normalised"))
    path, image = tmp_path / "ours.onnx", picture(90)
    path.write_bytes(with_ends(core, card, multiple=2, argmax=False).SerializeToString())
    found = import_model(path, "again", ModelAnswers())
    expected = softmax(OnnxModel(path).run(image[None])[0])
    assert found.classes.scored_names == card.classes.scored_names
    assert np.abs(answer("again", image).probabilities - expected).max() < 1e-3


def test_weights_beside_the_file_come_along(tmp_path: Path) -> None:
    path, image = exported(tmp_path / "net.onnx", tiny_network()), picture(64)
    plain = by_onnxruntime(path, image)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.data", size_threshold=0)
    card = import_model(path, "beside", SAID)
    path.unlink()
    (tmp_path / "weights.data").unlink()
    assert set(card.model.arguments["files"]) == {"net.onnx", "weights.data"}
    assert np.abs(answer("beside", image).probabilities - softmax(plain)).max() < 1e-3


def test_many_classes_of_it_stand_for_one_of_ours(tmp_path: Path) -> None:
    path, image = exported(tmp_path / "net.onnx", tiny_network(head="softmax")), picture(64)
    card = import_model(
        path,
        "mapped",
        ModelAnswers(classes=NAMES, mean=MEAN, std=STD, map={"tree": "green", "road": "grey", "building": "grey"}),
    )
    building, road, tree = by_onnxruntime(path, image)
    assert card.classes.scored_names == ("grey", "green")
    assert np.abs(answer("mapped", image).probabilities - [building + road, tree]).max() < 1e-3
