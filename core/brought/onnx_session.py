"""A brought ONNX file in ONNX Runtime: arrays in, arrays out, and one sentence for all that goes wrong."""

import os
import re
import textwrap
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from core.errors import ModelError, PictureRefusedError

_REFUSALS = (
    *(getattr(states, name) for name in ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile")),
    *(getattr(states, name) for name in ("NotImplemented", "RuntimeException", "NoModel", "EPFail")),
    RuntimeError,
    ValueError,
    OSError,
)
"""What ONNX Runtime raises: classes of its own, without a common base."""
_HEAD = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |.*? failed:|.*?Status Message: ")
_CODE = re.compile(r"^\S+:\d+ .*?\)(?: const)?(?: \[with .*?\])? ")
"""How its messages begin: what was done when it failed, then a place in its own code with the function there."""


def opener() -> "type[OnnxSession]":
    """What opens a file; the library is imported with this module."""
    return OnnxSession


class OnnxSession:
    """One ONNX file, ready to run; its first input and its first output count."""

    def __init__(self, file: Path, *, threads: int = 0, cuda: bool = False) -> None:
        """`threads` 0 leaves the number to ONNX Runtime. Raises `ModelError` where it cannot read the file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        there = onnxruntime.get_available_providers()
        wanted = ["CUDAExecutionProvider"] if cuda and "CUDAExecutionProvider" in there else []
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(file), options, providers=[*wanted, "CPUExecutionProvider"]
            )
        except _REFUSALS as error:
            raise ModelError(f"ONNX Runtime cannot read this model ({_first_line(error)}): export it anew.") from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def __call__(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """One forward pass.

        Args:
            images: (N, C, H, W) or (N, H, W, C), of the type that the graph takes.

        Returns:
            What the graph gives, (…), as float32.

        Raises:
            PictureRefusedError: The graph cannot take them.
        """
        try:
            found = self._session.run([self._output], {self._input: images})[0]
        except _REFUSALS as error:
            raise PictureRefusedError(
                f"The model fails on a picture ({_first_line(error)}): export it anew."
            ) from error
        return np.asarray(found, np.float32)


def _first_line(error: Exception) -> str:
    """What went wrong in a few words, without a path of this machine or a place in the library's own code."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    line = _CODE.sub("", _HEAD.sub("", line)) or type(error).__name__
    words = [word for word in line.split() if "/" not in word and "\\" not in word]
    return textwrap.shorten(" ".join(words), 200, placeholder=" …").rstrip(".: ")
