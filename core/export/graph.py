"""A trained network → an ONNX graph that takes plain pictures: bytes in, logits or classes out, any size, any batch.

What a picture needs before the network is part of the graph (edge padding, channel order, normalisation), so that
nobody who uses the file has to know it.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes
from torch import Tensor, nn
from torch.nn import functional

from core.cards import ModelCard
from core.errors import ExportError
from core.export.surround import add_ends
from core.infer.forward import evaluating
from core.models import inputs_of

OPSET = 20
_CORE_INPUT, _CORE_OUTPUT = "normalised", "scores"
_PROBE_SIDES = (65, 66, 68, 72, 80, 96)
"""For each of `_MULTIPLES` one that needs padding only for larger ones: there, padding too far shows."""
_MULTIPLES = (64, 32, 16, 8, 4, 2, 1)
_TRACED = (5, 7)
"""Sides of the traced picture in multiples: numbers that are seldom anything else in a graph."""
_SHAPED = ("Reshape", "Resize", "Expand", "Slice", "Tile", "ConstantOfShape")


def to_onnx(model: nn.Module, card: ModelCard, *, argmax: bool = False) -> onnx.ModelProto:
    """`image` (N, H, W, D) as the card's bands say → `logits` float32 (N, C, H, W), or with `argmax` `mask` (N, H, W).

    Of colours the image is uint8 RGB; the mask is uint8.

    H, W and N are free. Raises `ExportError` when the network cannot be translated.
    """
    multiple = padding_multiple(model)
    return with_ends(translate(model, multiple), card, multiple=multiple, argmax=argmax)


def with_ends(core: onnx.ModelProto, card: ModelCard, *, multiple: int, argmax: bool) -> onnx.ModelProto:
    """What `translate` gave, with the ends that the card asks for, and the names of its classes."""
    made = add_ends(
        core,
        mean=card.mean,
        std=card.std,
        multiple=multiple,
        outputs=card.classes.outputs,
        argmax=argmax,
        depth=card.bands.depth,
    )
    names = {"classes": list(card.classes.scored_names), "colours": list(card.classes.colours[: card.classes.outputs])}
    if not card.bands.is_colours:
        names["bands"] = list(card.bands.names)
    facts = {"name": card.name, "licence": card.licence, **{key: json.dumps(value) for key, value in names.items()}}
    helper.set_model_props(made, facts)
    onnx.checker.check_model(made, full_check=True)
    return made


def padding_multiple(model: nn.Module) -> int:
    """The multiple that a network pads the sides of its picture to, found by asking it.

    Padding beforehand, with the last row and column repeated, must change nothing: true for this multiple and what
    divides it. Raises `ExportError` when it is true for none, not even 1.
    """
    with evaluating(model), torch.inference_mode():
        for multiple in _MULTIPLES:
            if all(_same_when_padded(model, side, multiple) for side in _PROBE_SIDES):
                return multiple
    raise ExportError("This model answers differently each time, so it cannot be exported.")


def _same_when_padded(model: nn.Module, side: int, multiple: int) -> bool:
    image = torch.randn(1, inputs_of(model), side, side, generator=torch.Generator().manual_seed(side)).to(
        _device(model)
    )
    more = -side % multiple
    found = model(functional.pad(image, (0, more, 0, more), mode="replicate"))[..., :side, :side]
    return torch.allclose(found, model(image), rtol=1e-4, atol=1e-4)


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def translate(model: nn.Module, multiple: int) -> onnx.ModelProto:
    """The bare network: normalised float32 (n, D, h, w) → logits (n, C, h, w), sides that are multiples of `multiple`.

    Traced at one size first, which is quick and gives a lean graph; where that
    size stuck in the graph, traced again with sizes as symbols, which takes minutes for some encoders."""
    rows, columns = (side * max(multiple, 8) for side in _TRACED)
    example = torch.zeros(2, inputs_of(model), rows, columns, device=_device(model))
    lean = free_sizes(_traced(model, example, None))
    if not _holds_sizes(lean, {side // 2**level for side in (rows, columns) for level in range(6)}):
        return lean
    batch, height, width = (torch.export.Dim(name, min=1, max=2**14) for name in ("batch", "height", "width"))
    return free_sizes(_traced(model, example, {0: batch, 2: multiple * height, 3: multiple * width}))


def translate_tile(model: nn.Module, side: int, *, channels: int = 3) -> onnx.ModelProto:
    """The bare network for squares of one size: float32 (n, channels, side, side), normalised → (n, C, side, side).

    For tools that cut pictures into squares themselves; the batch alone is free. Raises `ExportError`.
    """
    example = torch.zeros(2, channels, side, side, device=_device(model))
    made = free_sizes(_traced(model, example, {0: torch.export.Dim("batch", min=1, max=2**14)}))
    for value in (made.graph.input[0], made.graph.output[0]):
        for dimension in value.type.tensor_type.shape.dim[2:]:
            dimension.Clear()
            dimension.dim_value = side
    return made


def _traced(model: nn.Module, example: Tensor, sizes: dict[int, object] | None) -> onnx.ModelProto:
    try:
        with evaluating(model), _quietly():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[_CORE_INPUT],
                output_names=[_CORE_OUTPUT],
                dynamic_shapes=None if sizes is None else (sizes,),
                verbose=False,
            )
        assert program is not None
        made: onnx.ModelProto = program.model_proto
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ExportError(f"This model cannot be translated to ONNX ({reason}).") from error
    return made


def free_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Batch and sizes as names instead of numbers, and no note left over from tracing."""
    graph = model.graph
    _scale_instead_of_size(model)
    for value in (graph.input[0], graph.output[0]):
        channels = value.type.tensor_type.shape.dim[1].dim_value
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, ["n", channels, "h", "w"]))
    del graph.value_info[:]
    for item in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    return model


def _scale_instead_of_size(model: onnx.ModelProto) -> None:
    """A Resize to fixed numbers of pixels becomes one by the factor that they are of its input."""
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*infer_shapes(model).graph.value_info, *model.graph.input)
    }
    constants = {item.name: item for item in model.graph.initializer}
    for index, node in enumerate(node for node in model.graph.node if node.op_type == "Resize"):
        if len(node.input) < 4 or node.input[3] not in constants or not all(shapes.get(node.input[0], [0])):
            continue
        sizes = numpy_helper.to_array(constants[node.input[3]])
        scales = sizes.astype(np.float32) / np.asarray(shapes[node.input[0]], np.float32)
        model.graph.initializer.append(numpy_helper.from_array(scales, f"resize_scales_{index}"))
        source = node.input[0]
        del node.input[:]
        node.input.extend([source, "", f"resize_scales_{index}"])


def _holds_sizes(model: onnx.ModelProto, sizes: set[int]) -> bool:
    """Whether a shape that is written down in the graph is one of the traced picture's `sizes`."""
    used = {name for node in model.graph.node if node.op_type in _SHAPED for name in node.input[1:]}
    arrays = [numpy_helper.to_array(item) for item in model.graph.initializer if item.name in used]
    return any(int(number) in sizes for array in arrays if array.dtype == np.int64 for number in array.ravel())


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter reports its progress and its own deprecations, which say nothing to whoever exports a model."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
