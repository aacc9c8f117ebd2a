"""One worker on a machine, whoever starts it: a file lock that the system releases when its holder ends.

The app takes the lock before it starts the worker, and passes it to that process. So one process is started, however
many tabs, servers and command lines want a worker at the same moment. No clock and no process number matters. On
Windows the list of workers alone decides.
"""

import os
import platform
import sys
import time
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def path_of(home: Path, host: str = platform.node() or "localhost") -> Path:
    """The lock of this machine's worker; machines that share a folder have one each."""
    return home / f".worker-{host}.lock"


def acquire(path: Path, *, patience: float = 0.0) -> int | None:
    """The open lock, or None when another process has it. It is held until every copy of the number is closed."""
    home = path.parent
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + patience
    while sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            os.close(descriptor)
            return None
        break
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a worker has the lock, or is about to be started with it."""
    if sys.platform == "win32" or not path.exists():
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
