"""A process that waits for the next prediction with everything imported, so that a visitor does not wait for that.

Importing torch takes seconds, often longer than segmenting a photo. The page says when a prediction is to be expected
(`expect_prediction`: a visitor has brought pictures); then the worker keeps one such process, and ends it when nobody
came back for `EXPECTED_SECONDS`. It holds some 300 MB meanwhile.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from core import paths
from core.runs.store.records import RunRecord
from core.runs.worker.processes import LocalProcess

EXPECTED_SECONDS = 600.0
_EXPECTED = ".expected"


def expect_prediction(home: Path) -> None:
    """Say on this machine's disk that a prediction will probably be queued soon. Only a hint."""
    with suppress(OSError):
        (home / _EXPECTED).write_bytes(b"")


def is_expected(home: Path, *, now: Callable[[], float] = time.time) -> bool:
    """Whether `expect_prediction` was called in the last `EXPECTED_SECONDS`. `now`: Unix seconds."""
    try:
        return 0 <= now() - (home / _EXPECTED).stat().st_mtime + 1 <= EXPECTED_SECONDS
    except OSError:
        return False


class Standby:
    """At most one waiting process, started by `command`; empty: there is never one."""

    def __init__(self, home: Path, command: Sequence[str] = ()) -> None:
        self._home, self._command = home, command
        self._process: LocalProcess | None = None

    def keep(self, *, busy: bool) -> None:
        """Start or end it as is expected now. `busy`: a prediction is under way, and should have the processors."""
        expected = is_expected(self._home)
        if self._process is not None and (self._process.poll() is not None or not expected):
            self.end()
        if self._process is None and self._command and expected and not busy:
            with suppress(OSError):
                self._process = LocalProcess(
                    self._command, stdin=subprocess.PIPE, cwd=paths.ROOT, start_new_session=True
                )

    def take(self, record: RunRecord) -> LocalProcess | None:
        """Let it carry out a claimed run; None where there is none, or it is no longer there."""
        process = self._process
        if process is None or process.stdin is None:
            return None
        try:
            process.stdin.write(f"{record.id} {record.worker} {record.attempt}\n".encode())
            process.stdin.close()
        except OSError:
            self.end()
            return None
        if process.poll() is not None:
            self.end()
            return None
        self._process = None
        return process

    def memory(self) -> int:
        """Main memory that it has, in bytes."""
        return 0 if self._process is None else self._process.memory()

    def end(self) -> None:
        """End it, if it is there."""
        if self._process is not None:
            self._process.kill()
            if self._process.stdin is not None:
                with suppress(OSError):
                    self._process.stdin.close()
            self._process = None


def wait_for_run() -> tuple[str, str, int] | None:
    """In the waiting process: the id, worker and attempt of its run; None when the worker no longer needs it."""
    words = sys.stdin.readline().split()
    return (words[0], words[1], int(words[2])) if len(words) == 3 else None


def write_into(log: Path) -> None:
    """From now on all that this process prints is added to the log of its run. Raises `OSError`."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
