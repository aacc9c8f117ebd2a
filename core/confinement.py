"""Processes that read what strangers brought: what they are started with, what they give up, and how they answer.

`start` is for the process that asks, the rest for the confined one. It limits itself before it opens anything: memory,
processor time, no file written, few files open, no core dump, and no network where the kernel lets a process give that
up.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from core import paths
from core.out_of_memory import DECODING, set_kill_priority

_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")
_MOST_FILES = 64
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET in Linux's sched.h."""


def confine(memory: int, *, written: int = 0) -> None:
    """Take away from this process what it does not need, where the system can do that.

    Args:
        memory: Bytes that it may take on top of what it takes now.
        written: Bytes that one file may have that it writes; 0: it writes none.
    """
    try:
        import resource
    except ImportError:
        # Windows has no such limits; the clock in the parent still holds.
        return
    wanted = {
        resource.RLIMIT_AS: _memory_now() + memory,
        resource.RLIMIT_FSIZE: written,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _MOST_FILES,
    }
    for name, value in wanted.items():
        # macOS refuses some of them.
        with suppress(ValueError, OSError):
            resource.setrlimit(name, (value, value))


def leave_network() -> bool:
    """Move this process into a network of its own that reaches nothing, not even this machine; whether that worked.

    Linux lets root do so, and others where they may have a user namespace; elsewhere nothing changes.
    """
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        # A user namespace of its own only where there is no other way: in it, root is nobody to other people's files.
        return any(library.unshare(flags) == 0 for flags in (_NEW_NETWORK, _NEW_NETWORK | _NEW_USER))
    return False


def allow_seconds(seconds: int) -> None:
    """Let this process compute for so long from now on; then the system ends it."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def _memory_now() -> int:
    """Bytes of address space that this process takes."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 512 * 1024**2


def start(
    module: str, *arguments: str, variables: Mapping[str, str] | None = None, answers: bool = True, threads: int = 1
) -> "subprocess.Popen[bytes]":
    """Start `python -m module`, with none of the environment's secrets, and its messages thrown away.

    Args:
        module: Below `core`.
        *arguments: Of its command line.
        variables: More of its environment.
        answers: Whether it answers on its standard output, which is thrown away otherwise.
        threads: Of OpenMP.
    """
    environment = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    environment |= {"OMP_NUM_THREADS": f"{threads}", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=paths.ROOT,
        env={**environment, **(variables or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def answer(answers: BinaryIO, told: dict[str, Any], *parts: Any) -> None:
    """A line of JSON, then the bytes of each part: anything with a buffer."""
    answers.write(json.dumps(told).encode() + b"\n")
    for part in parts:
        answers.write(part)
    answers.flush()


def run(serve: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Serve the questions of standard input; the system ends this process first where memory runs out."""
    set_kill_priority(DECODING)
    # What a library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, answers)
