"""A model as an item of a STAC catalogue, by the extension MLM 1.5, beside the ONNX file that it describes.

Reference:
    https://github.com/stac-extensions/mlm
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from core.cards import ModelCard
from core.checkpoint import Loaded
from core.export import make
from core.export.formats import Options, known_resolution_cm

MLM = "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"


def stac_files(_: Loaded, options: Options) -> dict[str, bytes]:
    """NAME-stac/item.json and model.onnx. Raises `ExportError` and what `core.export.make.export` raises."""
    assert options.stem is not None
    exported = make.export(options.stem, data=options.data)
    content = exported.files["model.onnx"]
    item = stac_item(exported.card, name=options.name, size=len(content))
    text = json.dumps(item, indent=2, ensure_ascii=False) + "\n"
    return {f"{options.name}-stac/item.json": text.encode(), f"{options.name}-stac/model.onnx": content}


def stac_item(card: ModelCard, *, name: str, size: int) -> dict[str, Any]:
    """The item as JSON values.

    Args:
        card: Of the model.
        name: The identifier of the item.
        size: Of the ONNX file, in bytes.
    """
    bands = list(card.bands.names)
    properties = {
        "datetime": _when(card.created),
        "title": card.name,
        "description": f"Gives every pixel of an aerial picture one of {card.classes.outputs} classes.",
        "license": card.licence,
        "mlm:name": _plain(card.name),
        "mlm:architecture": card.model.architecture,
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "ONNX",
        "mlm:total_parameters": card.parameters,
        "mlm:memory_size": size,
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:batch_size_suggestion": 1,
        "mlm:accelerator": None,
        # The extension wants the names of an input's bands to be those of the item.
        "bands": [{"name": band} for band in bands],
        "mlm:input": [_input(bands, card.bands.depth)],
        "mlm:output": [_output(card)],
        **_ground(card),
    }
    asset = {
        "href": "./model.onnx",
        "type": "application/octet-stream; application=onnx",
        "title": "The model, with padding and normalisation in its graph",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": "onnx",
        # Besides those of the item, which STAC takes only where an asset has some.
        "bands": [{"name": band} for band in bands],
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, CLASSIFICATION],
        "id": name,
        # It belongs to no place: it is trained on pictures of several, or of none that is known.
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {"model": asset},
    }


def _ground(card: ModelCard) -> dict[str, float]:
    resolution = known_resolution_cm(card)
    return {} if resolution is None else {"gsd": resolution / 100}


def _input(bands: list[str], depth: str) -> dict[str, Any]:
    return {
        "name": "image",
        "description": "Pictures of any size, in the values that they are stored in.",
        "bands": bands,
        "input": {
            "shape": [-1, -1, -1, len(bands)],
            "dim_order": ["batch", "height", "width", "bands"],
            "data_type": depth,
        },
        "value_scaling": None,
        "resize_type": None,
    }


def _output(card: ModelCard) -> dict[str, Any]:
    colours = card.classes.colours
    plain = [re.sub(r"[^0-9A-Za-z_-]+", "-", name).strip("-") for name in card.classes.scored_names]
    classes = [
        {
            "value": index,
            # Names that are the same without their signs have their number, as those have that are signs alone.
            "name": plain[index] if plain[index] and plain.count(plain[index]) == 1 else f"class-{index}",
            "description": name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*colours[index]),
        }
        for index, name in enumerate(card.classes.scored_names)
    ]
    return {
        "name": "logits",
        "description": "The largest is the class.",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, card.classes.outputs, -1, -1],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": classes,
        "post_processing_function": None,
    }


def _plain(name: str) -> str:
    """A name by the rule of the extension: letters, digits, dots, dashes and spaces between letters or digits."""
    found = re.sub(r"[^a-zA-Z0-9_.\-\s]+", "-", name).strip("-_. \t\n")
    return found if re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", found) else f"model-{found or 'unnamed'}"


def _when(created: str) -> str:
    """The time of a card as STAC writes it; 1970 where the card says none."""
    try:
        found = datetime.fromisoformat(created)
    except ValueError:
        found = datetime(1970, 1, 1, tzinfo=UTC)
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
