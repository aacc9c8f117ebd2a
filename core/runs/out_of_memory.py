"""Out of memory: how it is known, said and helped. One policy, whoever reports it.

Four may report it: the training process, by an exception (`ran_out`); whoever watches a process of the run that ended,
by its log or because the kernel killed it (`ended_short`): the worker, here or on Ray, and the first device of several
for the processes of the others (`MemoryRanOutError`). All of them call `RunStore.narrow`, which alone decides.
"""

import errno
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from core.config import RunConfig
from core.errors import DeviceError, MemoryRanOutError, TerrastillError

_SIGNS = (
    "out of memory",
    "outofmemory",
    "memoryerror",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "low on memory",
    "unable to allocate",
    "bad_alloc",
    "status_alloc_failed",
)
"""What torch, CUDA, numpy, C++ and the system write, in small letters."""
KILLED_SHORT = 1000 + signal.SIGKILL
"""The exit code that is told of a process which the kernel of another machine killed for want of memory."""
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
_COUNTERS = (
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),
    Path("/proc/vmstat"),
)


def ran_out(error: BaseException | None) -> bool:
    """Whether this exception means that memory was missing, of the device or of the machine."""
    if isinstance(error, MemoryError | MemoryRanOutError):
        return True
    if isinstance(error, DeviceError):
        # A device whose memory is full, in our words: the cause tells.
        return ran_out(error.__cause__)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and not isinstance(error, TerrastillError) and tells(str(error))


def ended_short(code: int, lines: Sequence[str], *, kernel_kills: int) -> bool:
    """Whether a process ended for want of memory.

    Args:
        code: its exit code; negative or above 128: the number of a signal.
        lines: the last lines of its log.
        kernel_kills: how many processes the kernel killed for want of memory while it lived (`count_kernel_kills`).
            A SIGKILL without any came from a person or a program.
    """
    return code == KILLED_SHORT or (code != 0 and ((code in _KILLED and kernel_kills > 0) or tells("\n".join(lines))))


def count_kernel_kills(counters: Sequence[Path] = _COUNTERS) -> int:
    """How many processes the kernel has killed for want of memory since it started; 0 where it does not tell."""
    most = 0
    for path in counters:
        with suppress(OSError, ValueError):
            pairs = (line.split() for line in path.read_text(encoding="ascii").splitlines())
            most = max([most, *(int(pair[1]) for pair in pairs if pair[:1] == ["oom_kill"])])
    return most


def tells(text: str) -> bool:
    """Whether a text of torch, CUDA, numpy, C++, Ray or the system speaks of missing memory."""
    return any(sign in text.lower() for sign in _SIGNS)


def at_once(config: RunConfig) -> int:
    """How many pictures of a batch are on the device at the same time."""
    return config.train.batch_size // config.train.accumulate


def narrower(config: RunConfig) -> RunConfig | None:
    """The same batch in at least twice as many parts, so that it learns the same; None when it is one picture already.

    Only batch normalisation sees a difference: its statistics are of a part.
    """
    train = config.train
    wanted = 2 * train.accumulate
    parts = next((n for n in range(wanted, train.batch_size + 1) if train.batch_size % n == 0), None)
    return None if parts is None else replace(config, train=replace(train, accumulate=parts))


def once_more(config: RunConfig, narrowed: int) -> RunConfig | None:
    """The settings with which a run that lacked memory is tried again; None where it has failed.

    Args:
        config: the settings with which it lacked memory.
        narrowed: how often its batch has been cut before.
    """
    return None if narrowed else narrower(config)


def shortage(config: RunConfig, device: str) -> str:
    """`Ran out of memory at batch 16 on cuda:0; try 8.`"""
    smaller = narrower(config)
    advice = f"try {at_once(smaller)}." if smaller else "try a smaller crop or a smaller student."
    return f"Ran out of memory at batch {at_once(config)} on {device}; {advice}"
