"""Multiply-accumulates of an ONNX file, counted from the shapes of what goes through its graph.

Runs in the confined process. What cannot be told is 0: loops and branches, and operators whose work their shapes do not
tell.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.brought.onnx_structure import structure_of
from core.errors import ModelError

Shape = tuple[int, ...]
_UNTOLD = {
    *("Einsum", "LSTM", "GRU", "RNN", "Attention", "DeformConv", "Loop", "Scan", "If"),
}
_TOLD_OF_MICROSOFT = {
    *("FusedConv", "Gelu", "FastGelu", "BiasGelu", "QuickGelu", "SkipLayerNormalization", "QuantizeLinear"),
    *("DequantizeLinear", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid", "QLinearLeakyRelu"),
    *("QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearSoftmax"),
}
_WEIGHTS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
"""Which input of an operator holds its weights."""
_PRODUCTS = {"MatMul", "MatMulInteger", "QLinearMatMul", "Gemm"}
_NUMBERS = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")
_SIDES = "sides_of/"


def onnx_macs(file: Path, shape: Shape) -> int:
    """Of one pass of an ONNX file over an input of this shape; 0 where it cannot be told.

    Convolutions and products of matrices count, as in `core.models.count_macs`. The graph runs once, with weights of 0,
    so that weights of any size cost little memory.
    """
    import onnx
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    refusals = [getattr(states, name) for name in ("Fail", "InvalidArgument", "InvalidGraph", "RuntimeException")]
    refusals += [getattr(states, name) for name in ("NotImplemented", "InvalidProtobuf")]
    try:
        model = onnx.load_model_from_string(structure_of(file))
        counted = [node for node in _told(model.graph) if node.op_type in {*_WEIGHTS, *_PRODUCTS}]
        _with_weights_of_zero(model.graph)
        _telling_sides(model.graph, counted)
        options = onnxruntime.SessionOptions()
        # Otherwise weights that are made of their sides are made when the file is opened, all at once.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs() if value.name.startswith(_SIDES)]
        found = session.run(names, {value.name: _zeros(value.type, shape) for value in session.get_inputs()})
        sides = {name.removeprefix(_SIDES): tuple(map(int, one)) for name, one in zip(names, found, strict=True)}
        return sum(_of_node(node, sides) for node in counted)
    except (*refusals, ModelError, LookupError, ValueError, RuntimeError, TypeError):
        return 0


def _zeros(kind: str, shape: Shape) -> Any:
    """An input of ONNX Runtime's type, such as `tensor(float)`."""
    return np.zeros(shape, {"tensor(float)": np.float32, "tensor(float16)": np.float16}.get(kind, np.uint8))


def _told(graph: Any) -> Iterator[Any]:
    """The nodes. Raises `ValueError` where the work of one is not told by shapes."""
    for node in graph.node:
        foreign = node.domain == "com.microsoft" and node.op_type not in _TOLD_OF_MICROSOFT
        if node.op_type in _UNTOLD or foreign:
            raise ValueError
        yield node


def _with_weights_of_zero(graph: Any) -> None:
    """Make every tensor whose numbers are left out of its sides, when it is needed."""
    from onnx import helper, numpy_helper

    weights = {tensor.name for tensor in graph.initializer}
    given = [value for value in graph.input if value.name not in weights]
    whole, made = [], []
    for tensor in graph.initializer:
        if not math.prod(tensor.dims) or any(getattr(tensor, name) for name in _NUMBERS):
            whole.append(tensor)
            continue
        # A name that the graph may have, too, is made unlike it.
        sides = f"{_SIDES}{tensor.name}/made"
        whole.append(numpy_helper.from_array(np.array(tensor.dims, np.int64), sides))
        zero = helper.make_tensor("zero", tensor.data_type, [1], [0])
        made.append(helper.make_node("ConstantOfShape", [sides], [tensor.name], value=zero))
    nodes = [*made, *graph.node]
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.extend(given)
    graph.initializer.extend(whole)


def _telling_sides(graph: Any, counted: list[Any]) -> None:
    """Let the graph give the sides of all that goes into and comes out of these nodes, and nothing else."""
    from onnx import TensorProto, helper

    names = {name for node in counted for name in (*node.input, *node.output) if name}
    del graph.output[:], graph.value_info[:]
    for name in sorted(names):
        graph.node.append(helper.make_node("Shape", [name], [_SIDES + name]))
        graph.output.append(helper.make_tensor_value_info(_SIDES + name, TensorProto.INT64, [None]))
    # What a file says of its input's sides, another size may contradict.
    for value in graph.input:
        for side in value.type.tensor_type.shape.dim:
            side.Clear()


def _of_node(node: Any, sides: dict[str, Shape]) -> int:
    """Raises `KeyError` and `IndexError` where something that counts is missing."""
    if (at := _WEIGHTS.get(node.op_type)) is not None:
        carrying = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
        return math.prod(sides[carrying]) * math.prod(sides[node.input[at]][1:])
    first = sides[node.input[0]]
    turned = node.op_type == "Gemm" and any(item.name == "transA" and item.i for item in node.attribute)
    return math.prod(sides[node.output[0]]) * first[-2 if turned else -1]
