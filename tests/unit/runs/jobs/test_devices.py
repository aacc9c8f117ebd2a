"""A run on several devices: the model of one device with their whole batch; whoever ends it, nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from core import paths
from core.config import DistillConfig, RunConfig
from core.errors import ConfigError, RunError
from core.runs import checks, followers
from core.train.events import EpochEvent, Event, MessageEvent, StepEvent
from core.train.task import RunCancelledError
from tests.unit.ear import Ear
from tests.unit.runs.jobs.kit import TRAIN, run, weights

STARTS = Callable[[], list["subprocess.Popen[bytes]"]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The followers that were started; all must have ended when the test has."""
    found: list[subprocess.Popen[bytes]] = []
    start = followers._Crew._start

    def remember(*arguments: Any) -> "subprocess.Popen[bytes]":
        found.append(start(*arguments))
        return found[-1]

    monkeypatch.setattr(followers._Crew, "_start", remember)
    yield found
    assert found
    assert all(process.poll() is not None for process in found)
    assert not distributed.is_initialized()


@pytest.fixture
def shared(distilled: RunConfig) -> RunConfig:
    """Two devices, two views a step on each."""
    distill = DistillConfig(teacher="taught", cache_views=1)
    return replace(distilled, distill=distill, train=replace(TRAIN, batch_size=2, devices=2))


def curve(ear: Ear) -> list[float]:
    return [loss for event in ear.of(EpochEvent) for loss in event.losses.values()]


def test_stopped_and_resumed_two_devices_make_the_model_of_one_with_twice_the_batch(
    shared: RunConfig, runs: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    one, first, second = Ear(), Ear(stop_at=6), Ear()
    alone = replace(shared, train=replace(shared.train, batch_size=4, devices=1))
    summary = run(alone, runs, "one", one)
    with pytest.raises(RunCancelledError):
        run(shared, runs, "two", first)
    assert not (runs / "two" / "student.json").exists()
    assert len(first.of(EpochEvent)) < 2
    resumed = run(shared, runs, "two", second)
    assert second.of(MessageEvent)[0].text == "2 devices share the run, 2 images a step on each."
    assert any(event.text.startswith("Going on from") for event in second.of(MessageEvent))
    assert curve(first) + curve(second) == pytest.approx(curve(one), rel=1e-4)
    torch.testing.assert_close(weights(runs, "two"), weights(runs, "one"), rtol=0.02, atol=1e-3)
    assert resumed["best_miou5"] == pytest.approx(summary["best_miou5"], abs=0.02)
    assert sorted(path.name for path in (runs / "two").iterdir()) == [
        "last.ckpt",
        "log.txt",
        "student.json",
        "student.safetensors",
    ]
    assert [process.returncode for process in started][1:] == [0]


def test_a_follower_that_dies_ends_the_run_with_a_sentence(
    shared: RunConfig, runs: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    def kill(event: Event) -> None:
        if isinstance(event, StepEvent):
            started[0].kill()

    (runs / "one").mkdir()
    with pytest.raises(RunError, match=r"^On device 2 of 2: The run's process was killed\."):
        followers.jobs_for_tests(shared, runs / "one", kill, runs)


def test_a_follower_that_cannot_start_is_not_waited_for(
    shared: RunConfig, runs: Path, started: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followers.sys, "executable", "/bin/false")
    with pytest.raises(RunError, match="On device 2 of 2: The run's process stopped with an error"):
        run(shared, runs, "one")


def test_more_gpus_than_there_are_are_refused(shared: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "choose", lambda _: torch.device("cuda:0"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="There are not 2 GPUs here but 1: choose fewer devices, or --device cpu"):
        checks.check_settings(shared, runs=runs)
