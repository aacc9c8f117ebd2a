"""Writing, reading and removing the files of a run folder, so that a reader never sees half a file."""

import shutil
from pathlib import Path

from core.errors import StoreError
from core.files import write_aside


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file aside and rename it into place: readers see the old bytes or the new ones, never a mixture."""
    write_aside(path, lambda aside: aside.write_bytes(data))


def append_line(path: Path, line: str) -> None:
    """Add one line with one write, so that two processes appending to the same log do not mix their lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(line.replace("\n", " ").encode() + b"\n")


def last_lines(path: Path, count: int = 40, *, start: int = 0) -> list[str]:
    """The last lines of a log after byte `start`, oldest first; none without such a file. Reads 64 KiB at most."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(start, path.stat().st_size - 65_536))
        text = file.read().decode(errors="replace")
    return text.splitlines()[-count:]


def remove_folder(folder: Path) -> None:
    """Remove a folder with all in it. A link is removed itself and never followed. Raises `StoreError`."""
    try:
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be removed ({error.strerror}): close what uses it, then remove it by hand."
        ) from error
