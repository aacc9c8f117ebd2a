"""A run on several devices: the model of one device with their whole batch; whoever ends it, nobody is left behind."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from core import paths
from core.config import DistillConfig, RunConfig
from core.errors import ConfigError, MemoryRanOutError, RunError
from core.events import CancelledError, EpochEvent, Event, MessageEvent, StepEvent
from core.out_of_memory import ExitWatch
from core.runs import checks, execution
from core.runs.devices import launcher
from core.runs.store.run_store import RunStore
from tests.unit.event_collector import EventCollector
from tests.unit.runs.execution.kit import TRAIN, run, weights


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The members that were started; all must have ended when the test has."""
    found: list[subprocess.Popen[bytes]] = []
    start = launcher._MemberProcesses._start

    def remember(*arguments: Any) -> "subprocess.Popen[bytes]":
        found.append(start(*arguments))
        return found[-1]

    monkeypatch.setattr(launcher._MemberProcesses, "_start", remember)
    yield found
    assert found
    assert all(process.poll() is not None for process in found)
    assert not distributed.is_initialized()


@pytest.fixture
def shared(distilled: RunConfig) -> RunConfig:
    """Two devices, two views a step on each."""
    distill = DistillConfig(teacher="taught", cache_views=1)
    return replace(distilled, distill=distill, train=replace(TRAIN, batch_size=2, devices=2))


class InTheSecondEpoch(EventCollector):
    """Cancels between the two steps of the second epoch."""

    def cancelled(self) -> bool:
        self.asked += bool(self.of(EpochEvent))
        return self.asked == 2


def curve(collector: EventCollector) -> list[float]:
    return [loss for event in collector.of(EpochEvent) for loss in event.losses.values()]


@pytest.mark.slow
def test_stopped_and_resumed_two_devices_make_the_model_of_one_with_twice_the_batch(
    shared: RunConfig, runs: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    one, first, second = EventCollector(), InTheSecondEpoch(), EventCollector()
    alone = replace(shared, train=replace(shared.train, batch_size=4, devices=1))
    summary = run(alone, runs, "one", one)
    with pytest.raises(CancelledError):
        run(shared, runs, "two", first)
    assert not (runs / "two" / "student.json").exists()
    assert len(first.of(EpochEvent)) == 1
    resumed = run(shared, runs, "two", second)
    assert second.of(MessageEvent)[0].text == "2 devices share the run, 2 images a step on each."
    assert MessageEvent("Going on from epoch 2, step 1.") in second.events
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


@pytest.mark.slow
def test_a_member_that_dies_ends_the_run_with_a_sentence(
    shared: RunConfig, runs: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    def kill(event: Event) -> None:
        if isinstance(event, StepEvent):
            started[0].kill()

    with pytest.raises(RunError, match=r"^On device 2 of 2: The run's process was killed\."):
        execution.execute(shared, runs / "one", emit=kill, cancelled=lambda: False, runs=runs)


@pytest.mark.parametrize("how", ["its log", "the kernel"])
@pytest.mark.usefixtures("started")
def test_a_member_that_runs_out_of_memory_is_reported_as_that(
    shared: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    dies = tmp_path / "python"
    last = "echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 1" if how == "its log" else "kill -9 $$"
    dies.write_text(f"#!/bin/sh\n{last}\n")
    dies.chmod(0o700)
    counted = itertools.count() if how == "the kernel" else itertools.repeat(0)
    monkeypatch.setattr(launcher, "ExitWatch", lambda: ExitWatch(lambda: next(counted)))
    monkeypatch.setattr(launcher.sys, "executable", str(dies))
    with pytest.raises(MemoryRanOutError, match="On device 2 of 2: "):
        run(shared, runs, "one")


@pytest.mark.usefixtures("started")
def test_a_member_that_cannot_start_is_not_waited_for(
    shared: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher.sys, "executable", "/bin/false")
    with pytest.raises(RunError, match="On device 2 of 2: The run's process stopped with an error"):
        run(shared, runs, "one")


def test_more_gpus_than_there_are_are_refused(shared: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "choose", lambda _: torch.device("cuda:0"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="There are not 2 GPUs here but 1: choose fewer devices, or --device cpu"):
        checks.check_settings(shared, runs=runs)


LEADER = """
import sys
from pathlib import Path
from core.config import RunConfig
from core.runs import execution
folder = Path(sys.argv[1])
config = RunConfig.from_json((folder / "asked.json").read_text())
emit = lambda event: print(event, flush=True)
execution.execute(config, folder, emit=emit, cancelled=lambda: False, runs=folder.parent)
"""


def alive(process: str) -> bool:
    """Whether there is such a process, not counting one that only waits for somebody to ask how it ended."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks the kernel of Linux who started whom")
def test_members_do_not_outlive_a_leader_that_is_killed(shared: RunConfig, runs: Path) -> None:
    (runs / "one").mkdir()
    endless = replace(shared, train=replace(shared.train, epochs=10_000))
    (runs / "one" / "asked.json").write_text(endless.to_json())
    command = [sys.executable, "-c", LEADER, str(runs / "one")]
    with subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        next(line for line in leader.stdout if line.startswith("StepEvent"))
        children = Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text().split()
        assert len(children) == 1
        leader.kill()
    until = time.monotonic() + 60
    while alive(children[0]) and time.monotonic() < until:
        time.sleep(0.1)
    assert not alive(children[0])


@pytest.mark.slow
def test_torchrun_starts_the_same_run(shared: RunConfig, runs: Path) -> None:
    """`torchrun -m core train --devices 2` is one run, bit for bit the one that starts its own processes.

    That two devices learn what one does is shown in float64: in float32 Adam makes steps of gradients that are noise.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "core"]
    images = ["--data", str(shared.data.root), "--crop", "32", "--views", "8"]
    training = ["--base", "2", "--epochs", "2", "--precision", "float32", "--device", "cpu", "--json"]

    def ran(command: list[str], *flags: str) -> dict[str, Any]:
        arguments = [*command, "train", *images, *training, *flags]
        done = subprocess.run(
            arguments, cwd=paths.ROOT, env=os.environ | {"TERRASTILL_HOME": str(runs)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found["runs"][0]

    theirs = ran(command, "--devices", "2", "--batch", "2")
    ours = ran([sys.executable, "-m", "core"], "--devices", "2", "--batch", "2")
    assert theirs["state"] == ours["state"] == "done"
    assert len(RunStore(home=runs).list()) == 2
    assert torch.equal(weights(runs, theirs["id"]), weights(runs, ours["id"]))
