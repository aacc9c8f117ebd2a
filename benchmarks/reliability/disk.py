"""A full disk in the middle of a save, a full disk under a whole run, and checkpoints with one changed bit."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from app.services import workers
from benchmarks.reliability.kit import Figures, open_store, pictures, scratch, tiny, wait_until
from benchmarks.reliability.service import children, worker
from core.config import TrainConfig
from core.errors import DiskFullError
from core.events import Event
from core.runs.store.records import RunState
from core.train.checkpointing import TrainState, load_state, read_verified, save_state
from core.train.schedule import build_optimiser

_MEGABYTE = 1_000_000


class Model:
    """A model with its optimiser, of about two megabytes when saved."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.model = nn.Linear(400, 400)
        self.optimiser = build_optimiser(self.model, TrainConfig())
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)
        self.model(torch.randn(2, 400)).sum().backward()
        self.optimiser.step()

    def save(self, folder: Path, step: int) -> None:
        parts = {"modules": {"model": self.model}, "optimiser": self.optimiser, "scaler": self.scaler}
        save_state(folder, progress=TrainState(step=step), best={}, **parts)  # type: ignore[arg-type]

    def load(self, folder: Path, said: list[Event]) -> int:
        """The step that was saved."""
        modules: dict[str, nn.Module] = {"model": self.model}
        found = load_state(folder, modules=modules, optimiser=self.optimiser, scaler=self.scaler, emit=said.append)
        assert found is not None
        return found[0].step


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes. Raises `PermissionError` where this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        raise PermissionError("a small disk can be mounted by root alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full(points: int = 10) -> Figures:
    """Saves that run out of space after so many tenths of their bytes; then there is space again."""
    figures: Figures = {"saves": points, "plain messages": 0, "one before is whole": 0, "saved with space again": 0}
    with scratch() as folder, small_disk(folder / "disk", 8 * _MEGABYTE) as disk:
        model, filler = Model(0), disk / "filler"
        model.save(disk / "last.ckpt", 1)
        size = (disk / "last.ckpt" / "state.safetensors").stat().st_size
        for point in range(points):
            _fill(filler, disk, leave=point * size // points)
            try:
                model.save(disk / "last.ckpt", 2)
            except DiskFullError as error:
                figures["plain messages"] += str(error).startswith("The disk is full: state.safetensors")
            said: list[Event] = []
            figures["one before is whole"] += Model(1).load(disk / "last.ckpt", said) == 1 and not said
            filler.unlink()
            model.save(disk / "last.ckpt", 3)
            figures["saved with space again"] += Model(1).load(disk / "last.ckpt", said) == 3
            model.save(disk / "last.ckpt", 1)
        figures["leftovers"] = len(list((disk / "last.ckpt").iterdir())) - 2
    return figures


def _fill(filler: Path, disk: Path, *, leave: int) -> None:
    """Take all space but `leave` bytes, to a page."""
    with filler.open("wb") as file:
        while True:
            free = os.statvfs(disk)
            wanted = free.f_bavail * free.f_frsize - leave
            if wanted < free.f_frsize:
                return
            with suppress(OSError):  # Somebody else took a part of it: look again.
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), wanted)


def full_run() -> Figures:
    """The whole home on a disk that fills up under a run: what a person reads, and whether it goes on by itself."""
    with scratch() as folder, small_disk(folder / "disk", 400 * _MEGABYTE) as disk:
        store = open_store(disk / "home")
        os.environ["TERRASTILL_HOME"] = str(store.home)
        run = store.add(tiny(pictures(folder / "pictures"), epochs=100)).id
        with worker(store.home, "--slots", "cpu=1") as process:
            wait_until(lambda: store.has_checkpoint(run), within=180, what="a checkpoint")
            _fill(disk / "filler", disk, leave=0)
            wait_until(lambda: not children(process), within=180, what="the run's process to end")
            time.sleep(3)
            plain, waiting, still = workers.worker_state().full, store.get(run), not children(process)
            (disk / "filler").unlink()
            began = time.monotonic()
            wait_until(lambda: bool(children(process)), within=180, what="the run to go on")
            went_on = time.monotonic() - began
            wait_until(lambda: store.get(run).state.final, within=400, what="the end")
            done = store.get(run)
    return {
        "the page says so": plain,
        "state": str(waiting.state),
        "waits while it is full": still,
        "goes on with space after, s": went_on,
        "attempts": done.attempt,
        "restarts": done.restarts,
        "done": done.state == RunState.DONE,
    }


def corrupt(offsets: int = 40) -> Figures:
    """One bit changed at random places of the newest checkpoint."""
    chance, figures = random.Random(0), {"offsets": offsets, "found": 0, "fell back and said so": 0}
    with scratch() as folder:
        model = Model(0)
        model.save(folder, 1)
        model.save(folder, 2)
        newest = folder / "state.safetensors"
        whole = newest.read_bytes()
        header = 8 + int.from_bytes(whole[:8], "little")
        for number in range(offsets):
            at = chance.randrange(header) if number % 2 else chance.randrange(header, len(whole))
            data = bytearray(whole)
            data[at] ^= 1 << chance.randrange(8)
            newest.write_bytes(data)
            figures["found"] += _is_refused(bytes(data))
            said: list[Event] = []
            figures["fell back and said so"] += Model(1).load(folder, said) == 1 and len(said) == 1
    return figures


def _is_refused(data: bytes) -> bool:
    try:
        read_verified(data)
    except (ValueError, KeyError, TypeError, SafetensorError):
        return True
    return False
