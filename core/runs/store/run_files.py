"""Writing, reading and removing the files of a run folder, so that a reader never sees half a file."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.errors import DiskFullError, StoreError
from core.files import require_stage, speaking_plainly, write_aside

APPENDED = ("events.jsonl", "log.txt")
"""The files of a run folder that grow line by line; all others are written whole."""


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file aside and rename it into place: readers see the old bytes or the new ones, never a mixture."""
    write_aside(path, lambda aside: aside.write_bytes(data))


def make_run_folder(home: Path, config: str, now: float, token: Callable[[], str]) -> str:
    """Make the folder of a new run, with its `config.json`, and give its id.

    Making it fails when the id is taken, so two processes never share one.

    Args:
        home: The folder of all runs.
        config: The settings as JSON.
        now: Unix seconds, for the id.
        token: Gives the end of an id; asked again when the id is taken.

    Raises:
        DiskFullError: Nothing is left behind.
        StoreError: The folder cannot be written to.
    """
    while True:
        run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{token()}"
        try:
            (home / run_id).mkdir()
            atomic_write(home / run_id / "config.json", config.encode())
        except FileExistsError:
            continue
        except DiskFullError:
            remove_folder(home / run_id)
            raise
        except OSError as error:
            reason = f"No run can be kept in {home} ({error.strerror})"
            raise StoreError(f"{reason}: free some space, or set TERRASTILL_HOME to another folder.") from error
        return run_id


PROGRESS_FILE = "progress.json"
"""How far a quick run is, in the run's folder: `done`, `total`, `doing`, and the `seconds` since that began."""
REPORT_FILE = "report.json"
"""What came of each picture of a prediction that is finished, in the run's folder."""
_ANNOUNCED = ".announced"


def announce_job(home: Path) -> None:
    """Say on this machine's disk that a quick run was queued, so that its worker does not sleep on. Only a hint."""
    with suppress(OSError):
        (home / _ANNOUNCED).write_bytes(b"")


def last_announced(home: Path) -> int:
    """When `announce_job` was last called, in nanoseconds of the disk's clock; 0 where it never was."""
    try:
        return (home / _ANNOUNCED).stat().st_mtime_ns
    except OSError:
        return 0


class LineWriter:
    """Adds lines to one file, each with one write, so that two processes adding to the same log do not mix their lines.

    It holds the file open: when a later attempt puts a copy in the file's place, nobody reads the lines of this one.
    Raises `FencedError` when that has happened before it was opened, and `DiskFullError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        with speaking_plainly(path):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        require_stage(path)

    def fileno(self) -> int:
        """The number of the open file. Raises `ValueError` once it is closed."""
        if self._descriptor is None:
            raise ValueError(f"{self.path.name} is closed.")
        return self._descriptor

    def __call__(self, line: str) -> None:
        data = line.replace("\n", " ").encode() + b"\n"
        with speaking_plainly(self.path):
            written = os.write(self.fileno(), data)
            if written < len(data):
                # A full disk takes a part before it fails: half a line is worse than none.
                os.ftruncate(self.fileno(), os.fstat(self.fileno()).st_size - written)
                os.write(self.fileno(), data)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()


def append_line(path: Path, line: str) -> None:
    """Add one line to a file that is opened for it."""
    writer = LineWriter(path)
    try:
        writer(line)
    finally:
        writer.close()


def whole_lines(path: Path) -> bytes:
    """What a growing file holds, without a last line that a killed process left half written."""
    data = path.read_bytes()
    if path.suffix == ".jsonl":
        return data[: data.rfind(b"\n") + 1]
    return data if not data or data.endswith(b"\n") else data + b"\n"


def last_lines(path: Path, count: int = 40, *, start: int = 0) -> list[str]:
    """The last lines of a log after byte `start`, oldest first; none without such a file. Reads 64 KiB at most."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(start, path.stat().st_size - 65_536))
        text = file.read().decode(errors="replace")
    return text.splitlines()[-count:]


def folder_bytes(folder: Path) -> int:
    """Disk that a folder's files take, in bytes; links are not followed, and what vanishes meanwhile counts nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


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
