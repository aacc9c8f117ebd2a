"""What each export of a model is like, as benchmarks/exports.py measured it: for the Benchmark page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.services.artifacts import Model, weights
from app.services.figure_texts import size_of_model
from core import paths

_FILE = paths.ROOT / "benchmarks" / "exports.json"


@dataclass(frozen=True)
class ExportComparison:
    """`rows` for a table, one for each export; `told` says of which model, on what, when and by which command."""

    rows: list[dict[str, Any]]
    told: str


def export_comparison(models: Mapping[str, Model]) -> ExportComparison | None:
    """What was measured; None where nothing was, or the model has other weights by now."""
    try:
        found = json.loads(_FILE.read_text(encoding="utf-8"))
        model = models.get(found["model"])
        if model is None or weights(model) != found["weights"]:
            return None
        rows = [_row(row) for row in found["rows"]]
        side, tiles = found["side"], found["tiles"]
        command = f"python benchmarks/exports.py --model {found['model']}"
        told = (
            f"{model.title}, {tiles} squares of {side} × {side} pixels of the shipped scenes, one thread, time of the "
            f"processor, median of {found['passes']} warm passes, {found['measured']}: {command}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ExportComparison(rows, told)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "Export": row["export"],
        "Size": size_of_model(row["bytes"]),
        "Processor, ms": row["ms"],
        "PyTorch's class, %": 100 * row["agreement"],
        "mIoU, %": 100 * row["miou"],
    }
