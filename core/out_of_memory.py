"""The one policy for a machine or a device that runs out of memory: who is ended first, how it is found, what follows.

1. **Before.** A subprocess raises its own kill priority (`set_kill_priority`), so that the kernel ends one that can be
   started again, and neither the server nor the worker.
2. **Detection.** An exception in this process: `is_out_of_memory`. A subprocess that ended: `ExitWatch`, by its exit
   code, its log and the kernel's count of such kills; a confined one: `ended_at_limit`.
3. **What follows for a run.** `plan_retry`: once more with the batch in at least twice as many parts, then failed.
   `RunStore.reduce_batch` alone carries it out. The training process, the worker, the worker of a cluster, and the
   first device of several (`MemoryRanOutError`) only report.
4. **What follows for anything else.** `out_of_memory_as` turns it into the error of what was being done, whose sentence
   is one of `lacking`: a picture that is refused, labels that do not fit, an import or a brought model that fails.
"""

import errno
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.errors import DeviceError, MemoryRanOutError, TerrastillError

if TYPE_CHECKING:
    # Only named here: the process that decodes a picture imports this module, and must start quickly.
    from core.config import RunConfig

DECODING, PREDICTING, TRAINING = 1000, 900, 600
"""Kill priorities: thousandths of the machine's memory, added to what a process takes (Linux alone).

The kernel ends the largest. The server and the worker stay at 0, because others wait for what they hold.
"""
OUT_OF_MEMORY_EXIT = 1000 + signal.SIGKILL
"""The exit code reported for a process of another machine that its kernel, or Ray, ended because memory ran out."""
_MESSAGES = (
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
"""What torch, CUDA, numpy, C++, Ray and the system write, in small letters."""
Work = Literal[
    "picture", "decoding", "labels", "segmenting", "masking", "import", "brought model", "brought process", "device"
]
_QUICK: dict[str, tuple[str, str]] = {
    "prediction": ("segmented", "choose smaller pictures or fewer outputs, and try again."),
    "combination": ("put together", "choose fewer or smaller pictures, and try again."),
    "benchmark": ("measured", "choose smaller pictures, smaller batches or fewer models, and measure again."),
    "search": ("searched", "free some memory, and continue: nothing of the search is lost."),
    "pseudo-masks": ("segmented", "cut the largest pictures into parts, or leave them out, and try again."),
}
_LACKING: dict[Work, str] = {
    "picture": "needs more memory than there is: crop it.",
    "decoding": "needs more than {megabytes:,} MB to be decoded: crop it, or save it as a tiled GeoTIFF.",
    "labels": "they need more memory than there is",
    "segmenting": "{name} could not be segmented: it needs more memory than there is. Use smaller tiles, or cut it "
    "into parts.",
    "masking": "{name} needs more memory than there is: leave it out, or cut it into parts.",
    "import": "This needs more memory than an import may take{during}: bring fewer or smaller pictures at a time.",
    "brought model": "The model needs more memory than it may take here: bring a smaller one.",
    "brought process": "The model made its process stop, or needs more memory than it may take here: export it anew, "
    "or bring a smaller one.",
    "device": "The memory of {name} is full: use smaller tiles, a smaller batch or the CPU.",
}
RUN_LACKED = "Memory ran out: choose a smaller batch size, a smaller crop or a smaller student, then retry."
RUN_KILLED = "The run's process was killed. If nobody did it, memory ran out: choose a smaller batch size or crop."
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
_COUNTERS = (
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),
    Path("/proc/vmstat"),
)


def set_kill_priority(priority: int) -> None:
    """Raise the kill priority of this process, and of all that it starts from now on. It is never lowered."""
    with suppress(OSError):
        file = Path("/proc/self/oom_score_adj")
        if int(file.read_text(encoding="ascii")) < priority:
            file.write_text(str(priority), encoding="ascii")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception means that memory ran out, of the device or of the machine."""
    if isinstance(error, MemoryError | MemoryRanOutError):
        return True
    if isinstance(error, DeviceError):
        return is_out_of_memory(error.__cause__)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, TerrastillError):
        return False
    if type(error).__name__ == "CPLE_OutOfMemoryError":
        # GDAL's own, which is no class of Python's and is not imported here.
        return True
    return isinstance(error, RuntimeError) and mentions_out_of_memory(str(error))


def raise_as_memory_error(error: BaseException, message: str) -> None:
    """Raise `MemoryError` where a library's own error means that memory ran out; else do nothing."""
    if is_out_of_memory(error):
        raise MemoryError(message) from error


@contextmanager
def out_of_memory_as(error: TerrastillError) -> Iterator[None]:
    """Within it, a lack of memory becomes `error`; every other exception passes, one of ours too.

    Args:
        error: Of what is being done, with a sentence that says what to do (`lacking`).
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as reason:
        if not is_out_of_memory(reason):
            raise
        raise error from reason


def lacking(work: Work, *, name: object = "", during: str = "", memory: int = 0) -> str:
    """The sentence for what could not be done because memory ran out.

    Args:
        work: What was being done. Sentences on a `picture`, on `decoding` and on `labels` lack their beginning, which
            the caller knows.
        name: Of the picture, or of the device.
        during: Where an import was, in brackets, after a space.
        memory: Bytes that the decoder may take.
    """
    return _LACKING[work].format(name=name, during=during, megabytes=memory // 1024**2)


def mentions_out_of_memory(text: str) -> bool:
    """Whether a message, or the end of a log, reports that memory ran out."""
    return any(message in text.lower() for message in _MESSAGES)


def device_full(device: object) -> DeviceError:
    """The error for a prediction that does not fit into the memory of a device."""
    return DeviceError(lacking("device", name=device))


def ended_at_limit(code: int | None) -> bool:
    """Whether a confined process ended as its limit on memory ends it: killed, or aborted by a library."""
    return code in (-signal.SIGKILL, -signal.SIGABRT)


def count_kernel_kills(counters: Sequence[Path] = _COUNTERS) -> int:
    """How many processes the kernel has killed because memory ran out since it started; 0 where it does not count."""
    most = 0
    for path in counters:
        with suppress(OSError, ValueError):
            pairs = (line.split() for line in path.read_text(encoding="ascii").splitlines())
            most = max([most, *(int(pair[1]) for pair in pairs if pair[:1] == ["oom_kill"])])
    return most


class ExitWatch:
    """Finds whether a subprocess ended because memory ran out. Make one just before the subprocess starts.

    Args:
        kernel_kills: Gives the kernel's count of such kills. A SIGKILL while it stands still came from a person or
            from a program.
    """

    def __init__(self, kernel_kills: Callable[[], int] = count_kernel_kills) -> None:
        self._kernel_kills = kernel_kills
        self._at_start = kernel_kills()

    def ended_out_of_memory(self, code: int, lines: Sequence[str] = ()) -> bool:
        """Whether memory ran out.

        Args:
            code: The exit code; negative, or above 128, for a signal.
            lines: The last lines of the subprocess's log.
        """
        if code == OUT_OF_MEMORY_EXIT:
            return True
        killed = code in _KILLED and self._kernel_kills() > self._at_start
        return killed or (code != 0 and mentions_out_of_memory("\n".join(lines)))


def too_large(kind: str) -> str:
    """The message for a quick run (a value of `RunKind`) that ran out of memory: it is not tried again."""
    work, advice = _QUICK[kind]
    return f"Memory ran out while this was {work}: {advice}"


def plan_retry(config: "RunConfig", device: str, reductions: int) -> tuple["RunConfig | None", str]:
    """What follows for a run that ran out of memory.

    Args:
        config: The settings with which it ran out.
        device: Where that was, for the message.
        reductions: How often its batch has been reduced before.

    Returns:
        The settings for another attempt, or None when the run fails; and the message,
        `Ran out of memory at batch 16 on cuda:0; try 8.`
    """
    smaller = reduce_batch(config)
    advice = f"try {smaller.train.images_at_once}." if smaller else "try a smaller crop or a smaller student."
    message = f"Ran out of memory at batch {config.train.images_at_once} on {device}; {advice}"
    return None if reductions else smaller, message


def reduce_batch(config: "RunConfig") -> "RunConfig | None":
    """The same batch in at least twice as many parts, so that it learns the same; None for one image at a time.

    Only batch normalisation differs: its statistics are those of a part.
    """
    train = config.train
    wanted = 2 * train.accumulate
    parts = next((n for n in range(wanted, train.batch_size + 1) if train.batch_size % n == 0), None)
    return None if parts is None else replace(config, train=replace(train, accumulate=parts))
