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
from app.services.figure_texts import size_of_model
from app.services.names import stem as file_stem
from core import paths
from core.cards import load_card, resolve
from core.errors import ExportError
from core.export.formats import FORMATS, RESOLUTIONS_CM, ExportFormat, Options, known_resolution_cm, make_format, zipped
from core.files import write_aside
from core.infer.tiling import OVERLAP, WHOLE

RUNTIME = paths.ROOT / ".web" / "node_modules" / "onnxruntime-web" / "dist"
RUNTIME_URL = "onnxruntime-web/"
"""Where `make web` puts the runtime of the browser, and where the app serves it, relative to the app's address."""
LARGEST_IN_BROWSER = 40_000_000
TOOLS: dict[str, ExportFormat] = FORMATS
RESOLUTION_RANGE = RESOLUTIONS_CM
# One export at a time: torch's exporter keeps state of its own.
_EXPORTING = threading.Lock()


def runtime_is_there() -> bool:
    """Whether `make web` was run."""
    return (RUNTIME / "ort.wasm.min.mjs").is_file()


def archive(model: Model, who: Person) -> bytes:
    """The zip with float32 and INT8; its README says why where INT8 is left out.

    Making it counts against this person's hour: `RunStateError`.

    Raises `ExportError`, `CheckpointError` and what reading the scenes raises.
    """

    def build() -> bytes:
        from core.export import make

        return make.archive(make.export(resolve(model.name, runs=paths.home()), int8=True, insist=False))

    return _kept(model, "zip", build, before=lambda: _count(who))


def mask_model(model: Model) -> bytes:
    """ONNX bytes: image (N, H, W, C) of the model's bands → mask uint8 (N, H, W). Raises as `archive`."""

    def build() -> bytes:
        from core.export import make

        return make.export(resolve(model.name, runs=paths.home()), argmax=True).files["model.onnx"]

    return _kept(model, "onnx", build)


def for_tool(model: Model, kind: str, who: Person, *, resolution: float | None = None) -> bytes:
    """One file for another tool (`core.export.formats`): the file itself, or a zip of the folder.

    Args:
        model: Of the list.
        kind: A key of `FORMATS`.
        who: Making it counts against this person's hour.
        resolution: Centimetres a pixel; None as the model knows it.

    Raises:
        ConfigError: The resolution is out of range, or nobody knows it.
        RunStateError: The hour is full.
        ExportError: and what reading model and pictures raises.
    """

    def build() -> bytes:
        options = Options(file_stem(model.title), resolution)
        files = make_format(resolve(model.name, runs=paths.home()), kind, options)
        return next(iter(files.values())) if len(files) == 1 else zipped(files)

    return _kept(model, kind, build, before=lambda: _count(who), asked=f"{resolution}")


def download_name(model: Model, kind: str) -> str:
    """What the file of `for_tool` is called."""
    return f"{file_stem(model.title)}-{kind}{FORMATS[kind].ending}"


def resolution_of(model: Model) -> float | None:
    """Centimetres a pixel of the pictures that a model was trained on, where that is known."""
    return known_resolution_cm(load_card(resolve(model.name, runs=paths.home())))


def for_browser(model: Model, who: Person) -> dict[str, Any]:
    """Plain values for the component: the model, its classes, a picture to try.

    `bands` is None for colours, else names, depth, and the places of those that are seen; then there is no picture.
    It counts against this person's hour: `RunStateError`. Raises `ExportError` for a model that is too large.
    """
    bands = load_card(resolve(model.name, runs=paths.home())).bands
    _count(who)
    exported = mask_model(model)
    if len(exported) > LARGEST_IN_BROWSER:
        size = size_of_model(len(exported))
        raise ExportError(f"{model.title} has {size}, too much for a page: choose a smaller one.")
    scenes = sorted((paths.SAMPLES / "images").glob("*.jpg")) if bands.is_colours else []
    sample = next(iter(scenes), None)
    others = {"names": list(bands.names), "depth": bands.depth, "shown": list(bands.colours)}
    return {
        "id": model.identity,
        "title": model.title,
        "runtime": RUNTIME_URL,
        "window": WHOLE,
        "margin": OVERLAP,
        "model": base64.b64encode(exported).decode(),
        "size": size_of_model(len(exported)),
        "bands": None if bands.is_colours else others,
        "classes": palettes.entries(model.classes)[: model.ignore_index],
        "sample": base64.b64encode(sample.read_bytes()).decode() if sample else "",
    }


def _count(who: Person) -> None:
    access.RATES.take(who, "exports", access.read_access().exports_an_hour)


def _kept(
    model: Model,
    ending: str,
    build: Callable[[], bytes],
    *,
    before: Callable[[], None] = lambda: None,
    asked: str = "",
) -> bytes:
    """From disk, else built; what was made of other weights, or with other settings (`asked`), is thrown away."""
    file = _folder() / f"{_stem(model.name)}-{_stem(model.identity + asked)}.{ending}"
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
