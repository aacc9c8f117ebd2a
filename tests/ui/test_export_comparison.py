"""The table of all exports: of the weights that are here, or not at all; and what the shipped one says."""

import json
from pathlib import Path

import pytest

from app.services import export_comparison as comparison
from app.services.artifacts import models, weights
from core.paths import ROOT

from .conftest import make_model

ROW = {"export": "ONNX, INT8", "bytes": 170_000, "ms": 12.5, "agreement": 0.987, "miou": 0.61}


def told(path: Path, **changes: object) -> Path:
    found = {"model": "student", "weights": "abc", "side": 512, "tiles": 8, "passes": 7, "measured": "2026-01-01"}
    path.write_text(json.dumps({**found, "rows": [ROW], **changes}))
    return path


def test_it_is_shown_for_the_weights_it_was_measured_with_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"student": make_model("student")}
    monkeypatch.setattr(comparison, "weights", lambda _: "abc")
    monkeypatch.setattr(comparison, "_FILE", told(tmp_path / "a.json"))
    found = comparison.export_comparison(known)
    assert found is not None
    assert found.rows == [
        {"Export": "ONNX, INT8", "Size": "0.17 MB", "Processor, ms": 12.5, "PyTorch's class, %": 98.7, "mIoU, %": 61.0}
    ]
    assert "python benchmarks/exports.py --model student" in found.told
    for broken in (told(tmp_path / "b.json", weights="other"), told(tmp_path / "c.json", rows=[{}]), tmp_path / "none"):
        monkeypatch.setattr(comparison, "_FILE", broken)
        assert comparison.export_comparison(known) is None
    monkeypatch.setattr(comparison, "_FILE", told(tmp_path / "d.json"))
    assert comparison.export_comparison({}) is None


def test_the_shipped_table_is_of_the_shipped_student_and_its_exports_agree() -> None:
    found = json.loads((ROOT / "benchmarks" / "exports.json").read_text())
    assert found["weights"] == weights(models(None)[found["model"]])
    shares = {row["export"]: row["agreement"] for row in found["rows"]}
    assert shares.pop("ONNX, INT8") >= 0.9
    assert min(shares.values()) >= 0.9995
    assert len(shares) == 5
