"""A network for squares of one size, as tools take it that cut pictures into squares themselves: softmax at its end.

`core.export.graph` has the network for pictures of any size, in bytes. Old runtimes read this one: QGIS Deepness pins
ONNX Runtime 1.17 at most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter
from torch import nn

from core.cards import ModelCard
from core.errors import ConfigError, ExportError
from core.export.graph import translate_tile
from core.export.parity import SAME_CLASS, Parity, insist, logits

OPSET, IR_VERSION = 17, 8
"""What ONNX Runtime 1.13 and newer read."""
TILE_SIDES = (64, 2048)
INPUT, PROBABILITIES = "input", "probabilities"

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class TileNetwork:
    """`proto`: `input` float32 (batch, bands, side, side) → `probabilities` float32 (batch, C, side, side)."""

    proto: onnx.ModelProto
    side: int
    from_zero_to_one: bool


def tile_network(model: nn.Module, card: ModelCard, *, side: int, from_zero_to_one: bool) -> TileNetwork:
    """Translate a network for squares.

    Args:
        model: The network.
        card: Its normalisation and classes.
        side: Of the squares, in pixels.
        from_zero_to_one: Whether the input is bytes divided by 255, with the normalisation inside the graph; else it is
            normalised outside.

    Raises:
        ConfigError: No square of this side can be cut.
        ExportError: The network cannot be translated.
    """
    check_side(side)
    core = translate_tile(model, side, channels=len(card.mean))
    low, high = np.asarray(card.mean) / 255, np.asarray(card.std) / 255
    proto = _lowered(_with_ends(core, (low, high) if from_zero_to_one else None, outputs=card.classes.outputs))
    return TileNetwork(proto, side, from_zero_to_one)


def check_side(side: int) -> None:
    """Raises `ConfigError` for a side that no tool cuts, or that networks cannot halve often enough."""
    least, most = TILE_SIDES
    if not least <= side <= most or side % 32:
        raise ConfigError(f"The side of a tile is a multiple of 32 from {least} to {most:,} pixels, not {side}.")


def compare_tiles(
    run: Run, model: nn.Module, card: ModelCard, tiles: Sequence[NDArray[np.uint8]], made: TileNetwork
) -> Parity:
    """Classes of a translated network and of PyTorch on the same squares.

    Args:
        run: float32 (1, B, H, W) → probabilities (1, C, H, W).
        model: The network.
        card: Its normalisation.
        tiles: uint8 (H, W, B) each, of the side of `made`.
        made: What `run` runs.

    Raises:
        ExportError: Fewer pixels than `SAME_CLASS` have PyTorch's class.
    """
    mean, std = (np.asarray(values, np.float32)[:, None, None] for values in (card.mean, card.std))
    same, pixels, largest = 0, 0, 0.0
    for tile in tiles:
        planes = np.ascontiguousarray(tile.transpose(2, 0, 1)).astype(np.float32)
        given = planes / 255 if made.from_zero_to_one else (planes - mean) / std
        found = run(given[None].astype(np.float32))
        expected = torch.softmax(torch.from_numpy(logits(model, card, tile[None])), 1).numpy()
        if found.shape != expected.shape:
            raise ExportError(f"The exported model gives {found.shape} where PyTorch gives {expected.shape}.")
        largest = max(largest, float(np.abs(found - expected).max()))
        same += int((found.argmax(1) == expected.argmax(1)).sum())
        pixels += expected.shape[-1] * expected.shape[-2]
    return insist(Parity(same / pixels, largest, pixels, len(tiles)), least=SAME_CLASS)


def fill_square(tile: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture as a square, black behind its right and lower edge.

    Args:
        tile: uint8 (H, W, C), no side longer than `side`.
        side: S, in pixels.

    Returns:
        (S, S, C).
    """
    square = np.zeros((side, side, tile.shape[2]), tile.dtype)
    square[: tile.shape[0], : tile.shape[1]] = tile
    return square


def _with_ends(
    core: onnx.ModelProto, scale: tuple[NDArray[np.float64], NDArray[np.float64]] | None, *, outputs: int
) -> onnx.ModelProto:
    """Normalisation before the network where `scale` (mean and deviation) is given, softmax behind it."""
    graph = core.graph
    start, end = graph.input[0], graph.output[0]
    side, channels = start.type.tensor_type.shape.dim[2].dim_value, start.type.tensor_type.shape.dim[1].dim_value
    before, constants = [helper.make_node("Identity", [INPUT], [start.name])], []
    if scale is not None:
        arrays = {f"{name}_of_bands": values for name, values in zip(("mean", "std"), scale, strict=True)}
        constants = [
            numpy_helper.from_array(values.astype(np.float32).reshape(1, -1, 1, 1), name)
            for name, values in arrays.items()
        ]
        before = [
            helper.make_node("Sub", [INPUT, "mean_of_bands"], ["centred"]),
            helper.make_node("Div", ["centred", "std_of_bands"], [start.name]),
        ]
    after = [helper.make_node("Softmax", [end.name], [PROBABILITIES], axis=1)]
    nodes = [*before, *graph.node, *after]
    for index, node in enumerate(nodes):
        node.name = f"{node.op_type}_{index}"
    made = helper.make_graph(
        nodes,
        "terrastill",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", channels, side, side])],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["batch", outputs, side, side])],
        [*graph.initializer, *constants],
    )
    opsets = [item for item in core.opset_import if item.domain == ""]
    return helper.make_model(made, opset_imports=opsets, producer_name="terrastill")


def _lowered(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same in the operators that old runtimes know."""
    model.ir_version = IR_VERSION
    try:
        found = version_converter.convert_version(model, OPSET)
        found.ir_version = IR_VERSION
        onnx.checker.check_model(found, full_check=True)
    except (RuntimeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise ExportError(
            f"This model needs operators that older runtimes lack ({reason}): choose another model, or the usual ONNX."
        ) from error
    return found
