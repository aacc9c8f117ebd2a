"""INT8 by static quantisation: ranges of activations come from real training tiles, weights are scaled by channel."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from core.errors import ExportError
from core.export.surround import INPUT

_INTEGER = ["Conv", "Relu", "Clip", "Add", "Concat", "MaxPool", "Resize"]


class _Tiles(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, tiles: Sequence[NDArray[Any]]) -> None:
        self._tiles: Iterator[NDArray[Any]] = iter(tiles)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        tile = next(self._tiles, None)
        return None if tile is None else {INPUT: tile[None]}


def quantise(model: onnx.ModelProto, tiles: Sequence[NDArray[Any]]) -> onnx.ModelProto:
    """The model with integer convolutions (QDQ).

    The two ends and the last convolution, whose answers are compared with each other, stay in float32.

    Args:
        model: What `to_onnx` gave.
        tiles: (H, W, C) of C bands each: the ranges of activations are those on these.

    Raises:
        ExportError: The model holds nothing that can be made integer.
    """
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    if not convolutions:
        raise ExportError("This model has no convolution, so there is nothing to quantise: export it without INT8.")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)
        try:
            quantize_static(
                source,
                target,
                _Tiles(tiles),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_INTEGER,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                nodes_to_exclude=[*_ends(model), convolutions[-1]],
            )
        finally:
            logging.root.setLevel(level)
        made = onnx.load(target)
    onnx.helper.set_model_props(made, {item.key: item.value for item in model.metadata_props})
    return made


def _ends(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes around the network."""
    return [node.name for node in model.graph.node if node.op_type in ("Shape", "Neg", "Mod", "Pad", "Slice", "ArgMax")]
