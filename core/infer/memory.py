"""Memory that a model frees is kept for its next layer, where the system's allocator would hand it back each time."""

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Of `mallopt` in glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Once for a process that segments pictures: planes of large windows lie on the heap, which does not shrink.

    glibc maps each block of 32 MB or more anew, and the kernel clears it page by page: a third of the time of a large
    window (docs/LOG.md). Gives whether the system took it; elsewhere than under glibc nothing changes.
    """
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            taken = library.mallopt(_MMAP_MAX, 0), library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
            return all(taken)
    return False
