"""ONNX files that are well formed and strange: each is taken as what it is, or refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from core.brought.found import ModelAnswers, settle
from core.brought.onnx_file import inspect
from core.brought.onnx_session import OnnxSession
from core.errors import ModelError, PictureRefusedError
from core.models.external.importer import import_model, probe_with, with_probe
from core.models.external.onnx_network import ArrayNetwork
from tests.unit.brought.graphs import NAMES, graph

FREE = ("n", 3, "h", "w")
SAID = ModelAnswers(classes=NAMES, mean=(0, 0, 0), std=(1, 1, 1))


def node(name: str, *given: str, gives: str = "y", **options: object) -> onnx.NodeProto:
    return helper.make_node(name, list(given) or ["x"], [gives], **options)


def whole(name: str, *numbers: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def made(path: Path, *nodes: onnx.NodeProto, **options: object) -> Path:
    """Of any size, and of three classes, unless `options` say otherwise."""
    return graph(path, nodes, **{"source": FREE, "result": FREE, **options})  # type: ignore[arg-type]


def plain(path: Path, *, opset: int, ir: int) -> Path:
    model = onnx.load(made(path, node("Identity")))
    model.opset_import[0].version, model.ir_version = opset, ir
    path.write_bytes(model.SerializeToString())
    return path


def for_one_picture(path: Path) -> Path:
    """What an exporter leaves that was given one picture: its number is written into a Reshape."""
    nodes = (
        node("Shape", gives="all"),
        node("Slice", "all", "two", "four", gives="sides"),
        node("Concat", "one", "sides", gives="shape", axis=0),
        node("Reshape", "x", "shape"),
    )
    return made(path, *nodes, weights=[whole("two", 2), whole("four", 4), whole("one", 1, 3)])


def mean_of_the_batch(path: Path) -> Path:
    return made(path, node("ReduceMean", axes=[0], keepdims=1))


def probed(path: Path, said: ModelAnswers = SAID) -> tuple[ArrayNetwork, dict[str, object], tuple[str, ...]]:
    """The network as a run found it, its arguments, and the notes."""
    known, run = settle(inspect(path), said), OnnxSession(path)
    found = with_probe(known, probe_with(run, known))
    return ArrayNetwork(run, found.network), found.network, found.notes


@pytest.mark.parametrize("make", [for_one_picture, mean_of_the_batch])
def test_one_that_answers_for_one_picture_alone_sees_them_one_by_one(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    network, arguments, notes = probed(make(tmp_path / "one.onnx"))
    assert arguments["batch"] == 1
    assert any("one by one" in note for note in notes)
    images = torch.rand(3, 3, 40, 56)
    assert torch.equal(network(images), images)


def test_a_sigmoid_for_each_class_is_told_of_and_a_softmax_in_16_bits_is_none(tmp_path: Path) -> None:
    _, arguments, notes = probed(made(tmp_path / "many.onnx", node("Sigmoid")))
    assert any("do not add up to 1" in note for note in notes)
    assert arguments["batch"] is None
    half = TensorProto.FLOAT16
    _, _, notes = probed(made(tmp_path / "half.onnx", node("Softmax", axis=1), kind=half, gives=half))
    assert not any("do not add up" in note for note in notes)


@pytest.mark.parametrize(("opset", "ir"), [(1, 3), (7, 3), (17, 13), (onnx.defs.onnx_opset_version(), onnx.IR_VERSION)])
def test_old_and_new_versions_answer_alike(tmp_path: Path, opset: int, ir: int) -> None:
    network, _, _ = probed(plain(tmp_path / "net.onnx", opset=opset, ir=ir))
    images = torch.rand(2, 3, 33, 47)
    assert torch.equal(network(images), images)


@pytest.mark.parametrize(("opset", "ir", "words"), [(99, 8, "Opset 99"), (17, 99, "IR version: 99")])
def test_versions_that_are_not_read_are_named(tmp_path: Path, opset: int, ir: int, words: str) -> None:
    with pytest.raises(ModelError, match=words) as refusal:
        OnnxSession(plain(tmp_path / "net.onnx", opset=opset, ir=ir))
    assert "::" not in str(refusal.value)


def test_a_failure_is_told_without_a_place_in_the_librarys_code(tmp_path: Path) -> None:
    run = OnnxSession(for_one_picture(tmp_path / "one.onnx"))
    with pytest.raises(PictureRefusedError, match="cannot be reshaped") as refusal:
        run(np.zeros((2, 3, 8, 8), np.float32))
    assert "::" not in str(refusal.value)
    assert "ONNXRuntimeError" not in str(refusal.value)


def no_class(path: Path) -> Path:
    return made(path, node("Slice", "x", "none", "none", "axis"), weights=[whole("none", 0), whole("axis", 1)])


def no_class_and_no_shape(path: Path) -> Path:
    weights = [whole("none", 0), whole("axis", 1)]
    return made(path, node("Slice", "x", "none", "none", "axis"), weights=weights, result=None)


def too_many_classes(path: Path) -> Path:
    return made(path, node("Concat", *["x"] * 100, axis=1), result=("n", 300, "h", "w"))


def too_many_and_no_shape(path: Path) -> Path:
    return made(path, node("Concat", *["x"] * 100, axis=1), result=None)


def of_one_size(path: Path) -> Path:
    """Whatever comes, 64 x 64 go."""
    return made(path, node("Resize", "x", "", "", "size", mode="linear"), weights=[whole("size", 1, 3, 64, 64)])


def turned(path: Path) -> Path:
    return made(path, node("Transpose", perm=[0, 1, 3, 2]), result=None)


def numbers_that_are_none(path: Path) -> Path:
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    return made(path, node("Div", "x", "zero"), weights=[zero])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_class, "0 classes apart"),
        (no_class_and_no_shape, "0 classes apart"),
        (too_many_classes, "300 classes apart, and a mask holds 1 to 255"),
        (too_many_and_no_shape, "300 classes apart"),
        (of_one_size, "64 x 64 pixels for 313 x 251"),
        (turned, "does not tell each pixel"),
        (numbers_that_are_none, "no numbers"),
    ],
)
def test_what_cannot_be_a_mask_is_refused_when_it_is_run(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        probed(make(tmp_path / "net.onnx"), ModelAnswers(mean=(0, 0, 0), std=(1, 1, 1)))


def test_classes_last_in_what_it_gives_are_found(tmp_path: Path) -> None:
    path = made(tmp_path / "last.onnx", node("Transpose", perm=[0, 2, 3, 1]), result=("n", "h", "w", 3))
    network, arguments, _ = probed(path)
    images = torch.rand(2, 3, 21, 37)
    assert arguments["channels_last"]
    assert torch.equal(network(images), images)


@pytest.mark.parametrize(
    ("kind", "gives", "words"),
    [
        (TensorProto.DOUBLE, TensorProto.DOUBLE, "takes float64"),
        (TensorProto.BFLOAT16, TensorProto.FLOAT, "takes bfloat16"),
        (TensorProto.INT8, TensorProto.FLOAT, "takes int8"),
        (TensorProto.FLOAT, TensorProto.UINT8, "number of a class"),
        (TensorProto.FLOAT, TensorProto.STRING, "gives text"),
        (TensorProto.FLOAT, TensorProto.COMPLEX64, "gives complex64"),
    ],
)
def test_other_types_are_named(tmp_path: Path, kind: int, gives: int, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        inspect(made(tmp_path / "net.onnx", node("Cast", to=gives), kind=kind, gives=gives))


@pytest.mark.parametrize("sides", [[2**62] * 60, [-5], [2**31], [10**9, 10**9]])
def test_a_tensor_of_more_numbers_than_are_there_is_refused(tmp_path: Path, sides: list[int]) -> None:
    lying = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=sides)
    with pytest.raises(ModelError, match="more numbers than are there"):
        inspect(made(tmp_path / "net.onnx", node("Identity"), weights=[lying]))


def test_texts_of_a_file_are_one_line_each(tmp_path: Path) -> None:
    path = made(tmp_path / "net.onnx", node("Identity"))
    model = onnx.load(path)
    names = ["a\nb\u202e", "\U0001f3e0 house", "z" * 4096]
    told = {"class_names": json.dumps(names), "licence": "MIT\n\x1b[31m" + "x" * 500}
    told |= {f"standardization_{key}": "[1, 1, 1]" for key in ("mean", "std")}
    helper.set_model_props(model, told)
    model.producer_name = "somebody\n\x1b[2J"
    path.write_bytes(model.SerializeToString())
    card = import_model(path, "odd", ModelAnswers())
    texts = [*card.classes.scored_names, card.licence, *card.training["facts"].values()]
    assert all(text.isprintable() and 0 < len(text) <= 80 for text in texts)
    assert card.classes.scored_names[:2] == ("a b", names[1])
