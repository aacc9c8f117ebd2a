"""The processes that share a run with this one, a device each: started, waited for, watched, and ended with it.

They are started here, or by torchrun. Either way the first process leads: it alone knows of the store and the person.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import distributed

from core import paths
from core.errors import ConfigError, MemoryRanOutError, RunError
from core.runs.out_of_memory import count_kernel_kills, ended_short
from core.runs.store.run_files import last_lines
from core.runs.worker.processes import obituary
from core.train.distributed import ALONE, Group, join, meet, open_store, part, started_by_torchrun

_HOST = "127.0.0.1"
_ARRIVAL_SECONDS = 300.0
_LAST_WORDS_SECONDS = 10.0


@contextmanager
def gathered(devices: int, log: Path, *, stop: Callable[[], None]) -> Iterator[Group]:
    """The group of this run, for as long as it lasts. What followers print goes to `log`.

    `stop` is asked while they are waited for, and may raise. Raises `ConfigError` when torchrun started another number
    of processes, and `RunError` when a follower ends before the run does.
    """
    if started_by_torchrun():
        group = join()
        if group.size != devices:
            raise ConfigError(f"torchrun started {group.size} processes: give the run --devices {group.size}.")
        yield group
    elif devices == 1:
        yield ALONE
    else:
        crew = _Crew(devices, log)
        try:
            yield crew.gather(stop)
            crew.dismiss()
        except RuntimeError as error:
            crew.explain(error)
            raise
        finally:
            crew.end()


class _Crew:
    """The followers of this process."""

    def __init__(self, devices: int, log: Path) -> None:
        self._log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._store = open_store(_HOST)
        self._size = devices
        self._processes: list[subprocess.Popen[bytes]] = []
        self._threads = torch.get_num_threads()
        self._kernel_kills = count_kernel_kills()
        self.group = ALONE

    def gather(self, stop: Callable[[], None]) -> Group:
        """Start them, and wait until all are there: one that ends on its way must not be waited for."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._processes = [self._start(rank, output.fileno()) for rank in range(1, self._size)]
        given_up_at = time.monotonic() + _ARRIVAL_SECONDS
        while not all(self._store.check([arrival(rank)]) for rank in range(1, self._size)):
            stop()
            self._raise_if_dead()
            if time.monotonic() > given_up_at:
                raise RunError("The processes of the other devices did not start in time: retry when less runs here.")
            time.sleep(0.05)
        self.group = meet(self._store, rank=0, size=self._size)
        torch.set_num_threads(max(1, self._threads // self._size))
        return self.group

    def _start(self, rank: int, output: int) -> subprocess.Popen[bytes]:
        """In the session of this process: what kills all that the run started must reach it too."""
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self._size}
        address = {"MASTER_ADDR": _HOST, "MASTER_PORT": self._store.port}
        threads = {"OMP_NUM_THREADS": max(1, self._threads // self._size)}
        return subprocess.Popen(
            [sys.executable, "-m", "core.runs.devices.member"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=paths.ROOT,
            env=os.environ | {name: str(value) for name, value in (place | address | threads).items()},
        )

    def dismiss(self) -> None:
        """The run is over: they may go, and mostly do so at once."""
        self.group.broadcast_text("")
        for process in self._processes:
            self._left(process, _LAST_WORDS_SECONDS)

    def explain(self, error: RuntimeError) -> None:
        """A connection that broke because a process ended is told as that. Raises `RunError`, or does nothing."""
        until = time.monotonic() + _LAST_WORDS_SECONDS
        while isinstance(error, distributed.DistError) or "onnection" in str(error):
            self._raise_if_dead(error)
            if time.monotonic() > until:
                return
            time.sleep(0.05)

    def _raise_if_dead(self, error: RuntimeError | None = None) -> None:
        for number, process in enumerate(self._processes, start=2):
            if (code := process.poll()) is not None:
                lines = last_lines(self._log, start=self._log_start)
                words = f"On device {number} of {self._size}: {obituary(code, lines)}"
                if ended_short(code, lines, kernel_kills=count_kernel_kills() - self._kernel_kills):
                    raise MemoryRanOutError(words) from error
                raise RunError(words) from error

    def end(self) -> None:
        """Nobody is left behind, whatever happened."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        torch.set_num_threads(self._threads)
        part()

    @staticmethod
    def _left(process: subprocess.Popen[bytes], seconds: float) -> bool:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def arrival(rank: int) -> str:
    """The key under which a follower says that it is there."""
    return f"follower {rank} is here"
