"""The viewer's logic without a browser: its own tests under node, and its numbers against core's."""

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.agreement import border_agreement, calibration, kappa
from core.data.datasets.dubai import AERIAL
from core.metrics import confusion_matrix, scores
from core.paths import ROOT

NODE = shutil.which("node")
WEB = ROOT / "app" / "web"
MODULES = sorted(WEB.rglob("*.mjs"))
HERE = ROOT / "tests" / "ui" / "js"
RECT = {"x": 5, "y": 3, "width": 41, "height": 29}

needs_node = pytest.mark.skipif(NODE is None, reason="node is not here: apt-get install nodejs")


def node(*arguments: str, given: str = "") -> str:
    done = subprocess.run([str(NODE), *arguments], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_node
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_the_modules_keep_their_laws(name: str) -> None:
    node("--test", str(HERE / name))


@needs_node
@pytest.mark.parametrize("path", MODULES, ids=[path.stem for path in MODULES])
def test_every_module_and_all_that_it_imports_load(path: Path) -> None:
    """Every import names a file that is there, and something that this file exports."""
    node("--input-type=module", "--eval", f"await import({json.dumps(path.as_uri())})")


def test_modules_stay_small_and_their_lines_short() -> None:
    files = {path: path.read_text(encoding="utf-8").splitlines() for path in MODULES}
    assert len(files) > 20
    assert [path.name for path, lines in files.items() if len(lines) > 250] == []
    assert [path.name for path, lines in files.items() if max(map(len, lines)) > 120] == []


@pytest.fixture(scope="module")
def world() -> dict[str, Any]:
    """Blocky masks of 50 x 60 pixels: a truth with unlabelled pixels, a teacher, a student."""
    random = np.random.default_rng(3)
    truth = random.integers(0, 6, (10, 12)).repeat(5, 0).repeat(5, 1).astype(np.uint8)
    found: dict[str, Any] = {"truth": truth}
    for name, share in (("teacher", 0.05), ("student", 0.15)):
        mask = np.where(random.random(truth.shape) < share, random.integers(0, 5, truth.shape), np.roll(truth, 1, 1))
        mask[mask == 5] = 1
        found[name] = mask.astype(np.uint8)
        found[f"{name}_confidence"] = random.integers(60, 256, truth.shape).astype(np.uint8)
    return found


@pytest.fixture(scope="module")
def measured(world: dict[str, Any]) -> dict[str, Any]:
    if NODE is None:
        pytest.skip("node is not here: apt-get install nodejs")
    panels = [{"role": "truth", "title": "Known mask", "plane": world["truth"].ravel().tolist()}]
    for name in ("teacher", "student"):
        sure = world[f"{name}_confidence"].ravel().tolist()
        panels.append({"role": name, "title": name, "plane": world[name].ravel().tolist(), "confidence": sure})
    scene = {"width": 60, "height": 50, "classes": AERIAL.names, "ignore": 5, "panels": panels, "rect": RECT}
    return dict(json.loads(node(str(HERE / "numbers.mjs"), given=json.dumps(scene))))


def cut(mask: Any) -> Any:
    return mask[RECT["y"] : RECT["y"] + RECT["height"], RECT["x"] : RECT["x"] + RECT["width"]]


def test_agreement_in_a_region_is_cores(world: dict[str, Any], measured: dict[str, Any]) -> None:
    teacher, student = cut(world["teacher"]), cut(world["student"])
    own = measured["found"][1]
    assert own["teacher"]["agreement"] == pytest.approx((teacher == student).mean())
    assert own["teacher"]["kappa"] == pytest.approx(kappa(confusion_matrix(student, teacher, 6)))
    assert own["border"] == pytest.approx(border_agreement(student, teacher))
    assert own["border"] == measured["whole"]
    assert own["area"] == pytest.approx([(student == index).mean() for index in range(6)])
    assert "teacher" not in measured["found"][0]


def test_scores_in_a_region_are_cores(world: dict[str, Any], measured: dict[str, Any]) -> None:
    truth = cut(world["truth"])
    for own, name in zip(measured["found"], ("teacher", "student"), strict=True):
        expected = scores(confusion_matrix(cut(world[name]), truth, 6), AERIAL)
        per_class = list(expected.per_class.values())
        assert own["truth"]["miou"] == pytest.approx(expected.miou5)
        assert own["truth"]["accuracy"] == pytest.approx(expected.accuracy)
        for measure in ("iou", "precision", "recall"):
            assert own["truth"][measure] == pytest.approx([getattr(score, measure) for score in per_class])


def test_calibration_in_a_region_is_cores(world: dict[str, Any], measured: dict[str, Any]) -> None:
    truth = cut(world["truth"])
    for own, name in zip(measured["found"], ("teacher", "student"), strict=True):
        labelled = truth != 5
        correct = (cut(world[name]) == truth)[labelled]
        expected = calibration(correct=correct, confidence=cut(world[f"{name}_confidence"])[labelled] / 255)
        assert own["calibration"]["ece"] == pytest.approx(expected.ece)
        assert [entry["count"] for entry in own["calibration"]["bins"]] == expected.counts.tolist()


def test_the_table_is_there_as_csv(measured: dict[str, Any]) -> None:
    rows = list(csv.reader(io.StringIO(measured["csv"])))
    assert rows[0] == ["here", "teacher", "student"]
    table = {row[0]: row[1:] for row in rows[1:]}
    assert table["Agreement"][0] == "–"
    assert table["mIoU"][1] == f"{100 * measured['found'][1]['truth']['miou']:.1f} %"
    assert {"Area: Road", "IoU with teacher: Road", "Recall: Road"} <= table.keys()
