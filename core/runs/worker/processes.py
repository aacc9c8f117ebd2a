"""The processes that a worker starts and ends, the message for how one ended, and the slots of this machine."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

from core import paths
from core.errors import ConfigError
from core.out_of_memory import RUN_KILLED, RUN_LACKED, mentions_out_of_memory, too_large
from core.runs.store.records import QUICK_KINDS, RunKind

SPARE_BYTES = 200_000_000
"""With less disk than this no run is started: it could not save."""
DISK_FULL = "The disk is full: free some space, and the run goes on."
_NICE = 10
_CAUSES = (
    ("No space left on device", DISK_FULL),
    ("the disk is full", DISK_FULL),
)


class _Open(Protocol):
    """Anything with an open file."""

    def fileno(self) -> int: ...


class Process(Protocol):
    """The process of a run, on this machine or on another one."""

    def poll(self) -> int | None:
        """The exit code (negative: the number of a signal); None while it works."""

    def terminate(self) -> None:
        """Ask it to stop."""

    def kill(self) -> None:
        """End it at once, with all that it started."""

    def memory(self) -> int:
        """Main memory that it takes, in bytes; 0 where that is not known."""


class LocalProcess(subprocess.Popen[bytes]):
    """One of this machine, in a session of its own."""

    def kill(self) -> None:
        """End it with all that it started, at once."""
        if self.poll() is not None:
            return
        if os.name == "posix":
            os.killpg(self.pid, signal.SIGKILL)
        else:
            super().kill()
        self.wait()

    def memory(self) -> int:
        """Main memory that it has, in bytes."""
        return memory_bytes(self.pid)


def start(command: Sequence[str], output: _Open, *, hand_over: Sequence[int] = ()) -> LocalProcess:
    """Start a process that writes into `output`, and give it the open files in `hand_over`. Raises `OSError`.

    It has a session of its own: Ctrl-C reaches the worker alone, and a kill ends all that the run started.
    """
    return LocalProcess(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output.fileno(),
        stderr=subprocess.STDOUT,
        cwd=paths.ROOT,
        start_new_session=True,
        pass_fds=tuple(hand_over) if os.name == "posix" else (),
    )


def lower_priority() -> None:
    """Let this process and those it starts have the processors that nobody else wants (POSIX; elsewhere nothing).

    Linux shares out processors by sessions first (autogroups), and a run has a session of its own: without a lower
    priority of the session, a run that is nice takes as much as the app.
    """
    if os.name != "posix":
        return
    os.nice(_NICE)
    # Of a session that others share, only they may say so.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICE), encoding="ascii")


def exit_message(code: int, lines: Sequence[str], kind: RunKind = RunKind.TRAINING) -> str:
    """A sentence that says why a process ended, from its exit code and the last lines of its log.

    The log of a quick run is shown to nobody on a page, so nothing of it is quoted.
    """
    if kind in QUICK_KINDS:
        return _quick_message(code, lines, kind)
    text = "\n".join(lines)
    if mentions_out_of_memory(text):
        return RUN_LACKED
    for sign, sentence in _CAUSES:
        if sign.lower() in text.lower():
            return sentence
    if code == -signal.SIGKILL:
        return RUN_KILLED
    if code < 0:
        return f"The run's process ended with signal {-code}: its log may say why, then retry."
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"The run's process stopped with an error ({last or f'exit code {code}'}): its log has the whole of it."


def _quick_message(code: int, lines: Sequence[str], kind: RunKind) -> str:
    text = "\n".join(lines).lower()
    if code == -signal.SIGKILL or mentions_out_of_memory(text):
        return too_large(kind)
    if any(sign.lower() in text for sign, _ in _CAUSES):
        return "The disk is full: free some space, and try again."
    work = {
        RunKind.PREDICTION: "segments",
        RunKind.COMBINATION: "puts the results together",
        RunKind.BENCHMARK: "measures",
        RunKind.SEARCH: "leads the search",
        RunKind.PSEUDO_MASKS: "makes the masks",
    }[kind]
    return f"The process that {work} stopped unexpectedly; the server's log may say why."


def find_devices() -> list[str]:
    """The slots of this machine, best first, `cpu` always among them.

    A subprocess asks torch, and only where there may be a GPU: the worker stays small.
    """
    signs = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
    if sys.platform != "darwin" and not shutil.which("nvidia-smi") and not any(sign.exists() for sign in signs):
        return ["cpu"]
    question = "from core.device import available; print(*available())"
    try:
        answer = subprocess.run(
            [sys.executable, "-c", question], capture_output=True, text=True, timeout=120, cwd=paths.ROOT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ["cpu"]
    return answer.stdout.split() or ["cpu"]


def parse_slots(text: str, devices: Sequence[str]) -> list[str]:
    """`cuda:0=2,cpu=1` → `["cuda:0", "cuda:0", "cpu"]`, each slot one run at a time. Raises `ConfigError`."""
    slots: list[str] = []
    for part in text.split(","):
        device, _, number = (piece.strip() for piece in part.partition("="))
        if device not in devices:
            raise ConfigError(f"There is no device {device or part!r} here: name slots of {', '.join(devices)}.")
        if not (number or "1").isdecimal() or int(number or 1) > 64:
            raise ConfigError(f"{part.strip()} is no number of slots: write {device}=1, with 0 to 64.")
        slots += [device] * int(number or 1)
    if not slots:
        raise ConfigError("A worker without slots does nothing: write cpu=1, for example.")
    return slots


def format_slots(slots: Sequence[str]) -> str:
    """`["cuda:0", "cuda:0", "cpu"]` → `cuda:0=2,cpu`, for people and for the list of workers."""
    return ",".join(name if (n := slots.count(name)) == 1 else f"{name}={n}" for name in dict.fromkeys(slots))


def count_slots(text: str) -> int:
    """How many runs may go on at once, from what `format_slots` gave."""
    return sum(int(part.partition("=")[2] or 1) for part in text.split(",") if part)


def memory_bytes(pid: int) -> int:
    """Main memory that a process has; 0 where the system does not report it."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
