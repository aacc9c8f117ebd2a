"""The small studies that come with the project, as benchmarks/search.py trained them: for Search and Temperature."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.services.figure_texts import share
from app.services.searches import by_settings, spread
from core import paths

_VARIED = {"map": ("temperature", "alpha"), "sizes": ("size", "taught")}


@dataclass(frozen=True)
class ShippedStudy:
    """`cells` are rows of settings and `miou`; `told` says in sentences what they are of, `command` what made them.

    `parameters` are those of each size.
    """

    cells: list[dict[str, Any]]
    parameters: dict[str, int]
    told: list[str]
    command: str


def shipped_study(kind: str) -> ShippedStudy | None:
    """The study `map` (temperature and alpha) or `sizes`; None where its file is not there or cannot be read."""
    try:
        found = json.loads((paths.STUDIES / f"{kind}.json").read_text(encoding="utf-8"))
        cells = [_cell(kind, cell) for cell in found["cells"]]
        if not cells:
            return None
        told = [_situation(found), *_students(kind, found), *_cost(kind, found, cells)]
        parameters = {str(size): int(count) for size, count in found["parameters"].items()}
        command = str(found["command"])
        unknown = {cell["size"] for cell in cells if "size" in cell} - parameters.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None if unknown else ShippedStudy(cells, parameters, told, command)


def _cell(kind: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    """One run. Raises `KeyError`, `TypeError` and `ValueError` for what a chart cannot draw."""
    miou = float(cell["miou"])
    if not 0 <= miou <= 1:
        raise ValueError(kind)
    if kind == "sizes":
        return {"size": str(cell["size"]), "taught": bool(cell["taught"]), "seed": int(cell["seed"]), "miou": miou}
    row = {name: float(cell[name]) for name in _VARIED["map"]}
    return {**row, "seed": int(cell["seed"]), "miou": miou}


def _situation(found: Mapping[str, Any]) -> str:
    teacher = share(float(found["teacher_miou"]))
    return (
        f"Few labels and a good teacher: {found['labelled']:d} of {found['training_pictures']:d} Dubai pictures keep "
        f"their labels for the student. The shipped teacher learned from the labels of all of them: it has {teacher} "
        f"on the same {found['validation_pictures']:d} validation pictures."
    )


def _students(kind: str, found: Mapping[str, Any]) -> list[str]:
    if kind == "map":
        return [f"The student is {str(found['model']).capitalize()}. Alpha is the share of the labels in the loss."]
    at = f"temperature {float(found['temperature']):g} and alpha {float(found['alpha']):g}"
    return [f"With a teacher it is at {at}. Labels alone are the labels of the {found['labelled']:d} pictures."]


def _cost(kind: str, found: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> list[str]:
    places = by_settings(cells, *_VARIED[kind]).values()
    counts = sorted({len(values) for values in places})
    seeds = " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
    single = counts[0] == 1
    alone = " (a point of one seed shows none)" if single else ""
    little = ", and a single seed says little" if single else ""
    halves = [spread(values)[1] for values in places if len(values) > 1]
    return [
        f"{len(cells)} of {found['wanted']:d} runs, {seeds} seeds each. "
        f"± is half the distance between the seeds{alone}, "
        f"{100 * sum(halves) / max(1, len(halves)):.1f} points on average and {100 * max(halves, default=0.0):.1f} at "
        f"most: smaller differences say nothing{little}.",
        f"Runs are short: {float(found['seconds']):g} seconds of one processor thread each, the teacher's answers "
        f"included ({float(found['least_seconds']):g} to {float(found['most_seconds']):g} were used: the length of a "
        "run is settled in its first epoch). No student is trained to its end, and a wide one makes fewer steps in "
        "that time.",
        f"Scores are of the last weights, on the validation pictures. Measured {found['measured']}.",
    ]
