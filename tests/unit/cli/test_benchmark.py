"""`benchmark`: the card's sizes beside measured times."""

import json
from pathlib import Path

from core import checkpoint

from .conftest import Run

QUICK = ("--repeats", "2", "--warmup", "0", "--size", "32", "--device", "cpu")


def test_json_holds_times_and_sizes(run: Run, model_path: Path) -> None:
    code, out, _ = run("benchmark", "--model", model_path, "--json", *QUICK)
    assert code == 0
    told, card = json.loads(out), checkpoint.load_card(model_path)
    assert told["model"] == str(model_path)
    assert 0 < told["median_ms"] <= told["p95_ms"]
    assert (told["parameters"], told["macs_256"]) == (card.parameters, card.macs_256)
    assert told["size_mb"] == card.bytes / 1e6
    assert (told["size"], told["batch"]) == (32, 1)


def test_others_are_timed_beside_it(run: Run, model_path: Path) -> None:
    twin = model_path.with_name("tiny.safetensors")
    _, out, _ = run("benchmark", "--model", model_path, "--against", twin, "--json", *QUICK)
    told = json.loads(out)
    assert [row["model"] for row in told["against"]] == [str(twin)]
    _, out, _ = run("benchmark", "--model", model_path, "--against", twin, *QUICK)
    assert len(out.splitlines()) == 4


def test_impossible_counts_are_refused(run: Run, model_path: Path) -> None:
    code, out, err = run("benchmark", "--model", model_path, "--repeats", "0")
    assert (code, out) == (1, "")
    assert "Repeats must be 1 or more" in err


def test_a_device_that_is_not_there_is_refused(run: Run, model_path: Path) -> None:
    code, _, err = run("benchmark", "--model", model_path, "--device", "cuda:99")
    assert code == 1
    assert err.startswith("terrastill: There is no device cuda:99")
