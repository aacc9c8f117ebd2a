"""What can run a model: the one place where a runtime is registered. Each loads what it needs when it is opened.

A new runtime is a function that opens a file, and one entry in `RUNTIMES`: the plan, the page, the command line, the
chart and the cold start read it there.
"""

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:  # `--help` lists the runtimes, and answers at once.
    import numpy as np
    from numpy.typing import NDArray

Pictures: TypeAlias = "NDArray[Any]"
Run: TypeAlias = "Callable[[Pictures], NDArray[np.float32]]"
"""Pictures (N, H, W, bands) as the model's card says, of colours uint8 → logits float32 (N, C, H, W)."""

Open = Callable[[Path, int, str], Run]
"""A file, a number of processor threads and a device (`cpu`, `cuda:0`) → what runs the model in that file."""


@dataclass(frozen=True)
class Runtime:
    """One way to run a model.

    Attributes:
        title: What people call it.
        package: What has to be installed for it, by its name in the package index.
        file: What it reads: our checkpoint, or the ONNX file in float32 or INT8.
        symbol: Its mark in charts, by Plotly's name.
        open: Opens a file. Raises `CheckpointError` and `ExportError`.
        unavailable: Takes a device and says in a sentence why the runtime cannot be used there; None where it can.
        usual: Whether it is measured unless somebody says otherwise.
    """

    title: str
    package: str
    file: Literal["checkpoint", "float32", "int8"]
    symbol: str
    open: Open
    unavailable: Callable[[str], str | None]
    usual: bool = False


def _open_torch(file: Path, threads: int, device: str) -> Run:
    return _torch(file, threads, device, compiled=False)


def _open_compiled(file: Path, threads: int, device: str) -> Run:
    return _torch(file, threads, device, compiled=True)


def _torch(file: Path, threads: int, device: str, *, compiled: bool) -> Run:
    import torch

    from core import checkpoint
    from core.device import choose
    from core.normalise import Normaliser

    place = choose(device)
    loaded = checkpoint.load(file.with_suffix(""), device=place)
    normaliser = Normaliser.of_card(loaded.card, place, loaded.card.bands)
    model = torch.compile(loaded.model) if compiled else loaded.model

    def run(images: Pictures) -> "NDArray[np.float32]":
        # One number for the whole process: others may have changed it since.
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            found: NDArray[np.float32] = model(normaliser(images)).float().cpu().numpy()
        return found

    return run


def _open_onnx(file: Path, threads: int, device: str) -> Run:
    import numpy as np

    from core.export.session import OnnxModel

    providers = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    session = OnnxModel(file, threads=threads, providers=providers)
    return lambda images: np.asarray(session.run(images), np.float32)


def _open_openvino(file: Path, threads: int, device: str) -> Run:
    import numpy as np

    from core.errors import ExportError
    from core.openvino_session import OpenvinoSession

    del device
    session = OpenvinoSession(file, threads=threads, error=ExportError)
    return lambda images: np.asarray(session.run(images), np.float32)


def _always(device: str) -> None:
    del device


def can_compile(kind: str) -> bool:
    """Whether torch.compile works on devices of this kind (`cpu`, `cuda`): on a CPU it needs a C++ compiler."""
    return kind == "cuda" or any(shutil.which(name) for name in ("c++", "g++", "clang++"))


def _without_compiler(device: str) -> str | None:
    if device != "cpu":
        from core.device import choose

        device = choose(device).type
    return None if can_compile(device) else "There is no C++ compiler here, which torch.compile needs."


def _without_gpu_support(device: str) -> str | None:
    if device == "cpu":
        return None
    from core.export.session import OnnxModel

    if "CUDAExecutionProvider" in OnnxModel.providers():
        return None
    return "The installed ONNX Runtime has no GPU support: pip install onnxruntime-gpu instead."


def _off_the_processor(device: str) -> str | None:
    return None if device == "cpu" else f"This runtime is measured on the processor only, not on {device}."


def _without_openvino(device: str) -> str | None:
    if importlib.util.find_spec("openvino") is None:
        return "OpenVINO is not installed: pip install openvino."
    return _off_the_processor(device)


RUNTIMES: dict[str, Runtime] = {
    "pytorch": Runtime("PyTorch", "torch", "checkpoint", "circle", _open_torch, _always, usual=True),
    "compiled": Runtime("PyTorch, compiled", "torch", "checkpoint", "circle-open", _open_compiled, _without_compiler),
    "onnx": Runtime("ONNX Runtime", "onnxruntime", "float32", "square", _open_onnx, _without_gpu_support, usual=True),
    "onnx-int8": Runtime(
        "ONNX Runtime, INT8", "onnxruntime", "int8", "diamond", _open_onnx, _off_the_processor, usual=True
    ),
    "openvino": Runtime("OpenVINO", "openvino", "float32", "cross", _open_openvino, _without_openvino),
}
"""Every runtime by its name in settings and on the command line."""

USUAL = tuple(name for name, runtime in RUNTIMES.items() if runtime.usual)
