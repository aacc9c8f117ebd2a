"""The formats that a model can be taken away in beside the usual ONNX: what each is for, and who makes it.

To add one, write a module that makes its files and a line in `FORMATS`. Nothing heavy is imported with this module:
the command line lists the formats, and answers at once.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from core.cards import ModelCard, load_card
from core.config import DataConfig
from core.errors import ConfigError, ExportError

if TYPE_CHECKING:
    from core.checkpoint import Loaded

RESOLUTIONS_CM = (0.1, 100_000.0)
"""How wide a pixel of training pictures can be, in centimetres."""


def _usual_tile() -> int:
    from core.infer.tiling import TILE

    return TILE


@dataclass(frozen=True)
class Options:
    """What is asked for. `name` begins the names of files; `resolution` is in centimetres a pixel, None as the card
    says; `tile` the side of a square in pixels; `data` the pictures that files are compared with PyTorch on; `stem` is
    where the model lies, which `make_format` fills in."""

    name: str
    resolution: float | None = None
    tile: int = field(default_factory=_usual_tile)
    data: DataConfig = field(default_factory=DataConfig)
    stem: Path | None = None


@dataclass(frozen=True)
class ExportFormat:
    """A format that a model can be taken away in.

    Attributes:
        title: What people call it.
        short: What comes out, in a few words.
        help: What it is for.
        maker: `module:function`, imported when it is asked for.
        ending: Of the one file, or of a zip of all.
        needs_resolution: Whether the files name the ground width of a pixel.
    """

    title: str
    short: str
    help: str
    maker: str
    ending: str = ".zip"
    needs_resolution: bool = False

    def make(self, loaded: "Loaded", options: Options) -> dict[str, bytes]:
        """The files by their path below the folder that they go to. Raises what the maker raises."""
        module, function = self.maker.split(":")
        make: Callable[[Loaded, Options], dict[str, bytes]] = getattr(import_module(module), function)
        return make(loaded, options)


FORMATS: dict[str, ExportFormat] = {
    "deepness": ExportFormat(
        "QGIS Deepness, GeoDeep",
        "QGIS Deepness and GeoDeep",
        "one ONNX file that QGIS Deepness and GeoDeep (WebODM) open",
        "core.export.deepness:deepness_files",
        ending=".onnx",
        needs_resolution=True,
    ),
    "hub": ExportFormat(
        "Model hub",
        "a folder for a model hub",
        "a folder for a hub of models: safetensors, config.json, model card with scores, labels, a script",
        "core.export.hub:hub_files",
    ),
    "openvino": ExportFormat(
        "OpenVINO",
        "OpenVINO IR",
        "an intermediate representation (IR) whose model_info says how pictures are prepared",
        "core.export.openvino_ir:openvino_files",
    ),
    "stac": ExportFormat(
        "STAC catalogue",
        "a STAC item (MLM 1.5)",
        "a STAC item of the extension MLM 1.5, with the ONNX that it describes",
        "core.export.stac:stac_files",
    ),
}


def make_format(stem: Path, kind: str, options: Options) -> dict[str, bytes]:
    """Files of a model in one of `FORMATS`.

    Raises:
        ConfigError: There is no such format, or an option is out of range.
        CheckpointError: The model cannot be read.
        ExportError: It cannot be exported, or answers differently.
    """
    if kind not in FORMATS:
        raise ConfigError(f"There is no format {kind[:40]!r}: choose one of {', '.join(FORMATS)}.")
    from core.checkpoint import load

    require_own(load_card(stem))
    return FORMATS[kind].make(load(stem), replace(options, stem=stem))


def require_own(card: ModelCard) -> None:
    """Raises `ExportError` for a model that was brought, and for several as one: no network of ours is in them."""
    from core.models.external import KINDS

    if card.model.architecture in KINDS:
        raise ExportError(f"{card.name} was brought from elsewhere, or is a committee: export a student of it.")


def zipped(files: dict[str, bytes]) -> bytes:
    """Files by their path, as a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return packed.getvalue()


def resolution_cm(card: ModelCard, given: float | None) -> float:
    """Centimetres a pixel that a model was trained at: as given, else as its card or its dataset says.

    Args:
        card: Of the model.
        given: From 0.1 to 100,000, or None where nobody says it.

    Raises:
        ConfigError: It is out of range, or nobody knows it.
    """
    if given is not None:
        least, most = RESOLUTIONS_CM
        if not least <= given <= most:
            raise ConfigError(f"The resolution is from {least:g} to {most:,.0f} centimetres a pixel, not {given:g}.")
        return given
    if (found := known_resolution_cm(card)) is None:
        raise ConfigError(
            f"The ground resolution that {card.name} was trained at is not known: give it in centimetres a pixel "
            "(--resolution)."
        )
    return found


def known_resolution_cm(card: ModelCard) -> float | None:
    """Centimetres a pixel of the training pictures, where the card or the dataset knows it."""
    from core.data.datasets import known

    dataset = known().get(str(card.data.get("dataset", "")))
    metres = card.metres_per_pixel or (dataset.metres_per_pixel if dataset is not None else None)
    return None if metres is None else round(100 * metres, 4)
