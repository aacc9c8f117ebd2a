"""What a visitor brought to the page for own images: a private folder that goes when its session goes.

A name from outside is only shown; files lie under running numbers in a folder whose name nobody can guess.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path

from app.services.access import Access, opened_path
from app.services.names import shown
from core import paths
from core.data.opened import is_file_inside
from core.errors import DatasetNotFoundError, ImageError
from core.imagery import archives
from core.imagery.limits import MEGABYTE
from core.imagery.sniff import FIRST_BYTES, picture_kind, why_not

UPLOAD_MEGABYTES = 200
TOGETHER_MEGABYTES = 2000
MEGAPIXELS = 500
MOST_FILES = 200
TYPES = ("png", "jpg", "jpeg", "tif", "tiff", "zip")


@dataclass(frozen=True)
class Own:
    """A picture of the visitor's: what it is called before people, and where it lies."""

    name: str
    path: Path
    size: int


@dataclass
class Workspace:
    """One session's pictures and results. Ends with `close`, with the session, or with the server."""

    folder: Path
    pictures: list[Own] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "in").mkdir(parents=True)
        self.folder.chmod(0o700)
        self._end = weakref.finalize(self, _remove, self.folder, self.processes)

    def add(self, name: str, data: bytes) -> None:
        """Take in an upload: a picture, or a zip of pictures. Raises `ImageError`, and keeps nothing, if it is none."""
        label = shown(name)
        if len(data) > UPLOAD_MEGABYTES * MEGABYTE:
            raise ImageError(f"{label} is larger than {UPLOAD_MEGABYTES} MB: save it with compression, or cut it.")
        self._check_room(label, len(data), 1)
        place = Path(tempfile.mkdtemp(dir=self.folder / "in"))
        file = place / "upload"
        file.write_bytes(data)
        try:
            found = self._unpacked(label, file, place) if archives.is_zip(file) else [_picture(label, file)]
        except ImageError:
            shutil.rmtree(place, ignore_errors=True)
            raise
        self.pictures.extend(found)

    def add_path(self, text: str, access: Access | None = None) -> None:
        """Take in a picture or a folder on the server, which stays where it is. Raises `ImageError`.

        Only what really lies inside the folder that the operator named is taken, wherever links lead.
        """
        try:
            path, root = opened_path(text, access)
        except DatasetNotFoundError as error:
            raise ImageError(str(error)) from error
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        there = [file.resolve() for file in files if _is_picture(file, root)]
        found = [Own(shown(file.name), file, file.stat().st_size) for file in there]
        if not found:
            raise ImageError(f"{shown(text)} holds no PNG, JPEG or TIFF.")
        if len(self.pictures) + len(found) > MOST_FILES:
            raise ImageError(f"At most {MOST_FILES} pictures are taken at once.")
        self.pictures.extend(found)

    def clear(self) -> None:
        """Forget the pictures and remove the uploads; results stay."""
        self.pictures.clear()
        self.taken.clear()
        shutil.rmtree(self.folder / "in", ignore_errors=True)
        (self.folder / "in").mkdir()

    def close(self) -> None:
        self._end()

    def _unpacked(self, label: str, file: Path, place: Path) -> list[Own]:
        room = TOGETHER_MEGABYTES * MEGABYTE - sum(own.size for own in self.pictures)
        limits = archives.ZipLimits(entries=MOST_FILES, total_bytes=room, entry_bytes=UPLOAD_MEGABYTES * MEGABYTE)
        entries = archives.extract(file, place, name=label, limits=limits)
        file.unlink()
        self._check_room(label, 0, len(entries))
        return [Own(f"{label}: {shown(entry.name)}", entry.path, entry.path.stat().st_size) for entry in entries]

    def _check_room(self, label: str, size: int, count: int) -> None:
        if sum(own.size for own in self.pictures) + size > TOGETHER_MEGABYTES * MEGABYTE:
            raise ImageError(f"{label} is too much: at most {TOGETHER_MEGABYTES:,} MB are kept for one visitor.")
        if len(self.pictures) + count > MOST_FILES:
            raise ImageError(f"{label} is too much: at most {MOST_FILES} pictures are taken at once.")


def open_workspace() -> Workspace:
    """A new private folder, named by this process so that a later server can tell that it is left over."""
    return Workspace(_root() / f"{os.getpid()}-{secrets.token_hex(16)}")


def sweep() -> int:
    """Remove what servers that ended without a word left behind; gives how many folders there were."""
    left = [folder for folder in _root().glob("*-*") if not _lives(folder.name.split("-")[0])]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def _remove(folder: Path, processes: "list[subprocess.Popen[bytes]]") -> None:
    """End what still writes into the folder, then remove it. The decoder under a process ends with its pipe."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    return paths.home() / "uploads"


def _lives(pid: str) -> bool:
    """Whether a process of this number runs, other than this one, which has just begun."""
    if not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _picture(label: str, file: Path) -> Own:
    with file.open("rb") as opened:
        first = opened.read(FIRST_BYTES)
    if picture_kind(first) is None:
        raise ImageError(f"{label} {why_not(first)}")
    return Own(label, file, file.stat().st_size)


def _is_picture(file: Path, root: Path) -> bool:
    if not is_file_inside(file, root):
        return False
    with file.open("rb") as opened:
        return picture_kind(opened.read(FIRST_BYTES)) is not None
