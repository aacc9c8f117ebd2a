"""The processes that share a run with this one, a device each: they are started, watched, and ended with it.

They are started here, or by torchrun. Either way the first process (rank 0) leads: it alone uses the run store.
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
from core.out_of_memory import ExitWatch
from core.runs.store.run_files import last_lines
from core.runs.worker.processes import exit_message
from core.train.distributed import ALONE, Group, join, meet, open_store, part, started_by_torchrun

_HOST = "127.0.0.1"
_START_SECONDS = 300.0
_EXIT_SECONDS = 10.0


@contextmanager
def gathered(devices: int, log: Path, *, stop: Callable[[], None]) -> Iterator[Group]:
    """The process group of this run, for as long as it lasts. What its members print is added to `log`.

    `stop` is called while their start is waited for, and may raise. Raises `ConfigError` when torchrun started another
    number of processes, and `RunError` when a member ends before the run does.
    """
    if started_by_torchrun():
        group = join()
        if group.size != devices:
            raise ConfigError(f"torchrun started {group.size} processes: give the run --devices {group.size}.")
        yield group
    elif devices == 1:
        yield ALONE
    else:
        members = _MemberProcesses(devices, log)
        try:
            yield members.start(stop)
            members.finish()
        except RuntimeError as error:
            members.explain(error)
            raise
        finally:
            members.kill()


class _MemberProcesses:
    """The processes of the other devices, ranks 1 and up."""

    def __init__(self, devices: int, log: Path) -> None:
        self._log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._store = open_store(_HOST)
        self._size = devices
        self._processes: list[subprocess.Popen[bytes]] = []
        self._threads = torch.get_num_threads()
        self._watch = ExitWatch()
        self.group = ALONE

    def start(self, stop: Callable[[], None]) -> Group:
        """Start them, and wait until all are ready. Raises `RunError` when one ends before that."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._processes = [self._start(rank, output.fileno()) for rank in range(1, self._size)]
        given_up_at = time.monotonic() + _START_SECONDS
        while not all(self._store.check([ready_key(rank)]) for rank in range(1, self._size)):
            stop()
            self._raise_if_ended()
            if time.monotonic() > given_up_at:
                raise RunError("The processes of the other devices did not start in time: retry when less runs here.")
            time.sleep(0.05)
        self.group = meet(self._store, rank=0, size=self._size)
        torch.set_num_threads(max(1, self._threads // self._size))
        return self.group

    def _start(self, rank: int, output: int) -> subprocess.Popen[bytes]:
        """In the session of this process, so that killing the session of the run ends it too."""
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self._size}
        address = {"MASTER_ADDR": _HOST, "MASTER_PORT": self._store.port}
        threads = {"OMP_NUM_THREADS": max(1, self._threads // self._size)}
        return subprocess.Popen(
            [sys.executable, "-m", "core.runs.devices.member"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=paths.ROOT,
            env=os.environ | {name: str(value) for name, value in (ranks | address | threads).items()},
        )

    def finish(self) -> None:
        """The run is over: ask them to exit, and wait a while."""
        self.group.broadcast_text("")
        for process in self._processes:
            self._wait(process, _EXIT_SECONDS)

    def explain(self, error: RuntimeError) -> None:
        """Raise `RunError` where a broken connection means that a member ended; otherwise do nothing."""
        until = time.monotonic() + _EXIT_SECONDS
        while isinstance(error, distributed.DistError) or "onnection" in str(error):
            self._raise_if_ended(error)
            if time.monotonic() > until:
                return
            time.sleep(0.05)

    def _raise_if_ended(self, error: RuntimeError | None = None) -> None:
        for number, process in enumerate(self._processes, start=2):
            if (code := process.poll()) is not None:
                lines = last_lines(self._log, start=self._log_start)
                message = f"On device {number} of {self._size}: {exit_message(code, lines)}"
                if self._watch.ended_out_of_memory(code, lines):
                    raise MemoryRanOutError(message) from error
                raise RunError(message) from error

    def kill(self) -> None:
        """Kill those that are still there, and leave the group."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        torch.set_num_threads(self._threads)
        part()

    @staticmethod
    def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def ready_key(rank: int) -> str:
    """The key that a member sets once it is ready."""
    return f"member {rank} is ready"
