"""A model in OpenVINO's own format: model.xml and model.bin, and `model_info` for who prepares pictures.

Reference:
    https://docs.openvino.ai (Model API reads `labels`, `mean_values`, `scale_values`, `resize_type` and
    `reverse_input_channels` from `rt_info/model_info`)
"""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.cards import ModelCard
from core.checkpoint import Loaded
from core.errors import ExportError
from core.export.formats import Options
from core.export.parity import training_tiles
from core.export.tile_network import compare_tiles, fill_square, tile_network

_PARITY_TILES = 4


def openvino_files(loaded: Loaded, options: Options) -> dict[str, bytes]:
    """NAME-openvino/model.xml and model.bin, compared with PyTorch. Raises `ExportError`, `ConfigError`."""
    try:
        import openvino
    except ImportError as error:
        raise ExportError("OpenVINO is not installed: pip install openvino.") from error
    made = tile_network(loaded.model, loaded.card, side=options.tile, from_zero_to_one=False)
    core = openvino.Core()
    try:
        network = core.read_model(made.proto.SerializeToString())
        for key, value in model_info(loaded.card, side=options.tile).items():
            network.set_rt_info(value, ["model_info", key])
        with tempfile.TemporaryDirectory() as folder:
            openvino.save_model(network, str(Path(folder) / "model.xml"), compress_to_fp16=False)
            files = {name: (Path(folder) / name).read_bytes() for name in ("model.xml", "model.bin")}
            hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
            request = core.compile_model(str(Path(folder) / "model.xml"), "CPU", hints).create_infer_request()
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [""])[-1][:160]
        raise ExportError(f"OpenVINO cannot take this model ({reason}): choose the usual ONNX.") from error

    def run(given: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = request.infer([given])[0]
        return found

    tiles = training_tiles(options.data, count=_PARITY_TILES, bands=loaded.card.bands, side=options.tile, seed=1)
    compare_tiles(run, loaded.model, loaded.card, [fill_square(tile, options.tile) for tile in tiles], made)
    return {f"{options.name}-openvino/{name}": content for name, content in files.items()}


def model_info(card: ModelCard, *, side: int) -> dict[str, str]:
    """What Model API reads: lists are texts with spaces between, so that a space in a name becomes a line below."""
    return {
        "model_type": "Segmentation",
        "labels": " ".join(name.replace(" ", "_") for name in card.classes.scored_names),
        "mean_values": " ".join(f"{value:g}" for value in card.mean),
        "scale_values": " ".join(f"{value:g}" for value in card.std),
        "resize_type": "crop",
        # Pictures are red, green, blue, as the model takes them.
        "reverse_input_channels": "NO",
        "orig_width": str(side),
        "orig_height": str(side),
        "name": card.name,
        "licence": card.licence,
    }
