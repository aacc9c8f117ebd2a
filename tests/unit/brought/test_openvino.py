"""An OpenVINO IR that was brought answers as OpenVINO does, and what could do harm in one is refused in a sentence."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import checkpoint, openvino_session
from core.brought.found import ModelAnswers, missing
from core.brought.openvino_graph import MOST_LAYERS
from core.cards import resolve
from core.errors import ModelError
from core.export.openvino_ir import model_info
from core.models.external.confined_network import RunLimits
from core.models.external.importer import import_model, inspect
from tests.unit.brought.graphs import NAMES, exported, picture, tiny_network
from tests.unit.brought.test_hostile_models import endless
from tests.unit.brought.test_onnx import answer, softmax

openvino = pytest.importorskip("openvino")

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
INFO = {
    "model_type": "Segmentation",
    "labels": "building road tree",
    "mean_values": "123.675 116.28 103.53",
    "scale_values": "58.395 57.12 57.375",
}


def saved(folder: Path, graph: Path, info: dict[str, str] | None = None) -> Path:
    """An IR by OpenVINO's own converter."""
    model = openvino.convert_model(graph)
    for key, value in (info or {}).items():
        model.set_rt_info(value, ["model_info", key])
    openvino.save_model(model, folder / "net.xml", compress_to_fp16=False)
    return folder / "net.xml"


def own_answer(path: Path, image: np.ndarray, mean: Any = MEAN, std: Any = STD) -> np.ndarray:
    """What OpenVINO gives for a picture that was normalised by hand."""
    values = ((image - np.array(mean)) / np.array(std)).astype(np.float32).transpose(2, 0, 1)[None]
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([values])[0][0]


@pytest.mark.parametrize(("side", "head"), [(64, None), (None, "softmax")])
def test_it_answers_as_openvino_does_with_what_model_info_says(tmp_path: Path, side: int | None, head: str) -> None:
    path = saved(tmp_path, exported(tmp_path / "net.onnx", tiny_network(head=head), side=side), INFO)
    image, found = picture(64), inspect(path)
    assert (found.classes, missing(found), found.fixed) == (NAMES, [], side is not None)
    assert found.output == ("probabilities" if head else None)
    card = import_model(path, "brought", ModelAnswers())
    scores = own_answer(path, image)
    expected, given = scores if head else softmax(scores), answer("brought", image)
    assert np.abs(given.probabilities - expected).max() < 1e-3
    assert (given.mask == expected.argmax(axis=0)).mean() >= 0.999
    assert set(np.unique(given.mask)) == {0, 1, 2}
    # OpenVINO also keeps the scales of a resize as constants.
    assert 0 <= card.parameters - sum(p.numel() for p in tiny_network().parameters()) <= 4
    assert set(card.model.arguments["files"]) == {"net.xml", "net.bin"}


def test_reversed_colours_and_the_order_of_their_normalisation_are_respected(tmp_path: Path) -> None:
    graph = exported(tmp_path / "net.onnx", tiny_network())
    path = saved(tmp_path, graph, INFO | {"reverse_input_channels": "YES"})
    import_model(path, "blue", ModelAnswers())
    image = picture(64)
    expected = softmax(own_answer(path, np.ascontiguousarray(image[..., ::-1])))
    assert np.abs(answer("blue", image).probabilities - expected).max() < 1e-3


def test_what_our_own_export_says_comes_back(tmp_path: Path) -> None:
    card = replace(checkpoint.load_card(resolve("student")), mean=(120.0, 110.0, 100.0), std=(60.0, 50.0, 70.0))
    graph = exported(tmp_path / "net.onnx", tiny_network(5))
    found = inspect(saved(tmp_path, graph, model_info(card, side=64)))
    assert (found.mean, found.std, found.licence) == (card.mean, card.std, card.licence)
    assert found.classes == tuple(name.replace(" ", "_") for name in card.classes.scored_names)
    assert found.network["order"] == "rgb"


def test_without_the_library_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing_library(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(openvino_session.importlib, "import_module", missing_library)
    with pytest.raises(ModelError, match=r"terrastill\[openvino\]"):
        openvino_session.OpenvinoSession(tmp_path / "net.xml")


NET = (
    '<net name="n" version="11"><layers>'
    '<layer id="0" name="x" type="Parameter" version="opset1"><data shape="1,3,32,32" element_type="f32"/>'
    "<output><port id='0' precision='FP32'><dim>1</dim><dim>3</dim><dim>32</dim><dim>32</dim></port></output></layer>"
    '{more}<layer id="2" name="y" type="Result" version="opset1"><input><port id="0" precision="FP32">'
    "<dim>1</dim><dim>3</dim><dim>32</dim><dim>32</dim></port></input></layer></layers>"
    '<edges><edge from-layer="0" from-port="0" to-layer="2" to-port="0"/></edges></net>'
)
CONSTANT = (
    '<layer id="1" name="w" type="Const" version="opset1"><data element_type="f32" shape="{shape}" offset="{offset}" '
    'size="{size}"/><output><port id="0" precision="FP32"/></output></layer>'
)


def written(folder: Path, text: str, *, weights: bytes | None = b"") -> Path:
    (folder / "net.xml").write_text(text)
    if weights is not None:
        (folder / "net.bin").write_bytes(weights)
    return folder / "net.xml"


def linked(folder: Path) -> Path:
    (folder / "net.bin").symlink_to("/etc/passwd")
    return written(folder, NET.format(more=""), weights=None)


def constant(shape: str, offset: str, size: str) -> Callable[[Path], Path]:
    text = NET.format(more=CONSTANT.format(shape=shape, offset=offset, size=size))
    return lambda folder: written(folder, text, weights=bytes(16))


LAYER = '<layer id="1" name="w" type="Relu" version="opset1"/>'
BOMB = '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: written(folder, BOMB + NET.format(more="&b;")), "document type"),
        (lambda folder: written(folder, OUTSIDE + NET.format(more="&a;")), "document type"),
        (lambda folder: written(folder, NET.format(more=LAYER.replace("opset1", "extension"))), "no part of OpenVINO"),
        (
            lambda folder: written(folder, NET.format(more=LAYER * (MOST_LAYERS + 1))),
            f"more than {MOST_LAYERS:,} layers",
        ),
        (lambda folder: written(folder, NET.format(more="<body>" * 100 + "</body>" * 100)), "graphs within graphs"),
        (lambda folder: written(folder, NET.format(more="")[:400]), "damaged"),
        (lambda folder: written(folder, "<html><script>alert(1)</script></html>"), "no OpenVINO model"),
        (lambda folder: written(folder, ""), "1 byte"),
        (lambda folder: written(folder, NET.format(more=""), weights=None), "bring both"),
        (linked, "bring both"),
        (constant("4", "8", "16"), "shorter than the model says"),
        (constant("4", "-8", "16"), "damaged"),
        (constant("4", "x", "16"), "damaged"),
        (lambda folder: written(folder, NET.format(more="").replace("f32", "i64")), "bring one that takes"),
        (lambda folder: written(folder, NET.format(more="").replace("1,3,32", "1,60,32")), "bands"),
        (lambda folder: written(folder, NET.format(more="").replace("Parameter", "Const")), "no graph with an input"),
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


@pytest.mark.slow
def test_shapes_that_lie_and_loops_without_end_end_their_own_process_alone(tmp_path: Path, home: Path) -> None:
    said = ModelAnswers(classes=NAMES, mean=(0, 0, 0), std=(1, 1, 1))
    limits = RunLimits(memory=4 * 1024**3, seconds=15)
    lying = constant("1000000,1000000", "0", "16")
    for number, path in enumerate([lying(tmp_path), saved(tmp_path, endless(tmp_path / "endless.onnx"))]):
        with pytest.raises(ModelError) as refusal:
            import_model(path, f"bad{number}", said, limits=replace(limits, seconds=15 if number == 0 else 5))
        assert "\n" not in str(refusal.value)
    assert not list((home / "models").glob("[!.]*"))


def test_labels_that_are_markup_stay_letters(tmp_path: Path) -> None:
    info = (
        "<rt_info><model_info><labels value='&lt;b&gt;roof&lt;/b&gt; a&#9;&#127; tree'/></model_info></rt_info></net>"
    )
    found = inspect(written(tmp_path, NET.format(more="").replace("</net>", info)))
    assert found.classes[0] == "<b>roof</b>"
    assert all(name.isprintable() for name in found.classes)
