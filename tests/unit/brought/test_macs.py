"""The work of a brought model is counted as that of ours: by its shapes, whatever kind of file it came as."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from core.brought.found import ModelAnswers
from core.brought.kinds import KINDS
from core.brought.onnx_structure import structure_of
from core.cards import load_card, resolve
from core.models import count_macs
from core.models.committee import committee_card
from core.models.external.importer import import_model
from tests.unit.brought import folders
from tests.unit.brought.graphs import NAMES, exported, graph, tiny_network
from tests.unit.brought.test_hostile_models import SAID, endless


class Parts(nn.Module):
    """A convolution in groups, one that grows, and attention between pixels: products of two matrices that change."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.groups = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.attention = nn.Linear(8, 24)
        self.up = nn.ConvTranspose2d(8, 3, 4, stride=4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = self.groups(self.down(image))
        batch, channels, height, width = found.shape
        query, key, value = self.attention(found.flatten(2).transpose(1, 2)).chunk(3, dim=-1)
        mixed = (query @ key.transpose(1, 2)).softmax(-1) @ value
        up: torch.Tensor = self.up(mixed.transpose(1, 2).reshape(batch, channels, height, width))
        return up


@pytest.mark.parametrize(("make", "side"), [(tiny_network, None), (Parts, None), (Parts, 64)])
def test_an_onnx_file_is_counted_as_its_network(tmp_path: Path, make: Any, side: int | None) -> None:
    torch.manual_seed(0)
    network = make().eval()
    path = exported(tmp_path / "net.onnx", network, side=side)
    asked = side or 128
    assert KINDS["onnx"].macs(path, (1, 3, asked, asked)) == count_macs(network, size=asked) > 0


@pytest.mark.slow
@pytest.mark.parametrize("make", [tiny_network, Parts])
def test_an_openvino_model_is_counted_likewise(tmp_path: Path, make: Any) -> None:
    openvino = pytest.importorskip("openvino")
    network = make().eval()
    model = openvino.convert_model(exported(tmp_path / "net.onnx", network, side=64))
    openvino.save_model(model, tmp_path / "net.xml", compress_to_fp16=False)
    assert KINDS["openvino"].macs(tmp_path / "net.xml", (1, 3, 64, 64)) == count_macs(network, size=64)


def test_the_card_of_an_import_says_it_for_256_pixels_and_a_committee_adds_them(tmp_path: Path) -> None:
    expected = count_macs(tiny_network())
    import_model(exported(tmp_path / "any.onnx", tiny_network(), side=None), "any", SAID)
    import_model(graph_of_two(tmp_path / "two.onnx"), "two", SAID)
    cards = {name: load_card(resolve(name)) for name in ("any", "two")}
    assert [card.macs_256 for card in cards.values()] == [expected, 3 * 3 * 256 * 256]
    assert committee_card("both", cards, flips=True).macs_256 == 4 * (expected + 3 * 3 * 256 * 256)
    assert committee_card("c", {**cards, "unknown": replace(cards["any"], macs_256=0)}).macs_256 == 0


def graph_of_two(path: Path) -> Path:
    """Two pictures of 32 pixels at once, three by three for each pixel; weights beside the file and an input too."""
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    graph(path, nodes, source=(2, 3, 32, 32), result=(2, 3, 32, 32), weights=[weights])
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 3, 1, 1]))
    onnx.save(model, path, save_as_external_data=True, location="w.data", size_threshold=0)
    return path


@pytest.mark.parametrize("confined", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_folder_is_counted_as_its_network_here_and_in_a_confined_process(tmp_path: Path, confined: bool) -> None:
    import segmentation_models_pytorch as smp

    folders.smp_folder(tmp_path / "folder")
    said = ModelAnswers(classes=tuple(folders.LABELS.values()), mean=folders.MEAN, std=folders.STD)
    card = import_model(tmp_path / "folder", "brought", said, confined=confined)
    assert card.macs_256 == count_macs(smp.from_pretrained(tmp_path / "folder").eval())


def test_what_cannot_be_told_is_0_and_no_error(tmp_path: Path) -> None:
    whole = exported(tmp_path / "net.onnx", tiny_network())
    (tmp_path / "half.onnx").write_bytes(whole.read_bytes()[:200])
    unknown = graph(tmp_path / "new.onnx", [helper.make_node("Swirl", ["x"], ["y"])])
    lying = graph(
        tmp_path / "lying.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        weights=[numpy_helper.from_array(np.ones((5, 4), np.float32), "w")],
    )
    for path in (tmp_path / "half.onnx", unknown, lying, endless(tmp_path / "endless.onnx")):
        assert KINDS["onnx"].macs(path, (1, 3, 32, 32)) == 0
    assert KINDS["onnx"].macs(whole, (1, 3, 32)) == 0


def test_the_structure_of_a_file_has_all_but_the_numbers_of_its_weights(tmp_path: Path) -> None:
    path = exported(tmp_path / "net.onnx", nn.Conv2d(3, len(NAMES), 65, padding=32).eval())
    whole, lean = onnx.load(path), onnx.load_model_from_string(structure_of(path))
    assert len(lean.SerializeToString()) < path.stat().st_size / 20
    assert [(t.name, list(t.dims)) for t in lean.graph.initializer] == [
        (t.name, list(t.dims)) for t in whole.graph.initializer
    ]
    assert all(not t.raw_data for t in lean.graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) == 4)
    for model in (whole, lean):
        del model.graph.initializer[:]
    assert lean == whole
