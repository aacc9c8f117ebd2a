"""A model in a runtime, ready to answer: from pictures in bytes to logits, the same way whatever runs it."""

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from core import checkpoint
from core.cards import ModelCard
from core.config import DataConfig
from core.device import choose
from core.errors import ExportError
from core.export.graph import to_onnx
from core.export.parity import SAME_CLASS, SAME_CLASS_INT8, compare, insist
from core.export.quantise import quantise
from core.export.session import OnnxModel, OpenVinoModel
from core.export.tiles import training_tiles
from core.export.torch_answer import normalised
from core.files import write_aside
from core.models import can_compile

Pictures = NDArray[np.uint8]
Run = Callable[[Pictures], NDArray[np.float32]]
CALIBRATION_TILES, PARITY_TILES = 32, 4


@dataclass(frozen=True)
class Artefact:
    """`run`: uint8 (N, H, W, 3) → logits float32 (N, C, H, W). `bytes` of the one `file` that holds the weights."""

    model: str
    runtime: str
    threads: int
    card: ModelCard
    file: Path
    bytes: int
    run: Run


class Workshop:
    """Makes artefacts, each file once: what is exported is checked against PyTorch and kept in `folder`."""

    def __init__(self, folder: Path, *, device: str = "cpu", calibration: DataConfig | None = None) -> None:
        self._folder = folder
        self._device = choose(device)
        self._calibration = calibration or DataConfig()
        self._loaded: dict[str, checkpoint.Loaded] = {}

    def why_not(self, runtime: str) -> str | None:
        """Why a runtime cannot be used here, in a sentence; None where it can."""
        gpu = self._device.type != "cpu"
        if runtime == "compiled" and not can_compile(self._device):
            return "There is no C++ compiler here, which torch.compile needs."
        if runtime == "openvino" and importlib.util.find_spec("openvino") is None:
            return "OpenVINO is not installed: pip install openvino."
        if runtime in ("onnx-int8", "openvino") and gpu:
            return f"This runtime is measured on the processor only, not on {self._device}."
        if runtime == "onnx" and gpu and "CUDAExecutionProvider" not in OnnxModel.providers():
            return "The installed ONNX Runtime has no GPU support: pip install onnxruntime-gpu instead."
        return None

    def loaded(self, model: str) -> checkpoint.Loaded:
        """Raises `CheckpointError`."""
        if model not in self._loaded:
            self._loaded[model] = checkpoint.load(checkpoint.resolve(model), device=self._device)
        return self._loaded[model]

    def make(self, model: str, runtime: str, threads: int) -> Artefact:
        """Raises `CheckpointError` and `ExportError`."""
        if reason := self.why_not(runtime):
            raise ExportError(reason)
        loaded = self.loaded(model)
        if runtime in ("pytorch", "compiled"):
            stem = checkpoint.resolve(model)
            file = stem.with_name(stem.name + ".safetensors")
            run = _torch_run(loaded, self._device, threads, compiled=runtime == "compiled")
        else:
            file = self.exported(model, int8=runtime == "onnx-int8")
            run = _session_run(self._session(file, runtime, threads))
        return Artefact(model, runtime, threads, loaded.card, file, file.stat().st_size, run)

    def exported(self, model: str, *, int8: bool) -> Path:
        """The ONNX file of a model, made on first use and compared with PyTorch. Raises `ExportError`."""
        kind = "int8" if int8 else "float32"
        file = self._folder / f"{_as_name(model)}-{kind}-{self._state(model)}.onnx"
        if file.is_file():
            return file
        loaded = self.loaded(model)
        if int8:
            source = onnx.load(self.exported(model, int8=False))
            made = quantise(source, training_tiles(self._calibration, count=CALIBRATION_TILES))
        else:
            made = to_onnx(loaded.model.cpu(), loaded.card)
        content = made.SerializeToString()
        tiles = training_tiles(self._calibration, count=PARITY_TILES, seed=1)
        found = compare(OnnxModel(content, threads=1), loaded.model.cpu(), loaded.card, tiles)
        insist(found, least=SAME_CLASS_INT8 if int8 else SAME_CLASS)
        loaded.model.to(self._device)
        for old in self._folder.glob(f"{_as_name(model)}-{kind}-????????????.onnx"):
            old.unlink(missing_ok=True)
        write_aside(file, lambda path: path.write_bytes(content))
        return file

    def _state(self, model: str) -> str:
        """Changes with the weights and with what INT8 is calibrated on: a file of other weights must not be timed."""
        stem = checkpoint.resolve(model)
        digest = hashlib.sha256(stem.with_name(stem.name + ".safetensors").read_bytes())
        digest.update(repr(self._calibration).encode())
        return digest.hexdigest()[:12]

    def _session(self, file: Path, runtime: str, threads: int) -> OnnxModel | OpenVinoModel:
        if runtime == "openvino":
            return OpenVinoModel(file, threads=threads)
        gpu = self._device.type == "cuda"
        return OnnxModel(file, threads=threads, providers=["CUDAExecutionProvider"] if gpu else [])


def _session_run(session: OnnxModel | OpenVinoModel) -> Run:
    return lambda images: np.asarray(session.run(images), np.float32)


def _torch_run(loaded: checkpoint.Loaded, device: torch.device, threads: int, *, compiled: bool) -> Run:
    model = torch.compile(loaded.model) if compiled else loaded.model

    def run(images: Pictures) -> NDArray[np.float32]:
        # One number for the whole process: others may have changed it since.
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            found: NDArray[np.float32] = model(normalised(images, loaded.card, device)).float().cpu().numpy()
        return found

    return run


def _as_name(model: str) -> str:
    """A file name for whatever names a model."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in model)
