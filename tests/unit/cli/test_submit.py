"""Runs from the command line are in the store like any other, whatever becomes of them."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config import RunConfig
from core.errors import ConfigError, DeviceError
from core.events import CancelledError
from core.runs import execution
from core.runs.store.records import RunState
from core.runs.store.run_store import RunStore
from core.runs.worker import run_process

from .conftest import MakeFolder, Run

CPU = ("--device", "cpu")
Act = Callable[[Callable[[], bool]], dict[str, Any]]


@pytest.fixture(autouse=True)
def _checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without models and data there is nothing to check; each look at the store counts as a beat."""
    monkeypatch.setattr(execution, "check", lambda *_, **__: [], raising=False)
    monkeypatch.setattr(run_process, "HEARTBEAT_SECONDS", 0.0)


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[RunConfig]]:
    """`do(act, …)`: the next runs do these instead of training. Gives the settings they were started with."""

    def prepare(*acts: Act) -> list[RunConfig]:
        started: list[RunConfig] = []

        def execute(config: RunConfig, _: Path, *, cancelled: Callable[[], bool], **__: Any) -> dict[str, Any]:
            started.append(config)
            return acts[len(started) - 1](cancelled)

        monkeypatch.setattr(execution, "execute", execute)
        return started

    return prepare


def reach(miou5: float) -> Act:
    return lambda _: {"best_miou5": miou5}


def fail_with(error: Exception) -> Act:
    def act(_: Callable[[], bool]) -> dict[str, Any]:
        raise error

    return act


def until_stopped(before: Callable[[], object]) -> Act:
    """Does `before`, then works until it is told to stop."""

    def act(cancelled: Callable[[], bool]) -> dict[str, Any]:
        before()
        deadline = time.monotonic() + 60
        while not cancelled():
            assert time.monotonic() < deadline, "nobody stopped the run"
        raise CancelledError

    return act


def test_a_run_done_here_is_done_in_the_store(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    started = do(reach(0.5))
    code, out, err = run("train", *CPU, "--name", "mine", "--json")
    assert (code, err) == (0, "")
    (record,) = RunStore().list()
    assert (record.state, record.name, record.device, record.attempt) == (RunState.DONE, "mine", "cpu", 1)
    assert json.loads(out) == {
        "runs": [
            {"id": record.id, "name": "mine", "state": "done", "control_of": None, "summary": {"best_miou5": 0.5}}
        ],
        "gain": None,
    }
    assert started[0] == record.config


def test_a_control_is_run_next_and_the_gain_is_told(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    started = do(reach(0.5), reach(0.45))
    code, out, _ = run("distill", *CPU, "--control", "--json")
    assert code == 0
    assert json.loads(out)["gain"] == pytest.approx(0.05)
    control, first = RunStore().list()
    assert (first.config.kind, control.config.kind) == ("distill", "train")
    assert control.config.control_of == first.id
    assert control.config.distill is None
    assert (started[0].model, started[0].data, started[0].train) == (
        started[1].model,
        started[1].data,
        started[1].train,
    )
    do(reach(0.5), reach(0.45))
    assert "Gain over the control: +5.0 points" in run("distill", *CPU, "--control")[1]


def test_a_queued_run_waits_with_its_control(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    started = do()
    code, out, _ = run("distill", "--queue", "--control", "--json")
    assert code == 0
    assert started == []
    control, first = RunStore().list()
    assert first.state == control.state == RunState.QUEUED
    assert control.config.control_of == first.id
    assert [item["id"] for item in json.loads(out)["runs"]] == [first.id, control.id]


def test_no_worker_can_take_a_run_that_is_done_here(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    taken = []

    def claim_elsewhere(_: Callable[[], bool]) -> dict[str, Any]:
        taken.append(RunStore().claim("other", ["cpu"]))
        return {"best_miou5": 0.1}

    do(claim_elsewhere)
    assert run("train", *CPU)[0] == 0
    assert taken == [None]


def test_settings_that_cannot_run_leave_nothing_behind(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> list[str]:
        raise ConfigError(["No such teacher.", "The disk is full."])

    monkeypatch.setattr(execution, "check", refuse)
    for argv in (("distill",), ("distill", "--queue"), ("distill", "--check"), ("distill", "--temperature", "90")):
        code, out, err = run(*argv)
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
    assert "from 0.5 to 50" in err
    assert RunStore().list() == []


def test_a_check_starts_nothing_and_tells_warnings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "check", lambda *_, **__: ["The student is not smaller than its teacher."])
    code, out, err = run("distill", "--check", "--json")
    assert code == 0
    assert json.loads(out)["ok"] is True
    assert err == "terrastill: warning: The student is not smaller than its teacher.\n"
    assert RunStore().list() == []


def test_a_failure_is_told_in_a_line_and_kept(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    do(fail_with(DeviceError("The device is gone.")))
    code, out, err = run("train", *CPU)
    (record,) = RunStore().list()
    assert (code, out) == (1, "")
    assert err == f"terrastill: Run {record.id} failed: The device is gone.\n"
    assert (record.state, record.error) == (RunState.FAILED, "The device is gone.")


def test_a_failed_run_has_no_control(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    do(fail_with(DeviceError("The device is gone.")))
    assert run("distill", *CPU, "--control")[0] == 1
    assert len(RunStore().list()) == 1


def test_a_mistake_of_ours_fails_the_run_with_the_traceback_in_its_log(
    run: Run, do: Callable[..., list[RunConfig]]
) -> None:
    do(fail_with(ZeroDivisionError("by nought")))
    code, out, err = run("train", *CPU)
    store = RunStore()
    (record,) = store.list()
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err
    assert record.state == RunState.FAILED
    assert "Traceback" in (store.folder(record.id) / "log.txt").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_run(run: Run, do: Callable[..., list[RunConfig]], number: signal.Signals) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    do(until_stopped(lambda: os.kill(os.getpid(), number)))
    code, out, err = run("train", *CPU)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    (record,) = RunStore().list()
    assert record.state == RunState.CANCELLED
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_second_interrupt_stops_at_once(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    def deaf(_: Callable[[], bool]) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return {"best_miou5": 1.0}

    do(deaf)
    assert run("train", *CPU)[0] == 130
    (record,) = RunStore().list()
    assert record.state == RunState.CANCELLED


def test_a_cancel_from_the_app_stops_it(run: Run, do: Callable[..., list[RunConfig]]) -> None:
    def cancel() -> None:
        store = RunStore()
        store.request_cancel(store.list()[0].id)

    do(until_stopped(cancel))
    code, _, err = run("train", *CPU)
    (record,) = RunStore().list()
    assert code == 1
    assert record.state == RunState.CANCELLED
    assert f"Run {record.id} was stopped and is now cancelled" in err


def test_the_control_differs_in_nothing_but_its_teacher() -> None:
    config = RunConfig(name="a", distill=None, kind="train")
    control = config.as_control("20260101-000000-abcd")
    assert control == RunConfig(name="a", kind="train", control_of="20260101-000000-abcd")


def test_train_then_evaluate_the_run(run: Run, make_folder: MakeFolder) -> None:
    """The real thing, on a handful of pixels."""
    root = make_folder(names=("a", "b", "c", "d"))
    quick = ("--base", "2", "--epochs", "1", "--batch", "2", "--views", "2", "--crop", "32", "--precision", "float32")
    code, out, err = run("train", "--data", root, *quick, *CPU, "--json")
    assert code == 0, err
    run_id = json.loads(out)["runs"][0]["id"]
    code, out, _ = run("evaluate", "--model", run_id, "--data", root, "--json", "--device", "cpu")
    assert code == 0
    assert json.loads(out)["images"] == 4
