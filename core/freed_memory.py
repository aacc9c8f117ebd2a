"""What a process that segments pictures does with memory that it has freed: kept for the next layer, then given back.

glibc maps each block of 32 MB or more anew, and the kernel clears it page by page: a third of the time of a large
window (docs/LOG.md). Elsewhere than under glibc nothing here changes anything.
"""

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Of `mallopt` in glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Once for a process, before it has threads: planes of large windows lie on one heap, which does not shrink.

    Heaps of threads hold no large block, so there is one heap for all.

    Returns:
        Whether the system took it.
    """
    library = _glibc()
    if library is None:
        return False
    wanted = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_ARENA_MAX, 1))
    taken = [library.mallopt(name, value) for name, value in wanted]
    return all(taken)


def give_back_freed_memory() -> None:
    """All whole pages that are free, to the system: for a server, which waits between pictures."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            return library
    return None
