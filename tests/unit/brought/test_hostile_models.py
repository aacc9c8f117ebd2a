"""What could do harm is refused in one sentence: nothing of a model is run to read it, and a run of it is bounded."""

import json
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core import paths
from core.brought.found import ModelAnswers
from core.brought.onnx_graph import MOST_NODES
from core.errors import ConfigError, ModelError
from core.models.external.confined_network import RunLimits
from core.models.external.importer import import_model, inspect
from tests.unit.brought.graphs import NAMES, bright, graph

SAID = ModelAnswers(classes=NAMES, mean=(0, 0, 0), std=(1, 1, 1))


def identity(name: str = "Identity", **options: object) -> onnx.NodeProto:
    return helper.make_node(name, ["x"], ["y"], **options)


def pickled(path: Path) -> Path:
    target = path / "model.pt"
    target.write_bytes(pickle.dumps({"weights": [1.0]}))
    return target


def pickled_folder(path: Path) -> Path:
    (path / "config.json").write_text(json.dumps({"architectures": ["SegformerForSemanticSegmentation"]}))
    (path / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    return path


def custom_operator(path: Path) -> Path:
    return graph(path / "custom.onnx", [identity("Evil", domain="com.evil")], domains=["com.evil"])


def outside(location: str) -> Callable[[Path], Path]:
    def made(path: Path) -> Path:
        weights = numpy_helper.from_array(np.ones(4, np.float32), "w")
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
        (path.parent / "secret").write_bytes(bytes(16))
        return graph(path / "outside.onnx", [identity()], weights=[weights])

    return made


def linked(path: Path) -> Path:
    (path / "weights.data").symlink_to("/etc/passwd")
    return outside("weights.data")(path)


def in_a_branch(path: Path) -> Path:
    """The weights that lead outside stand in a graph within a node."""
    found = onnx.load(outside("../secret")(path), load_external_data=False)
    branch = helper.make_graph([], "branch", [], [], list(found.graph.initializer))
    del found.graph.initializer[:]
    found.graph.node[0].attribute.append(helper.make_attribute("then_branch", branch))
    (path / "branch.onnx").write_bytes(found.SerializeToString())
    return path / "branch.onnx"


def in_a_constant(path: Path) -> Path:
    """They are the value of a node."""
    found = onnx.load(outside("../secret")(path), load_external_data=False)
    value = helper.make_attribute("value", found.graph.initializer[0])
    del found.graph.initializer[:]
    found.graph.node[0].attribute.append(value)
    (path / "constant.onnx").write_bytes(found.SerializeToString())
    return path / "constant.onnx"


def many_nodes(path: Path) -> Path:
    """A million nodes, written by hand: a node is `x` → `y` by Identity."""
    node = identity().SerializeToString()
    source = bright(path / "few.onnx")
    model = onnx.load(source)
    body = model.graph.SerializeToString() + (b"\x0a" + bytes([len(node)]) + node) * 1_000_000
    model.ClearField("graph")
    (path / "many.onnx").write_bytes(model.SerializeToString() + b"\x3a" + varint(len(body)) + body)
    return path / "many.onnx"


def truncated(path: Path) -> Path:
    whole = bright(path / "whole.onnx").read_bytes()
    (path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    return path / "half.onnx"


def text(path: Path) -> Path:
    (path / "model.onnx").write_text("<html><script>alert(1)</script></html>")
    return path / "model.onnx"


def nested(path: Path) -> Path:
    """Graphs within graphs."""
    inner = helper.make_graph([], "g", [], [])
    for _ in range(25):
        node = helper.make_node("If", ["x"], ["y"])
        node.attribute.append(helper.make_attribute("then_branch", inner))
        inner = helper.make_graph([node], "g", [], [])
    return graph(path / "nested.onnx", list(inner.node))


def class_numbers(path: Path) -> Path:
    return graph(path / "mask.onnx", [identity("ArgMax")], gives=TensorProto.INT64)


def class_numbers_as_a_channel(path: Path) -> Path:
    """(1, 1, 32, 32) of float: what `torch.argmax(…).unsqueeze(1).float()` is exported as."""
    nodes = [
        helper.make_node("ArgMax", ["x"], ["at"], axis=1, keepdims=0),
        helper.make_node("Unsqueeze", ["at", "axis"], ["one"]),
        helper.make_node("Cast", ["one"], ["y"], to=TensorProto.FLOAT),
    ]
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    return graph(path / "mask.onnx", nodes, weights=[axis], result=(1, 1, 32, 32))


def threshold(path: Path) -> Path:
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    nodes = [
        helper.make_node("Greater", ["x", "half"], ["found"]),
        helper.make_node("Cast", ["found"], ["y"], to=TensorProto.FLOAT),
    ]
    return graph(path / "hard.onnx", nodes, weights=[half])


def folder_with(**settings: object) -> Callable[[Path], Path]:
    """Of smp where it names a class of that, of transformers elsewhere."""

    def made(path: Path) -> Path:
        config = {"architectures": ["UperNetForSemanticSegmentation"], **settings}
        (path / "config.json").write_text(json.dumps(config))
        (path / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        return path

    return made


def many_bands(path: Path) -> Path:
    return bright(path / "bands.onnx", source=(1, 40, 32, 32), result=(1, 40, 32, 32))


def lying_header(path: Path) -> Path:
    (path / "config.json").write_text(json.dumps({"architectures": ["SegformerForSemanticSegmentation"]}))
    (path / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    return path


def lying_shape(sides: str) -> Callable[[Path], Path]:
    """A tensor of these sides in a file of four bytes."""

    def made(path: Path) -> Path:
        (path / "config.json").write_text(json.dumps({"architectures": ["SegformerForSemanticSegmentation"]}))
        header = f'{{"w": {{"dtype": "F32", "shape": {sides}, "data_offsets": [0, 4]}}}}'.encode()
        (path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        return path

    return made


def own_code(path: Path) -> Path:
    config = {"architectures": ["EvilForSegmentation"], "auto_map": {"AutoModel": "evil.EvilForSegmentation"}}
    (path / "config.json").write_text(json.dumps(config))
    (path / "evil.py").write_text("raise SystemExit('ran')")
    (path / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (pickled, "export the model to ONNX"),
        (pickled_folder, "safe_serialization=True"),
        (custom_operator, "no part of ONNX"),
        (outside("../secret"), "outside its own folder"),
        (outside("/etc/passwd"), "outside its own folder"),
        (outside("missing.data"), "not beside it"),
        (linked, "not beside it"),
        (in_a_branch, "outside its own folder"),
        (in_a_constant, "outside its own folder"),
        (many_nodes, f"more than {MOST_NODES:,} nodes"),
        (truncated, "damaged"),
        (text, "damaged"),
        (nested, "graphs within graphs"),
        (class_numbers, "number of a class"),
        (class_numbers_as_a_channel, "number of a class"),
        (threshold, "number of a class"),
        (folder_with(_model_class="Unet", encoder_name="tu-hf-hub:evil/x"), "another place"),
        (folder_with(_model_class="Unet", encoder_name="tu-local-dir:/etc"), "another place"),
        (folder_with(_model_class="Unet", checkpoint_path="/tmp/evil.pt"), "another place"),
        (folder_with(_model_class="Unet", pretrained_cfg={"file": "/tmp/evil.pt"}), "another place"),
        (folder_with(backbone="hf-hub:evil/x", use_timm_backbone=True), "another place"),
        (folder_with(backbone_config={"model_type": "timm_backbone", "backbone": "local-dir:/etc"}), "another place"),
        (folder_with(attn_implementation="kernels-community/evil"), "another place"),
        (folder_with(backbone_config={"_attn_implementation": {"": "evil/kernel:forward"}}), "another place"),
        (many_bands, "bands"),
        (lying_header, "safetensors"),
        *(
            (lying_shape(sides), "no whole safetensors")
            for sides in ("[1e999]", "[1000000000]", "[-5]", '"12"', "[1.0]")
        ),
        (folder_with(quantization_config={"quant_method": "evil"}), "quantised"),
        (folder_with(_model_class="Unet", weights="imagenet"), "no setting 'weights'"),
        (folder_with(_model_class="Unet", outputs=4), "no setting 'outputs'"),
        (folder_with(_model_class="Unet", classes=True), "how many classes"),
        (folder_with(_model_class="Unet", in_channels=True), "bands"),
        (own_code, "architecture"),
    ],
)
def test_it_is_refused_in_one_sentence_without_being_run(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ModelError, match=words) as refusal:
        inspect(make(folder))
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


def endless(path: Path) -> Path:
    body = helper.make_graph(
        [helper.make_node("Identity", ["keep"], ["on"]), helper.make_node("Identity", ["state"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("keep", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    weights = [
        numpy_helper.from_array(np.array(2**62, np.int64), "times"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    return graph(path, [helper.make_node("Loop", ["times", "yes", "x"], ["y"], body=body)], weights=weights)


def greedy(path: Path) -> Path:
    """Asks for a tensor of 64 GB."""
    side = numpy_helper.from_array(np.array([2**34], np.int64), "side")
    first = numpy_helper.from_array(np.array([0], np.int64), "axis")
    nodes = [
        helper.make_node("ConstantOfShape", ["side"], ["huge"]),
        helper.make_node("ReduceSum", ["huge", "axis"], ["sum"]),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    return graph(path, nodes, weights=[side, first])


def lying(path: Path) -> Path:
    """Says three classes, gives one row of numbers."""
    shape = numpy_helper.from_array(np.array([1, -1], np.int64), "shape")
    return graph(path, [helper.make_node("Reshape", ["x", "shape"], ["y"])], weights=[shape], result=None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(endless, "gave no answer within 3 seconds", marks=pytest.mark.slow),
        (greedy, "."),
        (lying, "one score for each class"),
    ],
)
def test_what_does_harm_when_it_runs_ends_its_own_process_alone(
    tmp_path: Path, home: Path, make: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(ModelError, match=words) as refusal:
        import_model(make(tmp_path / "bad.onnx"), "bad", SAID, limits=RunLimits(memory=2 * 1024**3, seconds=3))
    assert "\n" not in str(refusal.value)
    assert not [path for path in (home / "models").iterdir() if not path.name.startswith(".")]


def test_names_of_classes_that_are_markup_stay_letters(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", "a\nb\x00c", "x" * 500]
    path = bright(tmp_path / "markup.onnx")
    model = onnx.load(path)
    helper.set_model_props(model, {"class_names": json.dumps(names)})
    onnx.save(model, path)
    found = inspect(path).classes
    assert found[0] == names[0]
    assert all(name.isprintable() and 0 < len(name) <= 80 for name in found)


@pytest.mark.parametrize(
    "said",
    [
        ModelAnswers(),
        ModelAnswers(classes=NAMES),
        ModelAnswers(classes=NAMES, mean=(0, 0, 0), std=(0, 1, 1)),
        ModelAnswers(classes=("a", "b"), mean=(0, 0, 0), std=(1, 1, 1)),
        ModelAnswers(classes=("a", "a", "b"), mean=(0, 0, 0), std=(1, 1, 1)),
        ModelAnswers(classes=NAMES, mean=(0, 0, 0), std=(1, 1, 1), map={"moon": "Moon"}),
        ModelAnswers(classes=NAMES, mean=(0, 0, 0), std=(1, 1, 1), map={"road": "", "tree": ""}),
    ],
)
def test_what_is_missing_or_wrong_is_asked_for_and_nothing_is_kept(
    tmp_path: Path, home: Path, said: ModelAnswers
) -> None:
    with pytest.raises(ConfigError):
        import_model(bright(tmp_path / "net.onnx"), "net", said)
    assert not (home / "models" / "net").exists()


@pytest.mark.parametrize("name", ["../x", "Teacher", "", "teacher", "a/b"])
def test_a_name_is_free_and_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        import_model(bright(tmp_path / "net.onnx"), name, SAID)


def test_a_file_of_1_5_gb_takes_no_memory_to_be_read(tmp_path: Path) -> None:
    model = onnx.load(bright(tmp_path / "large.onnx"))
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[375_000_000])
    # A tensor of zeros that are a hole in the file: field 5 of the graph, in it field 9.
    size = 1_500_000_000
    inner = weights.SerializeToString() + b"\x4a" + varint(size)
    body = model.graph.SerializeToString() + b"\x2a" + varint(len(inner) + size) + inner
    model.ClearField("graph")
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.write(model.SerializeToString() + b"\x3a" + varint(len(body) + size) + body)
        file.truncate(file.tell() + size)
    code = (
        "import sys, resource; from pathlib import Path; from core.brought.onnx_file import inspect; "
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; found = inspect(Path(sys.argv[1])); "
        "print(found.parameters, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    told = subprocess.run([sys.executable, "-c", code, path], cwd=paths.ROOT, capture_output=True, check=True).stdout
    parameters, kilobytes = map(int, told.split())
    assert parameters == 375_000_001
    assert kilobytes < 20_000


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])
