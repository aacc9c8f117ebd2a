"""What the shows share: processes that are forked ready to work, tiny runs, and figures printed as a table or JSON."""

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from core.errors import StoreError
from core.runs.store.records import RunRecord
from core.runs.store.run_files import append_line
from core.runs.store.run_store import RunStore

Figures = dict[str, Any]


def fork(work: Callable[[], object], *, log: Path | None = None) -> int:
    """Do `work` in a process of its own that starts at once, with all that is imported here; gives its number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if log is not None:
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
        work()
        code = 0
    finally:
        # The end of this process, whatever it is: nothing of the one it was forked from may go on in it.
        if code:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)


def claim_until_killed(claim: Callable[[], RunRecord | None], do: Callable[[RunRecord], object], started: Path) -> None:
    """Claim one run after the other and do it in this process, until it is killed.

    Args:
        claim: Gives the next run; None: there is none now.
        do: Carries a run out.
        started: A file that gets a line for each: its id, the attempt, this process, and when (monotonic seconds).
    """
    while True:
        # A server ends the transaction of a process that was stopped within one: its run is taken back then.
        with suppress(StoreError):
            record = claim()
            if record is None:
                time.sleep(0.02)
                continue
            append_line(started, f"{record.id} {record.attempt} {os.getpid()} {time.monotonic():.3f}")
            do(record)


def ended(pid: int) -> int | None:
    """The exit code of a forked process, negative for a signal; None while it works."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def end(pid: int) -> None:
    """Kill a forked process, and wait for it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def wait_until(seen: Callable[[], bool], *, within: float, what: str) -> float:
    """Wait for something; gives the seconds it took. Raises `TimeoutError`."""
    began = time.monotonic()
    while not seen():
        if time.monotonic() - began > within:
            raise TimeoutError(f"not within {within:.0f} s: {what}")
        time.sleep(0.005)
    return time.monotonic() - began


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        yield Path(folder)


def open_store(home: Path, url: str | None = None) -> RunStore:
    return RunStore(url, home=home)


def pictures(folder: Path) -> Path:
    """Three small scenes of two classes, images beside masks."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(3):
        mask = np.zeros((96, 96), np.uint8)
        mask[:, 32 * number : 32 * number + 48] = 2
        image = np.where(mask[..., None] == 2, np.uint8(200), np.uint8(60)).repeat(3, axis=-1)
        Image.fromarray(image).save(folder / "images" / f"scene_{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"scene_{number}.png")
    return folder


def tiny(root: Path, *, epochs: int = 5, views: int = 24) -> RunConfig:
    """A real training of a real network, over in a second."""
    data = DataConfig(dataset="folder", root=str(root), crop=32, views_per_epoch=views)
    train = TrainConfig(epochs=epochs, batch_size=4, device="cpu", precision="float32")
    return RunConfig("train", "tiny", data, ModelConfig("unet", {"base": 2}), train)


def p95(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def show(title: str, figures: Figures, *, as_json: bool) -> None:
    """Print what a show found."""
    if as_json:
        print(json.dumps({"show": title, **figures}))
        return
    print(title)
    for name, value in figures.items():
        print(f"  {name:<44}{value:>12.3f}" if isinstance(value, float) else f"  {name:<44}{value!s:>12}")
