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
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_HEAD = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |.*? failed:|.*?Status Message: ")
_CODE = re.compile(r"^\S+:\d+ .*?\)(?: const)?(?: \[with .*?\])? ")
"""How its messages begin: what was done when it failed, then a place in its own code with the function there."""


def opener() -> "type[OnnxSession]":
    """What opens a file; the library is imported with this module."""
    return OnnxSession


class OnnxSession:
    """One ONNX file, ready to run; its first input and its first output count.

    `note` is a sentence where it runs on the processor though the GPU was asked for; else empty.
    """

    def __init__(self, file: Path, *, threads: int = 0, cuda: bool = False) -> None:
        """Open a file.

        Args:
            file: Of the model.
            threads: 0 leaves the number to ONNX Runtime.
            cuda: Whether it runs on the GPU, where ONNX Runtime can use one.

        Raises:
            ModelError: ONNX Runtime cannot read the file.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        self.note = ""
        session = self._on_gpu(file, options) if cuda else None
        try:
            self._session = session or onnxruntime.InferenceSession(os.fspath(file), options, providers=[_CPU])
        except _REFUSALS as error:
            raise ModelError(f"ONNX Runtime cannot read this model ({_first_line(error)}): export it anew.") from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def _on_gpu(self, file: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession | None:
        """The file on the GPU; None where that does not work, and the note says why."""
        reason = "this onnxruntime has no CUDA: pip install onnxruntime-gpu in its place"
        if _CUDA in onnxruntime.get_available_providers():
            try:
                session = onnxruntime.InferenceSession(os.fspath(file), options, providers=[_CUDA, _CPU])
                # Where a library of CUDA is missing, it falls back by itself and raises nothing.
                if _CUDA in session.get_providers():
                    return session
                reason = "ONNX Runtime could not start CUDA: check its version and that of cuDNN"
            except _REFUSALS as error:
                reason = _first_line(error)
        self.note = f"The ONNX model runs on the processor and not on the GPU ({reason})."
        return None

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
