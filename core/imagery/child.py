"""The process that decodes the files of strangers: `python -m core.imagery.child`, for `core.imagery.confined_picture`.

It limits itself before it opens anything: memory, processor time, no file written, few files open, no core dump, and no
network where the kernel lets a process give that up. Then it answers questions, one JSON line each on stdin: the first
opens a file, the others ask for windows. An answer is a JSON line, for a window followed by its bytes: colours
(h, w, 3), then, where some pixels hold no data, a bit for each.
"""

import ctypes
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.errors import ImageError
from core.imagery.decode import open_here
from core.imagery.limits import Limits
from core.out_of_memory import DECODING, set_kill_priority

_MOST_FILES = 64
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET in Linux's sched.h."""


def confine(limits: Limits, *, written: int = 0) -> None:
    """Take away from this process what decoding does not need, where the system can do that.

    Args:
        limits: of memory.
        written: bytes that one file may have that it writes; 0: it writes none.
    """
    try:
        import resource
    except ImportError:
        # Windows has no such limits; the clock in the parent still holds.
        return
    wanted = {
        resource.RLIMIT_AS: _memory_now() + limits.memory,
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


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end. What goes wrong is an answer too: `{"error": the end of a sentence}`."""
    first = json.loads(questions.readline())
    limits = Limits(**first["limits"])
    # GDAL and its tables are loaded before memory is counted.
    if first["warm"]:
        from core.imagery.tiff_picture import CACHE_MB, GDAL_SETTINGS

        # For PROJ too, which reads no settings of rasterio's.
        os.environ.update({**GDAL_SETTINGS, "GDAL_CACHEMAX": str(CACHE_MB)})
    leave_network()
    confine(limits)
    allow_seconds(limits.seconds)
    try:
        bands = tuple(first["bands"]) if first["bands"] else None
        picture = open_here(Path(first["path"]), limits=limits, bands=bands)
        _answer(answers, {"info": json.loads(picture.info.to_json())})
        for line in questions:
            allow_seconds(limits.seconds)
            asked = json.loads(line)
            rgb, valid = picture.read(asked["y"], asked["x"], asked["height"], asked["width"])
            packed = b"" if valid is None else np.packbits(valid).tobytes()
            _answer(answers, {"valid": valid is not None}, np.ascontiguousarray(rgb).data, packed)
    except ImageError as error:
        _answer(answers, {"error": str(error)})
    except MemoryError:
        _answer(answers, {"error": out_of_memory(limits)})


def out_of_memory(limits: Limits) -> str:
    return f"needs more than {limits.memory // 1024**2:,} MB to be decoded: crop it, or save it as a tiled GeoTIFF."


def _answer(answers: BinaryIO, told: dict[str, Any], *parts: Any) -> None:
    answers.write(json.dumps(told).encode() + b"\n")
    for part in parts:
        answers.write(part)
    answers.flush()


def main() -> None:
    set_kill_priority(DECODING)
    # What a library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
