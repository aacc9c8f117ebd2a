"""An OpenVINO IR (`.xml` with its `.bin`) as a model, from its layers and from what `model_info` says of it.

Reference:
    Model API (github.com/open-edge-platform/model_api): `labels`, `mean_values`, `scale_values`,
    `reverse_input_channels` and `embedded_processing` of `rt_info/model_info`; lists are texts with spaces between.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.brought.found import FoundModel, Numbers, distinct, is_number, shown_name, shown_text, with_background
from core.brought.openvino_graph import OpenvinoGraph, read_ir
from core.brought.picture_values import PROBABILITIES, channels_of, picture_of, the_input, the_output, tile_in
from core.classes import MOST_CLASSES

_YES = ("yes", "true", "1")


def inspect(path: Path) -> FoundModel:
    """What the files say of themselves; nothing of them runs. Raises `ModelError`."""
    graph = read_ir(path)
    assert graph.output is not None
    source, result = the_input(graph.inputs), the_output(graph.output, graph.last_operator)
    takes = picture_of(source)
    names = _labels(graph.facts)
    channels = channels_of(result, takes.layout, len(names))
    binary = channels == 1
    reversed_order = takes.bands in (None, 3) and _is_set(graph.facts, "reverse_input_channels")
    mean, std = _normalisation(graph.facts, takes.bands or 3, reversed_order=reversed_order)
    network: dict[str, Any] = {
        "file": path.name,
        "layout": takes.layout,
        "dtype": source.kind,
        "batch": source.shape[0] if source.shape else None,
        "binary": binary,
        "order": "bgr" if reversed_order else "rgb",
    }
    return FoundModel(
        kind="openvino",
        title=f"OpenVINO IR, version {graph.version or 'unknown'}",
        files=(path.name, path.with_suffix(".bin").name),
        network=network,
        outputs=2 if binary else channels,
        classes=with_background(names) if binary else names,
        mean=mean,
        std=std,
        tile=tile_in(takes.tile),
        bands=takes.bands,
        fixed=takes.fixed,
        output="probabilities" if graph.last_operator in PROBABILITIES else None,
        licence=shown_text(graph.facts.get("licence", graph.facts.get("license", ""))),
        parameters=graph.parameters,
        facts={"layers": f"{graph.layers:,}", "input": str(source), "output": str(result)},
        notes=_notes(graph, reversed_order=reversed_order, binary=binary),
    )


def _labels(facts: Mapping[str, str]) -> tuple[str, ...]:
    """Names of classes; () for none, or more than a mask holds."""
    names = facts.get("labels", "").split()
    return distinct([shown_name(name) for name in names]) if len(names) <= MOST_CLASSES else ()


def _normalisation(
    facts: Mapping[str, str], bands: int, *, reversed_order: bool
) -> tuple[Numbers | None, Numbers | None]:
    """Mean and std of the bands on 0..255; those of a file count in the order that the model takes."""
    if _is_set(facts, "embedded_processing"):
        return (0.0,) * bands, (1.0,) * bands
    mean, std = (_numbers_in(facts.get(key, ""), bands) for key in ("mean_values", "scale_values"))
    if mean is None or std is None or min(std) <= 0:
        return None, None
    return (mean[::-1], std[::-1]) if reversed_order else (mean, std)


def _numbers_in(text: str, bands: int) -> Numbers | None:
    """As many numbers, or one for all bands."""
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        return None
    if not all(math.isfinite(number) and is_number(number) for number in numbers):
        return None
    if len(numbers) == 1:
        numbers *= bands
    return tuple(numbers) if len(numbers) == bands else None


def _is_set(facts: Mapping[str, str], key: str) -> bool:
    return facts.get(key, "").strip().lower() in _YES


def _notes(graph: OpenvinoGraph, *, reversed_order: bool, binary: bool) -> tuple[str, ...]:
    notes = []
    if reversed_order:
        notes.append("Its model_info reverses the colours: it takes blue first.")
    if _is_set(graph.facts, "embedded_processing"):
        notes.append("Its model_info says that it normalises bytes itself.")
    if binary:
        notes.append("It has one channel: what it does not find is a class of its own.")
    if graph.outputs > 1:
        notes.append(f"It has {graph.outputs} outputs; the first counts.")
    return tuple(notes)
