"""Trackers receive every event of a run once; whatever happens to them, the run goes on."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.config import RunConfig
from core.errors import RunError
from core.events import Cancelled, Emit, EpochEvent, Event, MessageEvent, StepEvent, TeacherEvent
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore
from core.runs.tracking.dispatch import Numbers, Tracking, numbers_of
from core.runs.tracking.trackers import flat
from core.runs.worker.run_process import Heartbeat, perform
from tests.unit.runs.conftest import Clock, claimed, make_checkpoint

STEPS = 5
TEACHER = TeacherEvent("teacher", 0.8, 0.9)


class StoppedError(Exception):
    """What a job here raises when it is asked to stop."""


def step(epoch: int, number: int, total: float = 1.0) -> StepEvent:
    return StepEvent(epoch, 4, number, STEPS, {"total": total, "soft_targets": 0.25}, 1e-3, 50.0, 12.0)


def epoch(number: int, miou5: float | None = 0.5) -> EpochEvent:
    return EpochEvent(number, 4, {"total": 1.5}, 2.0, miou5, miou5, miou5, {"Land (unpaved)": 0.25})


def life(first: int, last: int) -> list[Event]:
    """The events of a run from step `first` to `last`, counted through epochs; the teacher's comes first."""
    events: list[Event] = [TEACHER]
    for position in range(first, last + 1):
        number, within = divmod(position - 1, STEPS)
        events.append(step(number + 1, within + 1, total=1 / position))
        if within + 1 == STEPS:
            events.append(epoch(number + 1))
    return events


class Pages:
    """A tracker of the test's own that keeps what it receives."""

    name = "Pages"

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.during = during
        self.opened: list[tuple[int, bool]] = []
        self.received: list[Numbers] = []
        self.ends: list[tuple[RunState, dict[str, Any], str]] = []

    def open(self, record: RunRecord, *, resumed: bool) -> None:
        self.opened.append((record.attempt, resumed))

    def log(self, numbers: list[Numbers]) -> None:
        self.during()
        self.received += numbers

    def close(self, state: RunState, summary: Mapping[str, Any], card: Path) -> None:
        self.ends.append((state, dict(summary), card.name))


@pytest.fixture
def record(store: RunStore, config: RunConfig) -> RunRecord:
    return claimed(store, config)


@pytest.fixture
def emitted() -> list[Event]:
    return []


def track(tracker: Pages, record: RunRecord, folder: Path, emitted: list[Event], events: list[Event]) -> None:
    tracking = Tracking([tracker], record, folder)
    for event in events:
        tracking(event, emitted.append)
    tracking.end(RunState.DONE, emitted.append)


def test_each_number_has_one_name_and_its_step() -> None:
    assert numbers_of(step(3, 2)) == (
        {
            "train/total": 1.0,
            "train/soft_targets": 0.25,
            "train/learning_rate": 1e-3,
            "train/images_per_second": 50.0,
        },
        12,
    )
    values, at = numbers_of(epoch(3)) or ({}, 0)
    assert (values["epoch/total"], values["val/miou5"], values["val/iou_Land (unpaved)"], at) == (1.5, 0.5, 0.25, 3)
    assert numbers_of(TEACHER) == ({"teacher/miou5": 0.8, "teacher/accuracy": 0.9}, 0)
    assert numbers_of(MessageEvent("Loading.")) is None


def test_an_epoch_without_validation_has_no_score() -> None:
    values, _ = numbers_of(EpochEvent(1, 4, {"total": 1.0}, 2.0)) or ({}, 0)
    assert values == {"epoch/total": 1.0, "epoch/seconds": 2.0}


def test_settings_become_plain_names() -> None:
    settings = {"train": {"batch_size": 16}, "model": {"arguments": {"base": 4}}, "losses": ("a", "b"), "seed": None}
    assert flat(settings) == {"train.batch_size": "16", "model.arguments.base": "4", "losses": "('a', 'b')"}


def test_a_tracker_receives_everything_in_order(record: RunRecord, tmp_path: Path, emitted: list[Event]) -> None:
    pages = Pages()
    track(pages, record, tmp_path, emitted, life(1, 200))
    assert [numbers[1] for numbers in pages.received if "train/total" in numbers[0]] == list(range(1, 201))
    assert (pages.opened, pages.ends, emitted) == ([(1, False)], [(RunState.DONE, {}, "student.json")], [])


def test_a_tracker_that_fails_is_reported_once(record: RunRecord, tmp_path: Path, emitted: list[Event]) -> None:
    def fail() -> None:
        raise RunError("Pages is gone.")

    track(Pages(fail), record, tmp_path, emitted, life(1, 50))
    assert emitted == [MessageEvent("Pages is gone. The run goes on; nothing more is logged there.", "warning")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_so_is_one_that_fails_as_nobody_foresaw(record: RunRecord, tmp_path: Path, emitted: list[Event]) -> None:
    track(Pages(lambda: [][0]), record, tmp_path, emitted, life(1, 50))
    assert [event.text for event in emitted if isinstance(event, MessageEvent)] == [
        "Pages failed in a way that the log shows. The run goes on; nothing more is logged there."
    ]


def test_a_tracker_that_hangs_holds_nothing_up(
    record: RunRecord, tmp_path: Path, emitted: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.tracking.dispatch._CLOSE_SECONDS", {RunState.DONE: 0.2})
    never = threading.Event()
    track(Pages(lambda: bool(never.wait(30)) and None), record, tmp_path, emitted, life(1, 50))
    never.set()
    (warning,) = emitted
    assert isinstance(warning, MessageEvent)
    assert "took too long" in warning.text


def run_to_end(store: RunStore, record: RunRecord, clock: Clock, events: list[Event]) -> RunRecord:
    """The run as its process does it."""

    def execute(
        config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
    ) -> dict[str, Any]:
        assert (resume, runs) == (True, store.home)
        for event in events:
            emit(event)
        (folder / "student.json").write_text('{"name": "tiny"}')
        if cancelled():
            raise StoppedError
        return {"best_miou5": 0.5, "scores": {"miou5": 0.5}, "kind": config.kind}

    perform(store, Heartbeat(store, record, now=clock), execute=execute, stopped=StoppedError)
    return store.get(record.id)


def killed(store: RunStore, record: RunRecord, events: list[Event]) -> RunRecord:
    """The first attempt, up to where its process is killed. Gives the second attempt."""
    tracking = Tracking.from_environment(record, store.folder(record.id))
    for event in events:
        tracking(event, lambda _event: None)
    # What a kill leaves is what had arrived by then.
    for thread in tracking.threads:
        thread._queue.put(None)
        thread.wait(60)
    make_checkpoint(store, record.id)
    store.abandon(record.id, "w", "The run's process was killed.", attempt=record.attempt)
    again = store.claim("w", ["cpu"])
    assert again is not None
    return again


def warnings(store: RunStore, record: RunRecord) -> list[str]:
    lines = (store.folder(record.id) / "events.jsonl").read_text().splitlines()
    return [event["text"] for event in map(json.loads, lines) if event.get("level") == "warning"]


def test_without_a_request_nothing_is_tracked(store: RunStore, record: RunRecord, clock: Clock) -> None:
    before = set(threading.enumerate())
    assert run_to_end(store, record, clock, life(1, 10)).state == RunState.DONE
    assert set(threading.enumerate()) == before
    assert not (store.folder(record.id) / "tb").exists()
    assert not (store.home / "mlflow").exists()


def test_a_tracking_server_that_is_gone_costs_one_warning(
    store: RunStore, record: RunRecord, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:secret@127.0.0.1:9")
    assert run_to_end(store, record, clock, life(1, 50)).state == RunState.DONE
    (warning,) = warnings(store, record)
    assert warning.startswith("MLflow at http://127.0.0.1:9 cannot be used (it does not answer).")
    assert "secret" not in (store.folder(record.id) / "log.txt").read_text()


def tensorboard(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve as TensorBoard itself reads it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    return {
        name: [(event.step, event.value) for event in accumulator.Scalars(name)]
        for name in accumulator.Tags()["scalars"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_a_resumed_run_as_one(
    store: RunStore, record: RunRecord, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRASTILL_TENSORBOARD", "1")
    again = killed(store, record, life(1, 8))
    assert run_to_end(store, again, clock, life(4, 15)).state == RunState.DONE
    curves = tensorboard(store.folder(record.id) / "tb")
    assert [at for at, _ in curves["train/total"]] == list(range(1, 16))
    assert [value for _, value in curves["train/total"]] == pytest.approx([1 / at for at in range(1, 16)])
    assert curves["val/miou5"] == [(1, 0.5), (2, 0.5), (3, 0.5)]
    assert curves["val/iou_Land _unpaved_"] == [(1, 0.25), (2, 0.25), (3, 0.25)]
    assert [at for at, _ in curves["teacher/miou5"]] == [0]
    assert warnings(store, record) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlflow_has_a_resumed_run_once(
    store: RunStore, record: RunRecord, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    again = killed(store, record, life(1, 8))
    assert run_to_end(store, again, clock, life(4, 15)).state == RunState.DONE
    assert warnings(store, record) == []

    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("terrastill")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a run")
    assert {name: run.data.params[name] for name in ("kind", "train.batch_size", "data.crop")} == {
        "kind": "train",
        "train.batch_size": str(record.config.train.batch_size),
        "data.crop": str(record.config.data.crop),
    }
    history = client.get_metric_history(run.info.run_id, "train/total")
    assert [(point.step, point.value) for point in history] == [(at, 1 / at) for at in range(1, 16)]
    scores = client.get_metric_history(run.info.run_id, "val/miou5")
    assert [(point.step, point.value) for point in scores] == [(1, 0.5), (2, 0.5), (3, 0.5)]
    assert run.data.metrics["train/soft_targets"] == 0.25
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("terrastill.")}
    assert tags["terrastill.run"] == record.id
    assert (tags["terrastill.attempt"], tags["terrastill.best_miou5"]) == ("2", "0.5")
    (card,) = client.list_artifacts(run.info.run_id)
    text = Path(client.download_artifacts(run.info.run_id, card.path, str(tmp_path))).read_text()
    assert text == '{"name": "tiny"}'
