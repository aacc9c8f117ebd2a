"""A model in OpenVINO's own format: model.xml and model.bin, and `model_info` for who prepares pictures.

Reference:
    https://docs.openvino.ai (Model API reads `labels`, `mean_values`, `scale_values`, `resize_type` and
    `reverse_input_channels` from `rt_info/model_info`)
"""

import tempfile
from pathlib import Path

from core.cards import ModelCard
from core.checkpoint import Loaded
from core.errors import ExportError
from core.export.formats import Options
from core.export.parity import training_tiles
from core.export.tile_network import compare_tiles, fill_square, tile_network
from core.openvino_session import OpenvinoSession, require_openvino

_PARITY_TILES = 4


def openvino_files(loaded: Loaded, options: Options) -> dict[str, bytes]:
    """NAME-openvino/model.xml and model.bin, compared with PyTorch. Raises `ExportError`, `ConfigError`."""
    library = require_openvino(ExportError)
    made = tile_network(loaded.model, loaded.card, side=options.tile, from_zero_to_one=False)
    try:
        network = library.Core().read_model(made.proto.SerializeToString())
        for key, value in model_info(loaded.card, side=options.tile).items():
            network.set_rt_info(value, ["model_info", key])
        with tempfile.TemporaryDirectory() as folder:
            library.save_model(network, str(Path(folder) / "model.xml"), compress_to_fp16=False)
            files = {name: (Path(folder) / name).read_bytes() for name in ("model.xml", "model.bin")}
            session = OpenvinoSession(Path(folder) / "model.xml", threads=1, error=ExportError)
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [""])[-1][:160]
        raise ExportError(f"OpenVINO cannot take this model ({reason}): choose the usual ONNX.") from error

    tiles = training_tiles(options.data, count=_PARITY_TILES, bands=loaded.card.bands, side=options.tile, seed=1)
    compare_tiles(session.run, loaded.model, loaded.card, [fill_square(tile, options.tile) for tile in tiles], made)
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
