"""A plan carried out on a tiny model: every figure belongs to the file that it stands beside."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core import checkpoint, paths
from core.band_set import COLOURS
from core.benchmark import cold, measure
from core.benchmark.artefacts import Workshop, score
from core.benchmark.plan import Plan
from core.config import DataConfig
from core.data.scene import Scene
from core.errors import ConfigError, DeviceError
from core.evaluate import evaluate
from core.events import CancelledError, Progress
from core.normalise import Normaliser
from tests.unit.own_dataset import own_dataset


def quick(stem: str, **changes: object) -> Plan:
    settings: dict[str, object] = {"models": (stem,), "teacher": stem, "sizes": (32, 64), "runtimes": ("pytorch",)}
    return Plan(**{**settings, "fewest": 5, "most": 5, "cold": False, **changes})  # type: ignore[arg-type]


def scene(seed: int = 0) -> Scene:
    draw = np.random.default_rng(seed)
    image = draw.integers(0, 256, (90, 70, 3), dtype=np.uint8)
    return Scene(f"scene {seed}", image, draw.integers(0, 6, (90, 70), dtype=np.uint8))


@pytest.mark.slow
def test_rows_hold_times_sizes_and_ratios(stem: str, files: Path) -> None:
    seen: list[Progress] = []
    result = measure.run(quick(stem, runtimes=("pytorch", "onnx")), folder=files, emit=seen.append)
    assert [(row.runtime, row.size) for row in result.rows] == [
        ("pytorch", 32),
        ("onnx", 32),
        ("pytorch", 64),
        ("onnx", 64),
    ]
    card = checkpoint.load_card(Path(stem))
    for row in result.rows:
        assert row.p50_ms is not None
        assert row.p95_ms is not None
        assert 0 < row.p50_ms <= row.p95_ms
        assert row.megapixels_per_second == pytest.approx(row.size**2 / 1e3 / row.p50_ms)
        assert row.macs == round(card.macs_256 * (row.size / 256) ** 2)
        assert row.problem is None
    first, other = result.rows[:2]
    assert (first.faster, first.smaller) == (1, 1)
    assert other.faster == pytest.approx(first.p50_ms / other.p50_ms)  # type: ignore[operator]
    assert other.bytes == next(files.glob("*.onnx")).stat().st_size
    assert (seen[0].done, seen[-1].done) == (0, seen[-1].total)
    assert result.machine["cores"] >= 1


@pytest.mark.slow
def test_an_artefact_is_scored_as_evaluate_scores(stem: str, files: Path) -> None:
    scenes = [scene(0), scene(1)]
    loaded = checkpoint.load(Path(stem))
    card = loaded.card
    expected = evaluate(loaded.model, scenes, card.classes, normaliser=Normaliser.of_card(card, "cpu"))
    workshop = Workshop(files)
    for runtime in ("pytorch", "onnx"):
        found = score(workshop.make(stem, runtime, 1), scenes)
        assert found.scores.miou5 == pytest.approx(expected.scores.miou5, abs=1e-4)
        assert np.abs(found.matrix - expected.matrix).sum() <= 20


@pytest.mark.slow
def test_int8_is_scored_as_int8(stem: str, files: Path) -> None:
    workshop = Workshop(files)
    scenes = [scene(2)]
    exact, rounded = (score(workshop.make(stem, runtime, 1), scenes) for runtime in ("onnx", "onnx-int8"))
    assert (exact.matrix != rounded.matrix).any()
    assert abs(exact.scores.miou5 - rounded.scores.miou5) < 0.1


def test_a_cold_start_is_a_process_of_its_own_without_torch(stem: str, files: Path) -> None:
    artefact = Workshop(files).make(stem, "onnx", 1)
    found = cold.measure(runtime="onnx", file=artefact.file, threads=1, size=64, device="cpu")
    assert found.cold_ms > 10
    assert found.device_memory_mb is None
    assert found.peak_memory_mb is not None
    assert 20 < found.peak_memory_mb < 250


def test_what_cannot_be_made_is_told_in_its_row(stem: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.benchmark.runtimes.can_compile", lambda _: False)
    result = measure.run(quick(stem, runtimes=("pytorch", "compiled"), sizes=(32,)), folder=files)
    assert result.rows[0].problem is None
    assert result.rows[1].p50_ms is None
    assert result.rows[1].problem == "There is no C++ compiler here, which torch.compile needs."


def test_impossible_plans_are_refused(stem: str, files: Path) -> None:
    with pytest.raises(DeviceError, match="cuda:99"):
        measure.run(quick(stem, device="cuda:99"), folder=files)
    with pytest.raises(ConfigError, match="train, val or test"):
        measure.run(quick(stem, score=DataConfig(), score_split="all"), folder=files)


def test_a_benchmark_stops_when_asked(stem: str, files: Path) -> None:
    with pytest.raises(CancelledError):
        measure.run(quick(stem), folder=files, cancelled=lambda: True)


def test_other_weights_make_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was trained on under the same name is exported anew, and its old file goes."""
    weights = tmp_path / "tiny.safetensors"
    made: list[bytes] = []

    class Model:
        def SerializeToString(self) -> bytes:  # noqa: N802
            made.append(weights.read_bytes())
            return made[-1]

    monkeypatch.setattr("core.benchmark.artefacts.to_onnx", lambda *_: Model())
    monkeypatch.setattr("core.benchmark.artefacts.compare", lambda *_: None)
    monkeypatch.setattr("core.benchmark.artefacts.insist", lambda *_, **__: None)
    monkeypatch.setattr("core.benchmark.artefacts.OnnxModel", lambda *_, **__: None)
    monkeypatch.setattr("core.benchmark.artefacts.training_tiles", lambda *_, **__: [])
    monkeypatch.setattr("core.benchmark.artefacts.checkpoint.resolve", lambda _: tmp_path / "tiny")
    loaded = checkpoint.Loaded(torch.nn.Identity(), SimpleNamespace(bands=COLOURS))  # type: ignore[arg-type]
    monkeypatch.setattr(Workshop, "loaded", lambda *_: loaded)
    for content in (b"first", b"first", b"second"):
        weights.write_bytes(content)
        file = Workshop(tmp_path / "files").exported("tiny", int8=False)
        assert file.read_bytes() == content
    assert made == [b"first", b"second"]
    assert list((tmp_path / "files").iterdir()) == [file]


def test_a_model_is_not_scored_on_labels_of_other_classes(stem: str, files: Path) -> None:
    own_dataset(paths.home())
    result = measure.run(quick(stem, sizes=(32,), score=DataConfig("plots")), folder=files)
    (row,) = result.rows
    assert row.p50_ms is not None
    assert row.miou5 is None
    assert row.problem is not None
    assert "other classes than the labels" in row.problem
