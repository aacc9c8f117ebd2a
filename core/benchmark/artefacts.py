"""A model in a runtime, ready to answer: from pictures in bytes to logits, the same way whatever runs it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from core import checkpoint
from core.benchmark.runtimes import RUNTIMES, Run
from core.cards import ModelCard, weights_file
from core.config import DataConfig
from core.data.scene import Scene
from core.device import choose
from core.errors import ExportError
from core.evaluate import Report, evaluate
from core.export.graph import to_onnx
from core.export.parity import SAME_CLASS, SAME_CLASS_INT8, compare, insist, training_tiles
from core.export.quantise import quantise
from core.export.session import OnnxModel
from core.files import write_aside
from core.models.external import KINDS
from core.normalise import Normaliser

CALIBRATION_TILES, PARITY_TILES = 32, 4


@dataclass(frozen=True)
class Artefact:
    """`run`: pictures (N, H, W, bands) as the card says → logits float32 (N, C, H, W).

    `bytes` are those of the one `file` that holds the weights.
    """

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

    def loaded(self, model: str) -> checkpoint.Loaded:
        """Raises `CheckpointError`."""
        if model not in self._loaded:
            self._loaded[model] = checkpoint.load(checkpoint.resolve(model), device=self._device)
        return self._loaded[model]

    def make(self, model: str, runtime: str, threads: int) -> Artefact:
        """Raises `CheckpointError` and `ExportError`."""
        chosen = RUNTIMES[runtime]
        if reason := chosen.unavailable(str(self._device)):
            raise ExportError(reason)
        card = self.loaded(model).card
        if chosen.file != "checkpoint" and card.model.architecture in KINDS:
            raise ExportError(f"{model} was brought, and is measured as it is: choose the runtime PyTorch for it.")
        if chosen.file == "checkpoint":
            stem = checkpoint.resolve(model)
            file = weights_file(stem)
        else:
            file = self.exported(model, int8=chosen.file == "int8")
        run = chosen.open(file, threads, str(self._device))
        size = card.bytes if file.suffix == ".json" else file.stat().st_size
        return Artefact(model, runtime, threads, card, file, size, run)

    def exported(self, model: str, *, int8: bool) -> Path:
        """The ONNX file of a model, made on first use and compared with PyTorch. Raises `ExportError`."""
        kind = "int8" if int8 else "float32"
        file = self._folder / f"{_as_name(model)}-{kind}-{self._state(model)}.onnx"
        if file.is_file():
            return file
        loaded = self.loaded(model)
        if int8:
            source = onnx.load(self.exported(model, int8=False))
            made = quantise(source, training_tiles(self._calibration, count=CALIBRATION_TILES, bands=loaded.card.bands))
        else:
            made = to_onnx(loaded.model.cpu(), loaded.card)
        content = made.SerializeToString()
        tiles = training_tiles(self._calibration, count=PARITY_TILES, seed=1, bands=loaded.card.bands)
        found = compare(OnnxModel(content, threads=1), loaded.model.cpu(), loaded.card, tiles)
        insist(found, least=SAME_CLASS_INT8 if int8 else SAME_CLASS)
        loaded.model.to(self._device)
        for old in self._folder.glob(f"{_as_name(model)}-{kind}-????????????.onnx"):
            old.unlink(missing_ok=True)
        write_aside(file, lambda path: path.write_bytes(content))
        return file

    def _state(self, model: str) -> str:
        """Changes with the weights and with what INT8 is calibrated on: a file of other weights must not be timed."""
        digest = hashlib.sha256(weights_digest(model).encode())
        digest.update(repr(self._calibration).encode())
        return digest.hexdigest()[:12]


def weights_digest(model: str) -> str:
    """12 hexadecimal digits that change with the weights of a model."""
    stem = checkpoint.resolve(model)
    return hashlib.sha256(weights_file(stem).read_bytes()).hexdigest()[:12]


def _as_name(model: str) -> str:
    """A file name for whatever names a model."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in model)


class _AsModule(nn.Module):
    """An artefact as a network that takes (B, bands, H, W) values of a picture as floats."""

    def __init__(self, artefact: Artefact) -> None:
        super().__init__()
        self._run, self._depth = artefact.run, artefact.card.bands.depth

    def forward(self, views: Tensor) -> Tensor:
        pixels = views.permute(0, 2, 3, 1).contiguous().numpy().astype(self._depth)
        return torch.from_numpy(np.ascontiguousarray(self._run(pixels)))


def score(artefact: Artefact, scenes: Sequence[Scene]) -> Report:
    """Scores on scenes with masks. Raises what `core.evaluate.evaluate` raises."""
    # An artefact normalises by itself.
    card = artefact.card
    neutral = replace(card, mean=(0.0,) * card.inputs, std=(1.0,) * card.inputs)
    as_they_are = Normaliser.of_card(neutral, "cpu", scenes[0].bands if scenes else None)
    return evaluate(_AsModule(artefact), scenes, card.classes, normaliser=as_they_are, batch=1)
