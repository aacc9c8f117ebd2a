"""A brought OpenVINO IR in its own runtime: arrays in, arrays out, and one sentence for all that goes wrong."""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError, PictureRefusedError

_REFUSALS = (RuntimeError, ValueError, TypeError, OSError)


def require_openvino() -> Any:
    """The library, imported when a model needs it. Raises `ModelError` where it is not installed."""
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise ModelError("This model needs OpenVINO: pip install 'terrastill[openvino]'.") from error


class OpenvinoSession:
    """One IR, ready to run on the processor, in float32; its first input and its first output count."""

    def __init__(self, file: Path, *, threads: int = 0) -> None:
        """`threads` 0 leaves the number to OpenVINO. Raises `ModelError` where it is missing or cannot read it."""
        library = require_openvino()
        hints = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            # Bound to one core, it would wait for whoever else is there.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            core = library.Core()
            network = core.read_model(os.fspath(file), os.fspath(file.with_suffix(".bin")))
            self._request = core.compile_model(network, "CPU", hints).create_infer_request()
        except _REFUSALS as error:
            raise ModelError(f"OpenVINO cannot read this model ({_last_line(error)}): save it anew.") from error

    def __call__(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """One forward pass.

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
