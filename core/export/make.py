"""A model by its card → checked ONNX files, and a zip that holds all that is needed to use them."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import checkpoint
from core.cards import ModelCard
from core.config import DataConfig
from core.errors import ExportError
from core.export import parity
from core.export.formats import require_own
from core.export.graph import to_onnx
from core.export.parity import training_tiles, usual_data
from core.export.quantise import quantise
from core.export.session import OnnxModel

SCRIPT = Path(__file__).with_name("segment.py")
SCRIPT_FOR_BANDS = Path(__file__).with_name("segment_bands.py")
INT8 = "model-int8.onnx"
CALIBRATION_TILES, PARITY_TILES = 32, 8
_COLOURS = """in:  image, uint8 (N, height, width, 3), red green blue, any size"""
_README = """{name}: a segmentation model exported by Terrastill.

model.onnx       float32{int8}
                 {takes}
                 out: {answer}
card.json        how the model was trained, and how well it does
classes.json     class names and mask colours, in the order of the indices
parity.json      how the files were compared with PyTorch before they were offered
segment.py       python segment.py {use}
"""


@dataclass(frozen=True)
class Exported:
    """ONNX files as bytes by name (`model.onnx`, `model-int8.onnx`), and how each compares with PyTorch.

    `left_out` has, by name, why a file is not among them.
    """

    card: ModelCard
    argmax: bool
    files: dict[str, bytes]
    parities: dict[str, parity.Parity] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    tiles_from: str = ""


def export(
    stem: Path,
    *,
    argmax: bool = False,
    int8: bool = False,
    insist: bool = True,
    data: DataConfig | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Export the model at `stem`; parity and INT8 ranges are taken on training tiles of `data`.

    Without `insist`, an INT8 file that does not answer as PyTorch does is left out, and the reason is kept.
    These are usually the shipped scenes, and for a model of other bands than colours the dataset that it learned from.

    Raises `ExportError` when it cannot be exported or does not answer as PyTorch does, what `checkpoint.load` and
    `open_split` raise.
    """
    loaded = checkpoint.load(stem)
    require_own(loaded.card)
    bands = loaded.card.bands
    data = data or usual_data(loaded.card)
    tiles = training_tiles(data, count=PARITY_TILES, seed=1, bands=bands)
    say("Translating the network …")
    made = {"model.onnx": to_onnx(loaded.model, loaded.card, argmax=argmax)}
    if int8:
        say("Calibrating INT8 …")
        made[INT8] = quantise(made["model.onnx"], training_tiles(data, count=CALIBRATION_TILES, bands=bands))
    files = {name: model.SerializeToString() for name, model in made.items()}
    say("Comparing with PyTorch …")
    parities: dict[str, parity.Parity] = {}
    left_out: dict[str, str] = {}
    for name, file in files.items():
        try:
            parities[name] = _checked(name, file, loaded, tiles)
        except ExportError as error:
            if insist or name != INT8:
                raise
            left_out[name] = str(error)
    kept = {name: files[name] for name in parities}
    return Exported(loaded.card, argmax, kept, parities, left_out, tiles_from=data.dataset)


def archive(exported: Exported) -> bytes:
    """All of it as a zip, the script and the card included."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in contents(exported).items():
            bundle.writestr(name, content)
    return packed.getvalue()


def contents(exported: Exported) -> dict[str, bytes]:
    """What the zip holds, by name."""
    card, classes = exported.card, exported.card.classes
    scored = {
        "names": classes.scored_names,
        "colours": classes.colours[: classes.outputs],
    }
    checks = {name: found.to_json() for name, found in exported.parities.items()}
    return {
        **exported.files,
        "card.json": card.to_json().encode(),
        "classes.json": _json(scored),
        "parity.json": _json(
            {
                "compared_with": "PyTorch",
                "tiles_from": exported.tiles_from,
                "files": checks,
                "left_out": exported.left_out,
            }
        ),
        "segment.py": (SCRIPT if card.bands.is_colours else SCRIPT_FOR_BANDS).read_bytes(),
        "README.txt": _readme(exported).encode(),
    }


def _checked(name: str, file: bytes, loaded: checkpoint.Loaded, tiles: Sequence[NDArray[np.uint8]]) -> parity.Parity:
    found = parity.compare(OnnxModel(file, threads=1), loaded.model, loaded.card, tiles)
    return parity.insist(found, least=parity.SAME_CLASS_INT8 if name == INT8 else parity.SAME_CLASS)


def _readme(exported: Exported) -> str:
    int8, bands = INT8 in exported.files, exported.card.bands
    second = " model-int8.onnx" if int8 else ""
    takes, use = _COLOURS, f"photo.jpg mask.png{second}   (needs onnxruntime, numpy and pillow)"
    if not bands.is_colours:
        takes = f"in:  image, {bands.depth} (N, height, width, {len(bands)}), any size: {bands}"
        use = f"in.tif mask.tif{second}   (needs onnxruntime, numpy and rasterio)"
    told = "".join(f"\n{name} is not here. {why}\n" for name, why in exported.left_out.items())
    return (
        _README.format(
            name=exported.card.name,
            int8="; model-int8.onnx with integer convolutions" if int8 else "",
            answer=(
                "mask, uint8 (N, height, width), class indices"
                if exported.argmax
                else f"logits, float32 (N, {exported.card.classes.outputs}, height, width); the largest is the class"
            ),
            takes=takes,
            use=use,
        )
        + told
    )


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
