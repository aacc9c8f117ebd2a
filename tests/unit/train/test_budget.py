"""A run that is given seconds lasts about that long, in whole epochs, however often it is stopped."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.events import CancelledError, StepEvent
from core.train import loop
from core.train.loop import Task
from core.train.step import Stepper

MakeTask = Callable[..., Task]


def clock(monkeypatch: pytest.MonkeyPatch, *costs: float) -> None:
    """Steps that learn nothing and cost this many seconds each, the last cost for good: the clock is looked at once a
    step, and once at the start."""
    left, now = list(costs), [0.0]

    def tick() -> float:
        now[0] += left.pop(0) if len(left) > 1 else left[0]
        return now[0]

    monkeypatch.setattr(loop, "clock_of", lambda _: tick)
    monkeypatch.setattr(Stepper, "step", lambda *_: {"cross_entropy": torch.tensor(1.0)})


@pytest.mark.parametrize(
    ("views", "budget", "epochs"),
    [(16, 40.0, 10), (16, 42.9, 11), (16, 1.0, 2), (64, 80.0, 5), (4, 6.0, 6), (8, 12.0, 6), (12, 15.0, 5)],
)
def test_a_budget_of_seconds_lengthens_the_run_to_whole_epochs(
    make_task: MakeTask,
    collector: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    views: int,
    budget: float,
    epochs: int,
) -> None:
    """At one second a step, however few steps an epoch has, and never fewer epochs than were asked for."""
    clock(monkeypatch, 1.0)
    outcome = collector.run(make_task(epochs=2, views=views, match_seconds=budget, validate_every=100), tmp_path)
    assert outcome.epochs == epochs
    assert outcome.seconds == pytest.approx(epochs * views / 4)


def test_slow_first_steps_are_not_taken_for_the_pace(
    make_task: MakeTask, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiled model spends a minute before its first step."""
    clock(monkeypatch, 1.0, 60.0, 5.0, 5.0, 1.0)
    outcome = collector.run(make_task(epochs=1, views=32, match_seconds=48.0, validate_every=100), tmp_path)
    assert outcome.epochs == 6


def test_one_slow_step_among_many_moves_the_length_little(
    make_task: MakeTask, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight steps alone would have told half the pace."""
    clock(monkeypatch, 1.0, 1.0, 1.0, 1.0, 9.0, 1.0)
    outcome = collector.run(make_task(epochs=1, views=160, match_seconds=400.0, validate_every=100), tmp_path)
    assert outcome.epochs == 8


def test_the_rate_climbs_as_in_a_run_of_that_length_from_the_first_steps_on(
    make_task: MakeTask, make_collector: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One epoch is what was asked for: its rate would be at the peak when the length is settled."""
    clock(monkeypatch, 1.0)
    monkeypatch.setattr(loop, "_REPORT_EVERY", 0.0)
    collector = make_collector(stop_at=30)
    with pytest.raises(CancelledError):
        collector.run(make_task(epochs=1, views=160, match_seconds=4000.0, validate_every=1000), tmp_path)
    told = [event for event in collector.of(StepEvent) if event.epoch == 1 and event.step > 4]
    assert len(told) > 20
    assert all(event.epochs == 100 for event in told)
    assert max(event.learning_rate for event in told) < 0.06 * 2e-2


@pytest.mark.parametrize("stop_at", [1, 2, 5, 7])
def test_a_run_stopped_in_its_first_epoch_is_lengthened_all_the_same(
    make_task: MakeTask,
    make_collector: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop_at: int,
) -> None:
    clock(monkeypatch, 1.0)
    settings = {"epochs": 1, "views": 32, "match_seconds": 40.0, "validate_every": 100}
    with pytest.raises(CancelledError):
        make_collector(stop_at=stop_at).run(make_task(**settings), tmp_path)
    assert make_collector().run(make_task(**settings), tmp_path).epochs == 5


def test_a_run_is_lengthened_once(
    make_task: MakeTask, make_collector: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate depends on the length: a machine that is faster after a resume must not bend the curve again."""
    settings = {"epochs": 1, "views": 160, "match_seconds": 120.0, "validate_every": 100}
    clock(monkeypatch, 1.0)
    with pytest.raises(CancelledError):
        make_collector(stop_at=42).run(make_task(**settings), tmp_path)
    clock(monkeypatch, 0.25)
    assert make_collector().run(make_task(**settings), tmp_path).epochs == 3


def test_seconds_add_up_over_a_stop(
    make_task: MakeTask, make_collector: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, 1.0)
    with pytest.raises(CancelledError):
        make_collector(stop_at=6).run(make_task(epochs=2), tmp_path)
    assert make_collector().run(make_task(epochs=2), tmp_path).seconds == pytest.approx(8.0)


def test_time_that_others_take_is_not_counted_by_the_processors_clock(
    make_task: MakeTask, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that waits for half a second costs next to nothing, so the run is as long as it would be undisturbed."""

    def wait(*_: object) -> dict[str, torch.Tensor]:
        time.sleep(0.5)
        return {"cross_entropy": torch.tensor(1.0)}

    monkeypatch.setattr(Stepper, "step", wait)
    started = time.perf_counter()
    outcome = collector.run(make_task(epochs=1, views=8, clock="processor"), tmp_path)
    assert outcome.seconds > 0
    assert time.perf_counter() - started - outcome.seconds >= 1.0, "both waits"
