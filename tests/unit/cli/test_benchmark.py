"""`benchmark`: a table, or JSON, of what models cost to run; kept for the app."""

import json
from pathlib import Path

from core import checkpoint
from core.benchmark import results

from .conftest import Run

QUICK = ("--repeats", "5", "--confidence", "0.5", "--size", "32", "--device", "cpu", "--no-cold", "--runtime=pytorch")


def test_json_holds_times_and_sizes_and_is_kept(run: Run, model_path: Path) -> None:
    code, out, _ = run("benchmark", "--model", model_path, "--json", *QUICK)
    assert code == 0
    told, card = json.loads(out), checkpoint.load_card(model_path)
    (row,) = told["rows"]
    assert row["model"] == str(model_path)
    assert 0 < row["p50_ms"] <= row["p95_ms"]
    assert (row["parameters"], row["bytes"]) == (card.parameters, card.bytes)
    assert (row["size"], row["batch"], row["threads"]) == (32, 1, 1)
    assert [kept.id for kept in results.listing().results] == [told["id"]]


def test_the_table_gives_ratios_to_the_teacher(run: Run, model_path: Path) -> None:
    twin = model_path.with_name("tiny.safetensors")
    _, out, err = run("benchmark", "--model", model_path, "--teacher", twin, *QUICK)
    lines = out.splitlines()
    assert "1.00×" in lines[2]
    assert "×" in lines[3]
    assert lines[-1].startswith("Kept in ")
    assert "Timing 1 × 32² on 1 thread" in err


def test_a_plan_may_come_from_a_file(run: Run, model_path: Path, tmp_path: Path) -> None:
    plan = {"models": [str(model_path)], "runtimes": ["pytorch"], "sizes": [16], "fewest": 5, "most": 5, "cold": False}
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    code, out, _ = run("benchmark", "--config", file, "--json")
    assert (code, json.loads(out)["plan"]["sizes"]) == (0, [16])
    code, _, err = run("benchmark", "--config", tmp_path / "none.json")
    assert code == 1
    assert "cannot be read" in err


def test_impossible_counts_are_refused(run: Run, model_path: Path) -> None:
    code, out, err = run("benchmark", "--model", model_path, "--threads", "0")
    assert (code, out) == (1, "")
    assert "Threads must be from 1" in err


def test_no_model_is_refused(run: Run) -> None:
    code, _, err = run("benchmark")
    assert code == 1
    assert "at least one model" in err


def test_a_device_that_is_not_there_is_refused(run: Run, model_path: Path) -> None:
    code, _, err = run("benchmark", "--model", model_path, "--device", "cuda:99")
    assert code == 1
    assert err.startswith("terrastill: There is no device cuda:99")
