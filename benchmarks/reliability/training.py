"""`kill -9` of a training process, at random and inside a checkpoint's write, against a twin that nobody disturbs."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # Optimisers import it, for seconds: here, and not in each process that is forked.
from torch import Tensor

from benchmarks.reliability.kit import Figures, end, ended, fork, open_store, pictures, scratch, tiny
from core.config import RunConfig
from core.runs import execution
from core.runs.recorder import read_metrics
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore
from core.runs.worker.run_process import hold, perform
from core.train import loop
from core.train.checkpointing import read_verified

WORKER = "show"
Sabotage = Callable[[], None]
PLACES = (
    "before a byte is written",
    "after a quarter of the bytes",
    "after half of the bytes",
    "after three quarters of the bytes",
    "after all bytes, before they are on the disk",
    "after they are on the disk, before they are read back",
    "before the one before gets its second name",
    "before the one before takes its place",
    "before the new one takes its place",
    "after it has, before the folder is on the disk",
)
"""Where in a save the process is killed; each in two different saves."""


def attempt(home: Path, record: RunRecord, sabotage: Sabotage) -> None:
    """What the process of a run does, with one thing done to it before."""
    torch.set_num_threads(1)
    store = open_store(home)
    heartbeat = hold(store, record.id, record.worker, record.attempt)
    sabotage()
    perform(store, heartbeat, execute=execution.execute, stopped=loop.CancelledError)


def start(home: Path, store: RunStore, sabotage: Sabotage = lambda: None) -> tuple[RunRecord, int]:
    record = store.claim(WORKER, ["cpu"])
    assert record is not None, "the queue is empty"
    return record, fork(lambda: attempt(home, record, sabotage), log=store.folder(record.id) / "output.txt")


def finish(home: Path, store: RunStore, sabotage: Sabotage = lambda: None) -> tuple[RunRecord, float]:
    """Do the next run to its end, undisturbed."""
    began = time.monotonic()
    record, pid = start(home, store, sabotage)
    os.waitpid(pid, 0)
    return store.get(record.id), time.monotonic() - began


def killed_at_random(home: Path, store: RunStore, seconds: float, chance: random.Random) -> RunRecord | None:
    """Kill after a random part of the time that a whole run takes. None: it was done before."""
    record, pid = start(home, store)
    deadline = time.monotonic() + chance.uniform(0.02, 0.95) * seconds
    while time.monotonic() < deadline:
        if ended(pid) is not None:
            return None
        time.sleep(0.001)
    end(pid)
    # The process may have noted the run as done just before it was killed, and not have ended by itself yet.
    return None if store.get(record.id).state == RunState.DONE else record


def killed_in_a_save(home: Path, store: RunStore, place: int, save: int) -> RunRecord:
    record, pid = start(home, store, lambda: kill_within(place, save))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"nobody was killed {PLACES[place]}"
    return record


def kill_within(place: int, save: int) -> None:
    """Make this process kill itself with signal 9 at one place of its `save`-th write of a checkpoint."""
    saves, write, sync, link, replace = [0], Path.write_bytes, os.fsync, Path.hardlink_to, Path.replace

    def here(*places: int) -> bool:
        return saves[0] == save and place in places

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write_bytes(path: Path, data: bytes) -> int:
        if ".state.safetensors." in path.name:
            saves[0] += 1
            if here(0, 1, 2, 3):
                write(path, data[: place * len(data) // 4])
                die()
        written = write(path, data)
        if here(4):
            die()
        return written

    def fsync(descriptor: int) -> None:
        if here(9) and os.path.isdir(os.readlink(f"/proc/self/fd/{descriptor}")):  # noqa: PTH112, PTH115
            die()
        sync(descriptor)
        if here(5):
            die()

    def hardlink_to(path: Path, target: Path) -> None:
        if here(6):
            die()
        link(path, target)

    def replaced(path: Path, target: Path) -> Path:
        if (here(7) and target.name == "previous.safetensors") or (here(8) and target.name == "state.safetensors"):
            die()
        return replace(path, target)

    Path.write_bytes, Path.hardlink_to, Path.replace = write_bytes, hardlink_to, replaced  # type: ignore[assignment,method-assign]
    os.fsync = fsync  # type: ignore[assignment]


def forget_the_optimiser() -> None:
    """The negative control: a resume that loses what the optimiser has learned."""
    load = loop.load_state

    def forgetful(folder: Path, **parts: Any) -> Any:
        found = load(folder, **parts)
        for state in parts["optimiser"].state.values():
            state["exp_avg"].zero_()
        return found

    loop.load_state = forgetful  # type: ignore[assignment]


def outcome(store: RunStore, run_id: str) -> dict[str, Tensor]:
    """Weights, optimiser, random state and best weights, as they are at the end of a run."""
    data = (store.folder(run_id) / "last.ckpt" / "state.safetensors").read_bytes()
    return read_verified(data)[1]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(_bits(one[key]) == _bits(other[key]) for key in one)


def _bits(tensor: Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.numpy().tobytes()


def kills(at_random: int = 30, in_saves: int = 20, *, seed: int = 0) -> Figures:
    """Each kill in a run of its own, which then goes on to its end and is compared with the twin."""
    torch.set_num_threads(1)
    chance = random.Random(seed)
    with scratch() as folder:
        config, home = tiny(pictures(folder / "pictures")), folder / "home"
        store = open_store(home)
        twin, seconds = _twin(home, store, config)
        figures: Figures = {"kills": 0, "lost": 0, "done twice": 0, "different bits": 0, "resumed within a run": 0}
        while figures["kills"] < at_random + in_saves:
            store.add(config)
            number = figures["kills"] - at_random
            record = (
                killed_at_random(home, store, seconds, chance)
                if number < 0
                else killed_in_a_save(home, store, number % len(PLACES), 2 + number // len(PLACES))
            )
            if record is not None:
                figures["kills"] += 1
                _go_on(home, store, record, twin, figures)
        figures["different bits in the negative control"] = _control(home, store, config, twin)
        return figures


def _twin(home: Path, store: RunStore, config: RunConfig) -> tuple[dict[str, Tensor], float]:
    """Two undisturbed runs: the first one warms up, and both must be equal."""
    outcomes = []
    seconds = 0.0
    for _ in range(2):
        store.add(config)
        done, seconds = finish(home, store)
        assert done.state == RunState.DONE, (store.folder(done.id) / "output.txt").read_text()
        outcomes.append(outcome(store, done.id))
    assert same(*outcomes), "two undisturbed runs differ: nothing can be compared here"
    return outcomes[0], seconds


def _go_on(home: Path, store: RunStore, record: RunRecord, twin: dict[str, Tensor], figures: Figures) -> None:
    """What the worker does when a run's process was killed, and what the run comes to."""
    saved = store.has_checkpoint(record.id)
    after = store.abandon(record.id, WORKER, "The run's process was killed.", attempt=record.attempt)
    if after.state == RunState.FAILED:
        # Killed before its first checkpoint: there is nothing to go on from, and a person retries it.
        assert not saved
        store.retry(record.id)
    done, _ = finish(home, store)
    figures["resumed within a run"] += saved
    figures["lost"] += done.state != RunState.DONE
    epochs = [row["epoch"] for row in read_metrics(store.folder(done.id) / "metrics.csv")]
    figures["done twice"] += epochs != [str(epoch + 1) for epoch in range(done.config.train.epochs)]
    figures["different bits"] += done.state != RunState.DONE or not same(outcome(store, done.id), twin)


def _control(home: Path, store: RunStore, config: RunConfig, twin: dict[str, Tensor]) -> int:
    """A resume that is broken on purpose: it must be found different, or the comparison is worth nothing."""
    store.add(config)
    record = killed_in_a_save(home, store, 0, 3)
    store.abandon(record.id, WORKER, "The run's process was killed.", attempt=record.attempt)
    done, _ = finish(home, store, forget_the_optimiser)
    return int(done.state == RunState.DONE and not same(outcome(store, done.id), twin))
