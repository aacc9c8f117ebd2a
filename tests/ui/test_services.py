"""What the pages rest on: reading progress, estimating time, telling a gain, queueing a pair."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.components.charts import loss_chart, score_chart, smoothed
from app.components.forecast import duration
from app.services import artifacts, datasets, estimates, launch, progress, runs, verdicts
from app.services.artifacts import short_count
from app.services.inference import Quality, quality
from app.services.run_settings import PRESETS
from app.services.stores import open_store
from core.config import RunConfig
from core.data.datasets.dubai import AERIAL
from core.errors import CheckpointError, ImageError
from core.events import EpochEvent, StepEvent
from core.runs.recorder import Recorder
from tests.ui.conftest import ANYBODY, CLASSES, ask


def test_quality_leaves_unlabelled_pixels_out_of_scores_only() -> None:
    truth = np.array([[0, 5]], np.uint8)
    mask, teacher = np.array([[0, 1]], np.uint8), np.array([[0, 2]], np.uint8)
    found = quality(mask, reference=teacher, truth=truth, classes=CLASSES, ignore_index=5)
    assert (found.agreement, found.miou5) == (0.5, 1.0)
    assert quality(mask, reference=None, truth=None, classes=CLASSES, ignore_index=5) == Quality(None, None, {})


def test_progress_is_read_from_what_the_recorder_wrote() -> None:
    store = open_store()
    run = store.add(launch.to_config(ask()))
    assert progress.read_progress(run.id) == progress.RunProgress()
    record = Recorder(store.folder(run.id), run.config)
    for step in (4, 8, 8):
        record(StepEvent(1, 3, step, 8, {"dice": step / 8, "cross_entropy": float("nan")}, 0.01, 20.0, 60.0 - step))
    record(EpochEvent(1, 3, {"dice": 0.5}, 9.0, miou5=0.25, iou={"Road": 0.5, "Water": float("nan")}))
    found = progress.read_progress(run.id)
    assert (found.epoch, found.epochs, found.seconds_left) == (1, 3, 52.0)
    assert found.losses == [{"epoch": 0.5, "dice": 0.5}, {"epoch": 1.0, "dice": 1.0}]
    assert found.scores == [{"epoch": 1, "miou5": 0.25, "seconds": 9.0, "iou_Road": 0.5}]


def test_a_long_curve_is_thinned() -> None:
    store = open_store()
    run = store.add(launch.to_config(ask()))
    lines = [
        {"time": 0, "type": "step", "epoch": 1, "epochs": 1, "step": n, "steps": 4000, "losses": {"dice": 1.0}}
        for n in range(1, 4001)
    ]
    (store.folder(run.id) / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert 500 <= len(progress.read_progress(run.id).losses) <= progress.LARGEST_CURVE


def test_launch_queues_the_run_and_then_its_control() -> None:
    run_id = launch.launch(ask(base=8, temperature=3.0, seed=5), ANYBODY)
    control, run = open_store().list()
    assert run.id == run_id
    assert (run.config.kind, run.config.model.arguments) == ("distill", {"base": 8})
    assert (control.config.kind, control.config.control_of, control.config.distill) == ("train", run_id, None)
    assert control.name == f"{run.name}, control"
    same = replace(control.config, kind="distill", name=run.name, distill=run.config.distill, control_of=None)
    assert same == run.config
    launch.launch(ask(control=False), ANYBODY)
    assert len(open_store().list()) == 3
    launch.launch(ask(name="x" * 80), ANYBODY)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_in_range(preset: str) -> None:
    assert launch.problems(ask(preset)) == []


def test_time_grows_with_epochs_and_a_cache_saves_the_teacher() -> None:
    pace = estimates.Pace(256, "a CPU", fixed=0.01, per_mac=1e-10, teacher=0.1)

    def seconds(settings: launch.Request) -> float:
        config: RunConfig = launch.to_config(settings)
        return estimates.training_seconds(config, pace, macs_256=10**8, views=100, val_megapixels=0.0)

    one, two = (seconds(ask(epochs=epochs, cache_views=0, cache_pictures=False)) for epochs in (10, 20))
    assert two - one == pytest.approx(10 * 100 * (0.02 + 0.1))
    cached = seconds(ask(epochs=20, cache_views=5, cache_pictures=False))
    assert two - cached == pytest.approx(15 * 100 * 0.1)


def run_of(state: str = "done", **changes: Any) -> runs.Run:
    store = open_store()
    record = store.add(launch.to_config(ask()))
    return replace(runs.list_runs()[0], id=record.id, state=state, **changes)


@pytest.mark.parametrize(
    ("distilled", "control", "said"),
    [(0.60, 0.50, "gained 10.0 points"), (0.50, 0.60, "lost 10.0 points"), (0.5, 0.5001, "made no difference")],
)
def test_a_gain_is_told_with_its_sign(distilled: float, control: float, said: str) -> None:
    told = verdicts.gain(run_of(best_miou5=distilled, teacher_miou5=0.7), run_of(best_miou5=control))
    assert told is not None
    sentence, points = told
    assert said in sentence
    assert points == pytest.approx(100 * (distilled - control), abs=0.05)
    assert ("closes 50 % of the gap" in sentence) == (distilled > control)


def test_no_gain_is_told_before_both_are_done() -> None:
    assert verdicts.gain(run_of(best_miou5=0.5), None) is None
    assert verdicts.gain(run_of(best_miou5=0.5), run_of("running", best_miou5=0.4)) is None


def test_one_unreadable_card_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import paths

    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    card = {"schema": 1, "name": "a", "classes": AERIAL.to_json(), "mean": [127] * 3, "std": [128] * 3, "macs_256": 10}
    card |= {
        "model": {"architecture": "unet", "arguments": {"base": 4}},
        "parameters": 121_713,
        "metrics": {"miou5": 0.5},
    }
    (tmp_path / "good.json").write_text(json.dumps(card))
    (tmp_path / "broken.json").write_text("{")
    found = artifacts.models(None)
    assert list(found) == ["good"]
    assert (found["good"].architecture, found["good"].miou5) == ("U-Net 4", 0.5)


def test_a_student_archive_holds_weights_and_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from core.checkpoint import ModelCard, save
    from core.config import ModelConfig

    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    run_id = "20261123-101500-ab12"
    with pytest.raises(CheckpointError):
        artifacts.student_archive(run_id)
    card = ModelCard("s", ModelConfig(), AERIAL, (0.0,) * 3, (1.0,) * 3, parameters=1, macs_256=1)  # type: ignore[arg-type]
    save(tmp_path / run_id / "student", torch.nn.Linear(1, 1), card)
    with zipfile.ZipFile(io.BytesIO(artifacts.student_archive(run_id))) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {f"{run_id}/student.safetensors", f"{run_id}/student.json"}


def test_a_picture_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "UPLOAD_MEGABYTES", 1)
    with pytest.raises(ImageError, match="larger than 1 MB"):
        datasets.read_upload("big.png", b"x" * (1024**2 + 1))


def test_charts_hold_what_they_are_given() -> None:
    losses = loss_chart([{"epoch": 0.5, "dice": 1.0}, {"epoch": 1.0, "dice": 1.0, "soft_targets": 0.2}])
    assert [trace.name for trace in losses.data] == ["Dice (labels)", "Soft targets (teacher)"]
    assert list(losses.data[0].y) == pytest.approx([1.0, 1.0])
    scores = score_chart({"Student": [{"epoch": 1, "miou5": 0.5}]}, teacher=0.75)
    assert [list(trace.y) for trace in scores.data] == [[50.0], [75.0, 75.0]]
    assert smoothed([3.0] * 5) == pytest.approx([3.0] * 5)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (89, "89 s"), (200, "3 min"), (7800, "2 h 10 min"), (864000, "10 days")]
)
def test_durations_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(("count", "said"), [(999, "999"), (121_713, "122 k"), (1_940_000, "1.94 M"), (6.1e9, "6.1 G")])
def test_counts_are_short(count: float, said: str) -> None:
    assert short_count(count) == said
