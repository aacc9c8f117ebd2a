"""An ONNX file as a model: its input, output, classes and normalisation, from its graph and its metadata.

Metadata are those of QGIS Deepness and GeoDeep (each value is JSON), and of our own exports.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.brought.found import FoundModel, Numbers, is_number, names_from, shown_name, shown_text, with_background
from core.brought.onnx_graph import OnnxGraph, read_graph
from core.brought.picture_values import PROBABILITIES, channels_of, picture_of, the_input, the_output, tile_in


def inspect(path: Path) -> FoundModel:
    """What the file says of itself; nothing of it runs. Raises `ModelError`."""
    graph = read_graph(path)
    source, result = the_input(graph.inputs), the_output(graph.outputs[0], graph.last_operator)
    takes = picture_of(source)
    names = names_from(graph.metadata.get("class_names", graph.metadata.get("classes", "")))
    channels = channels_of(result, takes.layout, len(names))
    binary = channels == 1
    mean, std = _normalisation(graph.metadata, takes.bands or 3)
    network: dict[str, Any] = {
        "file": path.name,
        "layout": takes.layout,
        "dtype": source.kind,
        "batch": source.shape[0] if source.shape else None,
        "binary": binary,
    }
    tiled = takes.tile if takes.fixed else _number(graph.metadata, "tile_size") or _number(graph.metadata, "tiles_size")
    return FoundModel(
        kind="onnx",
        title=f"ONNX, opset {graph.opsets.get('', graph.opsets.get('ai.onnx', 0))}",
        files=(path.name, *graph.external),
        network=network,
        outputs=2 if binary else channels,
        classes=with_background(names) if binary else names,
        mean=mean,
        std=std,
        tile=tile_in(tiled),
        bands=takes.bands,
        fixed=takes.fixed,
        output="probabilities" if graph.last_operator in PROBABILITIES else None,
        metres=_metres(graph.metadata),
        overlap=_overlap(graph.metadata),
        licence=shown_text(graph.metadata.get("licence", graph.metadata.get("license", ""))),
        parameters=graph.parameters,
        facts={
            "IR version": str(graph.ir_version),
            "nodes": f"{graph.nodes:,}",
            "input": str(source),
            "output": str(result),
            "made by": shown_name(graph.producer) if graph.producer else "unknown",
        },
        notes=_notes(graph, binary=binary),
    )


def _normalisation(metadata: Mapping[str, str], bands: int) -> tuple[Numbers | None, Numbers | None]:
    """Mean and std on 0..255. Those of Deepness come after a division by 255."""
    found = []
    for key in ("standardization_mean", "standardization_std"):
        told = _json(metadata, key)
        fits = isinstance(told, list) and len(told) == bands and all(is_number(value) for value in told)
        found.append(tuple(255.0 * value for value in told) if fits else None)
    mean, std = found
    if _is_bare(metadata):
        return (0.0,) * bands, (255.0,) * bands
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
