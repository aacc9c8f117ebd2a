"""An ONNX file as a model: its input, output, classes and normalisation, from its graph and its metadata.

Metadata are those of QGIS Deepness and GeoDeep (each value is JSON), and of our own exports.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.brought.found import LARGEST_TILE, SMALLEST, FoundModel, Triple, is_number, names_from
from core.brought.onnx_graph import OnnxGraph, Value, read_graph
from core.errors import ModelError

_INPUTS = ("float32", "float16", "uint8")
_OUTPUTS = ("float32", "float16", "float64")
_PROBABILITIES = ("Softmax", "Sigmoid", "HardSigmoid")
_CLASS_NUMBERS = ("ArgMax", "TopK")


def inspect(path: Path) -> FoundModel:
    """What the file says of itself; nothing of it runs. Raises `ModelError`."""
    graph = read_graph(path)
    source, result = _input(graph), _output(graph)
    layout, tile, fixed = _picture(source)
    channels = _channels(result, layout, graph.metadata)
    binary = channels == 1
    mean, std = _normalisation(graph.metadata)
    network: dict[str, Any] = {
        "file": path.name,
        "layout": layout,
        "dtype": source.kind,
        "batch": source.shape[0] if source.shape else None,
        "binary": binary,
    }
    tiled = tile if fixed else _number(graph.metadata, "tile_size") or _number(graph.metadata, "tiles_size")
    return FoundModel(
        kind="onnx",
        title=f"ONNX, opset {graph.opsets.get('', graph.opsets.get('ai.onnx', 0))}",
        files=(path.name, *graph.external),
        network=network,
        outputs=2 if binary else channels,
        classes=_classes(graph.metadata, binary=binary),
        mean=mean,
        std=std,
        tile=int(tiled) if tiled and SMALLEST <= tiled <= LARGEST_TILE else None,
        fixed=fixed,
        output="probabilities" if graph.last_operator in _PROBABILITIES else None,
        metres=_metres(graph.metadata),
        overlap=_overlap(graph.metadata),
        licence=graph.metadata.get("licence", graph.metadata.get("license", ""))[:80],
        parameters=graph.parameters,
        facts={
            "IR version": str(graph.ir_version),
            "nodes": f"{graph.nodes:,}",
            "input": _described(source),
            "output": _described(result),
            "made by": graph.producer or "unknown",
        },
        notes=_notes(graph, binary=binary),
    )


def _input(graph: OnnxGraph) -> Value:
    if len(graph.inputs) != 1:
        raise ModelError(
            f"The model takes {len(graph.inputs)} inputs: bring one that takes a picture and nothing else."
        )
    (value,) = graph.inputs
    if value.kind not in _INPUTS:
        raise ModelError(f"The model takes {value.kind or 'no tensor'}: bring one that takes {', '.join(_INPUTS)}.")
    if value.shape is not None and len(value.shape) != 4:
        raise ModelError(
            f"The model's input has {len(value.shape)} sides: it must be a batch of pictures, of 4 (N, C, H, W)."
        )
    return value


def _output(graph: OnnxGraph) -> Value:
    value = graph.outputs[0]
    if graph.last_operator in _CLASS_NUMBERS or value.kind not in _OUTPUTS:
        raise ModelError(
            "The model gives the number of a class, and a student learns from probabilities: export it without the "
            "argmax at its end."
        )
    if value.shape is not None and len(value.shape) != 4:
        raise ModelError(
            f"The model's output has {len(value.shape)} sides: one for each class and pixel is needed, (N, C, H, W)."
        )
    return value


def _picture(source: Value) -> tuple[str | None, int | None, bool]:
    """Layout (None: not known), side and whether it takes no other."""
    if source.shape is None:
        return None, None, False
    _, one, two, three = source.shape
    layouts = [layout for layout, channels in (("nchw", one), ("nhwc", three)) if channels == 3]
    layout = layouts[0] if len(layouts) == 1 else None
    if layout is None and None not in (one, three):
        raise ModelError(
            f"The model takes {one} or {three} bands: pictures here have red, green and blue. Bring one for three."
        )
    sides = (two, three) if layout != "nhwc" else (one, two)
    if layout is None or sides == (None, None):
        return layout, None, False
    if sides[0] != sides[1] or sides[0] is None or not SMALLEST <= sides[0] <= LARGEST_TILE:
        shown = " x ".join(str(side or "any") for side in sides)
        raise ModelError(
            f"The model takes pictures of {shown} pixels: bring one for squares of {SMALLEST} to {LARGEST_TILE}, or "
            "for any size."
        )
    return layout, sides[0], True


def _channels(result: Value, layout: str | None, metadata: Mapping[str, str]) -> int | None:
    """How many the output has; None where only a run can tell."""
    if result.shape is None:
        return None
    _, one, two, three = result.shape
    names = len(names_from(metadata.get("class_names", metadata.get("classes", ""))))
    candidates = [side for side in (one, three) if side is not None]
    if names and names in candidates:
        return names
    if two is not None and three == two and one != two:
        return one
    if two is not None and one == two and three != two:
        return three
    if one is not None and three is None:
        return one
    if three is not None and one is None:
        return three
    return one if layout == "nchw" else None


def _classes(metadata: Mapping[str, str], *, binary: bool) -> tuple[str, ...]:
    names = names_from(metadata.get("class_names", metadata.get("classes", "")))
    if binary and len(names) == 1:
        return ("Background" if names[0] != "Background" else "Other", *names)
    return names


def _normalisation(metadata: Mapping[str, str]) -> tuple[Triple | None, Triple | None]:
    """Mean and std on 0..255. Those of Deepness come after a division by 255."""
    found = []
    for key in ("standardization_mean", "standardization_std"):
        told = _json(metadata, key)
        fits = isinstance(told, list) and len(told) == 3 and all(is_number(value) for value in told)
        found.append((255 * told[0], 255 * told[1], 255 * told[2]) if fits else None)
    mean, std = found
    if _is_bare(metadata):
        return (0.0,) * 3, (255.0,) * 3
    if mean is None or std is None or min(std) <= 0:
        return None, None
    return mean, std


def _is_bare(metadata: Mapping[str, str]) -> bool:
    """Whether it is a file for Deepness or GeoDeep that names no normalisation: they divide bytes by 255."""
    return "model_type" in metadata and not any(f"standardization_{key}" in metadata for key in ("mean", "std"))


def _metres(metadata: Mapping[str, str]) -> float | None:
    """Deepness gives centimetres a pixel."""
    told = _number(metadata, "resolution")
    return told / 100 if told and 0.1 <= told <= 100_000 else None


def _overlap(metadata: Mapping[str, str]) -> int:
    told = _number(metadata, "tiles_overlap")
    return int(told) if told is not None and 0 <= told <= 75 else 12


def _notes(graph: OnnxGraph, *, binary: bool) -> tuple[str, ...]:
    notes = []
    if _is_bare(graph.metadata):
        notes.append("Its metadata name no normalisation: bytes are divided by 255, as Deepness and GeoDeep do.")
    if binary:
        notes.append("It has one channel: what it does not find is a class of its own.")
    if len(graph.outputs) > 1:
        notes.append(f"It has {len(graph.outputs)} outputs; the first counts.")
    return tuple(notes)


def _number(metadata: Mapping[str, str], key: str) -> float | None:
    told = _json(metadata, key)
    return float(told) if is_number(told) else None


def _json(metadata: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(metadata.get(key, ""))
    except (ValueError, RecursionError):
        return None


def _described(value: Value) -> str:
    sides = "" if value.shape is None else " x ".join("any" if side is None else str(side) for side in value.shape)
    return f"{value.kind} {sides}".strip()
