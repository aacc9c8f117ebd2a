"""A run's folder records what happened, once and in order, whatever stopped and started in between."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import RunConfig
from core.data.datasets.dubai import AERIAL
from core.events import EpochEvent, MessageEvent, PreviewEvent, StepEvent, TeacherEvent
from core.runs.recorder import Recorder, read_events, read_metrics
from core.runs.store.records import LAST_CHECKPOINT
from tests.unit.runs.conftest import Clock


def _epoch(number: int, miou5: float | None = 0.5, **losses: float) -> EpochEvent:
    return EpochEvent(number, 3, losses or {"total": 1.0 / number}, 2.0, miou5=miou5, iou={"Road": 0.25})


def _step(number: int, loss: float = 1.0) -> StepEvent:
    return StepEvent(1, 3, number, 10, {"total": loss}, 1e-3, 50.0, 12.0)


@pytest.fixture
def recorder(tmp_path: Path, config: RunConfig, clock: Clock) -> Recorder:
    return Recorder(tmp_path, config, now=clock)


def test_settings_lie_beside_the_results(tmp_path: Path, recorder: Recorder, config: RunConfig) -> None:
    assert recorder.folder == tmp_path
    assert RunConfig.from_json((tmp_path / "config.json").read_text()) == config


def test_events_come_back_with_type_and_time(tmp_path: Path, recorder: Recorder, clock: Clock) -> None:
    recorder(_step(1))
    clock.pass_(1.5)
    recorder(_epoch(1))
    recorder(MessageEvent("Mind the gap.", "warning"))
    events, end = read_events(tmp_path / "events.jsonl")
    assert [event["type"] for event in events] == ["start", "step", "epoch", "message"]
    assert events[2]["time"] - events[1]["time"] == 1.5
    assert (events[1]["losses"], events[2]["miou5"]) == ({"total": 1.0}, 0.5)
    assert read_events(tmp_path / "events.jsonl", end) == ([], end)
    assert "Warning: Mind the gap." in (tmp_path / "log.txt").read_text()


def test_half_a_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type": "step"}\n{"type": "ep')
    events, offset = read_events(path)
    assert [event["type"] for event in events] == ["step"]
    with path.open("ab") as file:
        file.write(b'och"}\n')
    assert read_events(path, offset)[0] == [{"type": "epoch"}]
    assert read_events(tmp_path / "not there") == ([], 0)


def test_a_loss_that_is_no_number_is_still_json(tmp_path: Path, recorder: Recorder) -> None:
    recorder(_step(1, float("nan")))
    recorder(_epoch(1, total=float("inf")))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    for line in (tmp_path / "events.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    assert read_metrics(tmp_path / "metrics.csv")[0]["loss_total"] == ""


def test_metrics_have_one_row_an_epoch_after_a_resume(tmp_path: Path, config: RunConfig) -> None:
    first = Recorder(tmp_path, config)
    for number in (1, 2, 3):
        first(_epoch(number, miou5=0.1 * number))
    (tmp_path / LAST_CHECKPOINT).mkdir()
    second = Recorder(tmp_path, config)
    second(_epoch(2, miou5=0.9))
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [(row["epoch"], row["miou5"]) for row in rows] == [("1", "0.1"), ("2", "0.9")]


def test_metrics_grow_a_column_when_a_term_appears(tmp_path: Path, recorder: Recorder) -> None:
    recorder(_epoch(1, None, total=1.0))
    recorder(_epoch(2, 0.5, total=0.5, soft=0.25))
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [(row["miou5"], row["loss_soft"]) for row in rows] == [("", ""), ("0.5", "0.25")]


def test_a_run_without_checkpoint_starts_with_empty_curves_and_its_old_log(tmp_path: Path, config: RunConfig) -> None:
    first = Recorder(tmp_path, config)
    first(_epoch(1))
    first(MessageEvent("It was bad."))
    Recorder(tmp_path, config)
    assert read_metrics(tmp_path / "metrics.csv") == []
    assert [event["type"] for event in read_events(tmp_path / "events.jsonl")[0]] == ["start"]
    assert "It was bad." in (tmp_path / "log.txt").read_text()


def test_previews_are_pictures_in_the_colours_of_the_classes(tmp_path: Path, recorder: Recorder) -> None:
    image = np.full((4, 6, 3), 7, np.uint8)
    truth, prediction = np.full((4, 6), 2, np.uint8), np.full((4, 6), 4, np.uint8)
    recorder(PreviewEvent(3, image, truth, prediction))
    shown = {path.name: np.asarray(Image.open(path))[0, 0] for path in (tmp_path / "preview").iterdir()}
    assert set(shown) == {"image.png", "truth.png", "epoch_0003.png"}
    assert tuple(shown["image.png"]) == (7, 7, 7)
    assert tuple(shown["truth.png"]) == AERIAL.colours[2]
    assert tuple(shown["epoch_0003.png"]) == AERIAL.colours[4]


def test_the_teachers_score_is_an_event_and_a_line_of_the_log(tmp_path: Path, recorder: Recorder) -> None:
    recorder(TeacherEvent("teacher", 0.75, 0.9))
    last = read_events(tmp_path / "events.jsonl")[0][-1]
    assert (last["type"], last["name"], last["miou5"]) == ("teacher", "teacher", 0.75)
    assert "teacher reaches mIoU 0.750" in (tmp_path / "log.txt").read_text()
