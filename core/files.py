"""Files written in one piece: a reader finds the old file or the new one, never half of either.

A run that lost its claim must write nothing more, even if it wakes in the middle of a write. So what a run writes is
prepared in a *stage*, a folder of its attempt inside the run's folder, and comes out of it by one rename: who removes
the stage takes the right to write with it, and the rename of a late process finds nothing (`staged`).
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiskFullError, FencedError, NoRoomError

_stages: dict[Path, Path] = {}
"""By folder: where its files are prepared. One process does one run, so this is said once a process."""


@contextmanager
def staged(folder: Path, stage: Path) -> Iterator[None]:
    """Within it every file below `folder` is prepared in `stage`, a folder on the same disk."""
    _stages[folder] = stage
    try:
        yield
    finally:
        del _stages[folder]


def stage_of(path: Path) -> Path | None:
    """Where the file at `path` is prepared when that is not beside it."""
    return next((stage for folder, stage in _stages.items() if folder in path.parents), None)


def require_stage(path: Path) -> None:
    """Raises `FencedError` when the stage of `path` is gone: another attempt has the run."""
    stage = stage_of(path)
    if stage is not None and not stage.is_dir():
        raise FencedError(f"{path.parent} belongs to another attempt at this run now: nothing more is written there.")


def write_aside(
    path: Path,
    write: Callable[[Path], object],
    *,
    check: Callable[[Path], object] | None = None,
    keep: Path | None = None,
) -> None:
    """Let `write` fill a file aside, bring it to the disk, and rename it into place.

    `check` reads the file back and raises when it is not what it should be; `keep` is where the file that was at `path`
    stays. Raises `DiskFullError`, and `FencedError` when another attempt has taken the folder over. What else `write`
    and `check` raise goes on to the caller; the half file is removed, and the old one stands.
    """
    with speaking_plainly(path):
        partial = aside(path)
        try:
            write(partial)
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            # safetensors makes files that only their owner may read.
            partial.chmod(0o644)
            if check is not None:
                check(partial)
            if keep is not None and path.exists():
                _link(path, keep)
            partial.replace(path)
            sync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove a file or a folder, where it has a stage by one rename into that, so that no late process removes it."""
    if not path.exists():
        return
    with speaking_plainly(path):
        doomed = aside(path, ending="gone")
        path.replace(doomed)
    if doomed.is_dir():
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        doomed.unlink(missing_ok=True)


@contextmanager
def speaking_plainly(path: Path) -> Iterator[None]:
    """Give two failures that are nobody's mistake their own errors: the disk is full, the run has another holder."""
    try:
        yield
    except FileNotFoundError:
        require_stage(path)
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"The disk is full: {path.name} could not be written in {path.parent}. Free some space, or delete old "
                "runs."
            ) from error
        raise


def require_room(folder: Path, needed: int) -> None:
    """Raises `NoRoomError` where the disk of a folder has fewer free bytes than are needed."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoRoomError(
            f"The dataset takes about {size_text(needed)} of disk, and {size_text(free)} are free: free some space, or "
            "bring fewer pictures."
        )


def aside(path: Path, *, ending: str = "part") -> Path:
    """Where a file for `path` is prepared: in its stage, or hidden beside it. Makes the folder that `path` lies in."""
    stage, name = stage_of(path), f".{path.name}.{os.getpid()}.{ending}"
    if stage is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(name)
    if not path.parent.is_dir():
        # A folder comes out of the stage like a file, or a late process could make it again.
        made = stage / f"{name}.folder"
        made.mkdir(exist_ok=True)
        made.replace(path.parent)
    return stage / name


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk: without it a renamed file may be gone after a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(path: Path, keep: Path) -> None:
    """Give the file at `path` the second name `keep`, so that it is at no moment without one."""
    second = aside(keep)
    second.unlink(missing_ok=True)
    try:
        second.hardlink_to(path)
    except (NotImplementedError, PermissionError):
        # Some file systems know no second names.
        shutil.copyfile(path, second)
    second.replace(keep)


def size_text(count: float) -> str:
    """How many bytes, for people: `640 bytes`, `12.4 KB`, `3.1 MB`, `1.24 GB`; a KB has 1,000 bytes.

    Args:
        count: Bytes, 0 or more.

    Returns:
        Three digits and the unit that makes them a number from 1 to 999.
    """
    if count < 1000:
        return f"{count:.0f} byte{'' if round(count) == 1 else 's'}"
    for unit in ("KB", "MB", "GB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.3g} {unit}"
    return f"{count / 1000:,.3g} TB"
