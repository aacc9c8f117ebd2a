"""The two ends of an exported graph: from a picture's bytes to the network's input, from its logits to an answer."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

INPUT, LOGITS, MASK = "image", "logits", "mask"
_TYPES = {"uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16, "float32": TensorProto.FLOAT}


def add_ends(
    core: onnx.ModelProto,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    multiple: int,
    outputs: int,
    argmax: bool,
    depth: str = "uint8",
) -> onnx.ModelProto:
    """A network (n, D, h, w) → (n, C, h, w) for sides that are multiples, as one for any picture as it is stored.

    `image` (N, H, W, D) of `depth` → `logits` float32 (N, C, H, W), or with `argmax` `mask` uint8 (N, H, W), the first
    of equals. Sides are padded to `multiple` with their last row and column and cut back.
    """
    graph = core.graph
    start, end = graph.input[0].name, graph.output[0].name
    before, cut = _before(start, multiple, depth)
    after = _after(end, cut=cut if multiple > 1 else None, argmax=argmax)
    constants = _constants(mean, std, multiple)
    answer = (
        helper.make_tensor_value_info(MASK, TensorProto.UINT8, ["N", "H", "W"])
        if argmax
        else helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["N", outputs, "H", "W"])
    )
    nodes = [*before, *(copy.copy(node) for node in graph.node), *after]
    used = {name for node in nodes for name in node.input}
    for index, node in enumerate(nodes):
        node.name = f"{node.op_type}_{index}"
    made = helper.make_graph(
        nodes,
        "terrastill",
        [helper.make_tensor_value_info(INPUT, _TYPES[depth], ["N", "H", "W", len(mean)])],
        [answer],
        [item for item in (*graph.initializer, *constants) if item.name in used],
    )
    opsets = [item for item in core.opset_import if item.domain == ""]
    return helper.make_model(
        made, opset_imports=opsets, ir_version=min(core.ir_version, 10), producer_name="terrastill"
    )


def _before(start: str, multiple: int, depth: str) -> tuple[list[NodeProto], str]:
    """Nodes from `image` to `start`, and the name of the picture's own (H, W)."""
    # ONNX Runtime pads bytes and floats, and no 16-bit numbers.
    given = "numbers" if depth == "uint16" else INPUT
    pad = [
        helper.make_node("Shape", [INPUT], ["picture_size"], start=1, end=3),
        helper.make_node("Neg", ["picture_size"], ["size_below"]),
        helper.make_node("Mod", ["size_below", "multiple"], ["missing"]),
        helper.make_node("Concat", ["no_pixels", "missing"], ["pads"], axis=0),
        helper.make_node("Pad", [given, "pads", "", "picture_axes"], ["padded"], mode="edge"),
    ]
    source = "padded" if multiple > 1 else given
    scale = [
        helper.make_node("Transpose", [source], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["values" if depth == "uint8" else "planes", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], [start]),
    ]
    if depth == "uint8":
        scale.insert(1, helper.make_node("Cast", ["planes"], ["values"], to=TensorProto.FLOAT))
    first = [helper.make_node("Cast", [INPUT], [given], to=TensorProto.FLOAT)] if given != INPUT else []
    return [*first, *(pad if multiple > 1 else []), *scale], "picture_size"


def _after(end: str, *, cut: str | None, argmax: bool) -> list[NodeProto]:
    nodes = []
    answer = MASK if argmax else LOGITS
    whole = end
    if argmax:
        nodes.append(helper.make_node("ArgMax", [end], ["likeliest"], axis=1, keepdims=0))
        nodes.append(helper.make_node("Cast", ["likeliest"], ["whole_mask"], to=TensorProto.UINT8))
        whole = "whole_mask"
    if cut is None:
        return [*nodes, helper.make_node("Identity", [whole], [answer])]
    axes = "mask_axes" if argmax else "plane_axes"
    return [*nodes, helper.make_node("Slice", [whole, "no_pixels", cut, axes], [answer])]


def _constants(mean: Sequence[float], std: Sequence[float], multiple: int) -> list[TensorProto]:
    arrays: dict[str, NDArray[Any]] = {
        "mean": np.asarray(mean, np.float32).reshape(1, -1, 1, 1),
        "std": np.asarray(std, np.float32).reshape(1, -1, 1, 1),
        "multiple": np.asarray([multiple, multiple], np.int64),
        "no_pixels": np.zeros(2, np.int64),
        "picture_axes": np.asarray([1, 2], np.int64),
        "mask_axes": np.asarray([1, 2], np.int64),
        "plane_axes": np.asarray([2, 3], np.int64),
    }
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]
