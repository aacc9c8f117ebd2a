"""A model in OpenVINO: arrays in, arrays out, and one sentence for all that goes wrong. Nobody else compiles in it."""

import importlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError, PictureRefusedError, TerrastillError

_REFUSALS = (RuntimeError, ValueError, TypeError, OSError)

_UNTOLD = (
    *("Einsum", "LSTMCell", "LSTMSequence", "GRUCell", "GRUSequence", "RNNCell", "RNNSequence"),
    *("TensorIterator", "Loop", "If", "DeformableConvolution"),
)
"""Layers whose work their shapes do not tell."""


def require_openvino(error: type[TerrastillError] = ModelError) -> Any:
    """The library, imported when it is needed. Raises `error` where it is not installed."""
    try:
        return importlib.import_module("openvino")
    except ImportError as reason:
        raise error("This model needs OpenVINO: pip install 'terrastill[openvino]'.") from reason


def opener() -> "type[OpenvinoSession]":
    """What opens a file; the library is imported now. Raises `ModelError` where it is not installed."""
    require_openvino()
    return OpenvinoSession


class OpenvinoSession:
    """One model, ready to run on the processor, in float32; its first input and its first output count."""

    def __init__(self, file: Path, *, threads: int = 0, error: type[TerrastillError] = ModelError) -> None:
        """Open an IR (.xml, with its .bin beside it) or an ONNX file.

        Args:
            file: Of the model.
            threads: 0 leaves the number to OpenVINO.
            error: Raised where the library is missing or cannot read the model.
        """
        library = require_openvino(error)
        hints = {
            "INFERENCE_NUM_THREADS": threads,
            # It leaves float32 by itself on some processors.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            # Bound to one core, it would wait for whoever else is there.
            "ENABLE_CPU_PINNING": False,
        }
        weights = [os.fspath(file.with_suffix(".bin"))] if file.suffix.lower() == ".xml" else []
        try:
            core = library.Core()
            network = core.read_model(os.fspath(file), *weights)
            self._request = core.compile_model(network, "CPU", hints).create_infer_request()
        except _REFUSALS as reason:
            raise error(f"OpenVINO cannot read this model ({_last_line(reason)}): save it anew.") from reason

    def run(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """One forward pass of a model of ours.

        Args:
            images: (N, H, W, bands) or (N, bands, H, W), of the type that the model takes.

        Returns:
            What the model gives, (…), as float32.
        """
        found: NDArray[np.float32] = self._request.infer([images])[0]
        return found

    def __call__(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """One forward pass of a model of somebody else's, which may take no such pictures.

        Args:
            images: (N, C, H, W) or (N, H, W, C), of the type that the model takes.

        Returns:
            What the model gives, (…), as float32.

        Raises:
            PictureRefusedError: The model cannot take them.
        """
        try:
            found = self._request.infer([images], share_inputs=True)[0]
        except _REFUSALS as error:
            raise PictureRefusedError(f"The model fails on a picture ({_last_line(error)}): save it anew.") from error
        return np.array(found, np.float32)


def _last_line(error: Exception) -> str:
    """What went wrong in a few words, without a path of this machine."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    words = [word for word in line.split() if "/" not in word and "\\" not in word]
    return " ".join(words)[:160].rstrip(".: ")


def macs(file: Path, shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one pass of an IR over an input of this shape; 0 where they cannot be told."""
    try:
        model = require_openvino().Core().read_model(str(file), str(file.with_suffix(".bin")))
        model.reshape(list(shape))
        return sum(map(_of_layer, model.get_ordered_ops()))
    except (RuntimeError, ValueError, TypeError, LookupError, ModelError):
        return 0


def _of_layer(layer: Any) -> int:
    """Raises `ValueError` where its work is not told, `RuntimeError` where a shape is not."""
    kind = layer.get_type_name()
    if kind in _UNTOLD:
        raise ValueError
    # Those in groups have one more side in front.
    skipped = 2 if kind.startswith("Group") else 1
    if kind in ("Convolution", "GroupConvolution"):
        return int(math.prod(layer.get_output_shape(0)) * math.prod(list(layer.get_input_shape(1))[skipped:]))
    if kind in ("ConvolutionBackpropData", "GroupConvolutionBackpropData"):
        return int(math.prod(layer.get_input_shape(0)) * math.prod(list(layer.get_input_shape(1))[skipped:]))
    if kind == "ScaledDotProductAttention":
        query, key, value = (list(layer.get_input_shape(at)) for at in range(3))
        return int(math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))
    if kind == "MatMul":
        turned = layer.get_attributes().get("transpose_a", False)
        return int(math.prod(layer.get_output_shape(0)) * list(layer.get_input_shape(0))[-2 if turned else -1])
    return 0
