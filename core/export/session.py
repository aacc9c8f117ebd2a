"""An exported model at work in ONNX Runtime: torch is never imported here."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from core.errors import ExportError

_REFUSALS = (
    *(getattr(states, name) for name in ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile")),
    *(getattr(states, name) for name in ("NotImplemented", "RuntimeException", "NoModel", "EPFail")),
    RuntimeError,
    ValueError,
    OSError,
)
"""What ONNX Runtime raises on a file that it cannot use: classes of its own, without a common base."""

Answer = NDArray[np.float32] | NDArray[np.uint8]


class OnnxModel:
    """`run` takes pictures (N, H, W, bands), and gives logits float32 (N, C, H, W) or a mask uint8 (N, H, W)."""

    def __init__(self, source: Path | bytes, *, threads: int | None = None, providers: Sequence[str] = ()) -> None:
        """`threads` None leaves the number to ONNX Runtime. Raises `ExportError` when it cannot read the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Threads that wait in a loop for the next picture would slow down whatever else is timed or served meanwhile.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        chosen = list(providers) or ["CPUExecutionProvider"]
        try:
            self._session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else os.fspath(source), options, providers=chosen
            )
        except _REFUSALS as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise ExportError(f"ONNX Runtime cannot read this model ({reason}): export it anew.") from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        self.gives_mask = self._output == "mask"

    @staticmethod
    def providers() -> list[str]:
        """What the installed ONNX Runtime can run on."""
        return list(onnxruntime.get_available_providers())

    def run(self, images: NDArray[Any]) -> Answer:
        """One forward pass.

        Args:
            images: (N, H, W, bands), as the model takes them: uint8, of red, green and blue.

        Returns:
            Logits float32 (N, C, H, W), or a mask uint8 (N, H, W) where the model gives one.
        """
        found: Answer = self._session.run([self._output], {self._input: images})[0]
        return found


def run_floats(source: bytes) -> Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """A file with one float input, ready to run on one thread.

    Args:
        source: The ONNX file, as bytes.

    Returns:
        What takes (N, B, H, W) and gives each output, (N, C, H, W), by its name.

    Raises:
        ExportError: ONNX Runtime cannot read it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except _REFUSALS as error:
        raise ExportError(f"ONNX Runtime cannot read this model ({str(error)[:160]}): export it anew.") from error
    names = [output.name for output in session.get_outputs()]
    entry = session.get_inputs()[0].name
    return lambda given: dict(zip(names, session.run(names, {entry: given}), strict=True))
