"""A model for QGIS Deepness and GeoDeep (WebODM): one ONNX file that tells in its metadata how pictures are cut.

Both hand over bytes divided by 255. Deepness then applies a mean and a deviation from the metadata and GeoDeep does
not, so the graph normalises and the metadata say 0 and 1. Both lay their tiles one step apart, and the step is a
multiple of what the network pads to: tiles then see a picture on the same grid as the network sees the whole of it.

Reference:
    https://qgis-plugin-deepness.readthedocs.io/en/latest/creators/creators_description_classes.html
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from core.cards import ModelCard
from core.checkpoint import Loaded
from core.errors import ConfigError
from core.export.formats import Options, resolution_cm
from core.export.graph import padding_multiple
from core.export.parity import training_tiles
from core.export.session import run_floats
from core.export.tile_network import PROBABILITIES, compare_tiles, fill_square, tile_network
from core.infer.tiling import OVERLAP, TILE

_LEAST_SHARE, _MOST_SHARE = round(100 * OVERLAP / TILE), 50
_PARITY_TILES = 4


def deepness_files(loaded: Loaded, options: Options) -> dict[str, bytes]:
    """NAME-deepness.onnx, compared with PyTorch. Raises `ConfigError`, `ExportError` and what `open_split` raises."""
    if loaded.card.bands.depth != "uint8":
        raise ConfigError(
            f"QGIS Deepness hands over 8-bit values, and {loaded.card.name} takes {loaded.card.bands.depth}: take the "
            "usual ONNX instead."
        )
    resolution = resolution_cm(loaded.card, options.resolution)
    made = tile_network(loaded.model, loaded.card, side=options.tile, from_zero_to_one=True)
    overlap = overlap_per_cent(options.tile, padding_multiple(loaded.model))
    metadata = deepness_metadata(loaded.card, resolution=resolution, side=options.tile, overlap=overlap)
    helper.set_model_props(made.proto, metadata)
    content = made.proto.SerializeToString()
    run = run_floats(content)
    tiles = training_tiles(options.data, count=_PARITY_TILES, bands=loaded.card.bands, side=options.tile, seed=1)
    squares = [fill_square(tile, options.tile) for tile in tiles]
    compare_tiles(lambda given: _answer(run(given)), loaded.model, loaded.card, squares, made)
    return {f"{options.name}-deepness.onnx": content}


def overlap_per_cent(side: int, multiple: int) -> int:
    """How much of a tile neighbours share: the least per cent from 12 to 50 whose step keeps to the network's grid.

    A network answers otherwise where its poolings fall on other pixels: by 3 to 9 % of them for the shipped students.

    Args:
        side: Of a tile, in pixels.
        multiple: What the network pads the sides of a picture to.

    Returns:
        Per cent; 12 where none keeps to the grid.
    """
    tried = range(_LEAST_SHARE, _MOST_SHARE + 1)
    return next((share for share in tried if (side - side * share // 100) % multiple == 0), _LEAST_SHARE)


def deepness_metadata(card: ModelCard, *, resolution: float, side: int, overlap: int) -> dict[str, str]:
    """What both clients read, each value as JSON.

    Args:
        card: Names of the classes.
        resolution: Centimetres a pixel.
        side: Of a tile, in pixels.
        overlap: The share of a tile that neighbours have in common, in per cent.
    """
    bands = len(card.mean)
    facts: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(index): name for index, name in enumerate(card.classes.scored_names)},
        "resolution": float(resolution),
        # The documentation of Deepness says the one, its code reads the other.
        "tile_size": side,
        "tiles_size": side,
        "tiles_overlap": overlap,
        "standardization_mean": [0.0] * bands,
        "standardization_std": [1.0] * bands,
        # Below it a pixel becomes class 0, which is no background here.
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
        "name": card.name,
        "licence": card.licence,
    }
    return {key: json.dumps(value) for key, value in facts.items()}


def _answer(found: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    return found[PROBABILITIES]
