"""Exported models for the app: made once for each state of a model's weights, checked against PyTorch, kept on disk."""

import base64
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.services import access, palettes
from app.services.access import Person
from app.services.artifacts import Model
from core import paths
from core.cards import resolve
from core.errors import ExportError
from core.files import size_text, write_aside
from core.infer.tiling import OVERLAP, WHOLE

RUNTIME = paths.ROOT / ".web" / "node_modules" / "onnxruntime-web" / "dist"
RUNTIME_URL = "onnxruntime-web/"
"""Where `make web` puts the runtime of the browser, and where the app serves it, relative to the app's address."""
LARGEST_IN_BROWSER = 40_000_000
# One export at a time: torch's exporter keeps state of its own.
_EXPORTING = threading.Lock()


def runtime_is_there() -> bool:
    """Whether `make web` was run."""
    return (RUNTIME / "ort.wasm.min.mjs").is_file()


def archive(model: Model, who: Person) -> bytes:
    """The zip with float32 and INT8. Making it counts against this person's hour: `RunStateError`.

    Raises `ExportError`, `CheckpointError` and what reading the scenes raises.
    """

    def build() -> bytes:
        from core.export import make

        return make.archive(make.export(resolve(model.name, runs=paths.home()), int8=True))

    return _kept(model, "zip", build, before=lambda: _count(who))


def mask_model(model: Model) -> bytes:
    """ONNX bytes: image uint8 (N, H, W, 3) → mask uint8 (N, H, W). Raises as `archive`."""

    def build() -> bytes:
        from core.export import make

        return make.export(resolve(model.name, runs=paths.home()), argmax=True).files["model.onnx"]

    return _kept(model, "onnx", build)


def for_browser(model: Model, who: Person) -> dict[str, Any]:
    """Plain values for the component: the model, its classes, a picture to try.

    It counts against this person's hour: `RunStateError`.
    """
    _count(who)
    exported = mask_model(model)
    if len(exported) > LARGEST_IN_BROWSER:
        raise ExportError(f"{model.title} has {size_text(len(exported))}, too much for a page: choose a smaller one.")
    sample = next(iter(sorted((paths.SAMPLES / "images").glob("*.jpg"))), None)
    return {
        "id": model.identity,
        "title": model.title,
        "runtime": RUNTIME_URL,
        "window": WHOLE,
        "margin": OVERLAP,
        "model": base64.b64encode(exported).decode(),
        "size": size_text(len(exported)),
        "classes": palettes.entries(model.classes)[: model.ignore_index],
        "sample": base64.b64encode(sample.read_bytes()).decode() if sample else "",
    }


def _count(who: Person) -> None:
    access.RATES.take(who, "exports", access.read_access().exports_an_hour)


def _kept(model: Model, ending: str, build: Callable[[], bytes], *, before: Callable[[], None] = lambda: None) -> bytes:
    """From disk, else built; old states of the same model's weights are thrown away."""
    file = _folder() / f"{_stem(model.name)}-{_stem(model.identity)}.{ending}"
    with _EXPORTING:
        if not file.is_file():
            before()
            content = build()
            for old in _folder().glob(f"{_stem(model.name)}-*.{ending}"):
                old.unlink(missing_ok=True)
            write_aside(file, lambda path: path.write_bytes(content))
        return file.read_bytes()


def _folder() -> Path:
    return paths.home() / "exports"


def _stem(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
