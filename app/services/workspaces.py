"""What a visitor brought to the page for own images, and what came of it, in a private folder.

A browser that can be known again (see `visitors`) finds its folder after a reload, in another tab and after a restart
of the server; a folder that nobody used for a day is swept. Where a browser keeps no cookie, its folder goes with its
session. A name from outside is only shown; files lie under running numbers in a folder whose name nobody can guess.
"""

import json
import os
import re
import secrets
import shutil
import tempfile
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from app.services.access import Access, opened_path, read_access
from app.services.names import shown, size_text
from app.services.stores import open_store
from app.services.uploads import bytes_below
from core import paths
from core.data.opened import is_file_inside
from core.errors import DatasetNotFoundError, ImageError, RunNotFoundError, StoreError
from core.files import write_aside
from core.imagery import archives
from core.imagery.limits import MEGABYTE
from core.imagery.sniff import FIRST_BYTES, picture_kind, why_not
from core.runs.store.records import MACHINE, VISITOR_KINDS, RunRecord, RunState
from core.runs.store.run_files import announce_job

UPLOAD_MEGABYTES = 200
TOGETHER_MEGABYTES = 2000
MEGAPIXELS = 500
MOST_FILES = 200
TYPES = ("png", "jpg", "jpeg", "tif", "tiff", "zip")
KEPT_SECONDS = 24 * 3600.0
"""How long a folder stays after it was last used."""
FREE_MEGABYTES = 1000
"""What uploads leave free on the server's disk."""
_STATE = "workspace.json"
_KEPT_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Own:
    """A picture of the visitor's: what it is called before people, and where it lies."""

    name: str
    path: Path
    size: int


@dataclass(eq=False)
class Workspace:
    """One visitor's pictures, settings and results. The folder is made with the first picture.

    `kept` ones stay on the disk until `delete` or `sweep`; others end with `delete`, with the session or with the
    server. Several tabs of a browser share one, so changes take turns. `job` is the last press of the
    button, a `mapping.SegmentationJob`; `record` is what `mapping` needs to find it again after a restart.
    """

    folder: Path
    kept: bool = False
    pictures: list[Own] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] | None = None
    job: Any = None
    used_at: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        if self.kept:
            self._restore()
        else:
            self._end = weakref.finalize(self, _remove, self.folder)

    def add(self, name: str, data: bytes) -> None:
        """Take in an upload: a picture, or a zip of pictures. Raises `ImageError`, and keeps nothing, if it is none."""
        label = shown(name)
        if len(data) > UPLOAD_MEGABYTES * MEGABYTE:
            raise ImageError(f"{label} is larger than {UPLOAD_MEGABYTES} MB: save it with compression, or cut it.")
        with self._lock:
            self._check_room(label, len(data), 1)
            try:
                self.pictures.extend(self._stored(label, data))
                self._save()
            except OSError as error:
                raise ImageError(f"{label} cannot be stored on the server ({error.strerror or error}).") from error

    def add_path(self, text: str, access: Access | None = None) -> None:
        """Take in a picture or a folder on the server, which stays where it is. Raises `ImageError`.

        Only what really lies inside the folder that the operator named is taken, wherever links lead.
        """
        try:
            path, root = opened_path(text, access)
            files = sorted(path.iterdir()) if path.is_dir() else [path]
        except DatasetNotFoundError as error:
            raise ImageError(str(error)) from error
        except OSError as error:
            raise ImageError(f"{shown(text)} cannot be opened ({error.strerror}): ask its operator.") from error
        there = [file.resolve() for file in files if _is_picture(file, root)]
        found = [Own(shown(file.name), file, file.stat().st_size) for file in there]
        if not found:
            raise ImageError(f"{shown(text)} holds no PNG, JPEG or TIFF that can be read.")
        with self._lock:
            if len(self.pictures) + len(found) > MOST_FILES:
                raise ImageError(f"At most {MOST_FILES} pictures are taken at once.")
            self.pictures.extend(found)
            self._save()

    def clear(self) -> None:
        """Forget the pictures and remove the uploads; results stay."""
        with self._lock:
            self.pictures.clear()
            shutil.rmtree(self.folder / "in", ignore_errors=True)
            self._save()

    def keep(self, **settings: Any) -> None:
        """Remember what is chosen on the page; values are plain."""
        with self._lock:
            changed = {key: value for key, value in settings.items() if self.settings.get(key, ...) != value}
            self.settings.update(changed)
            if changed and self.folder.is_dir():
                self._save()

    def keep_job(self, job: Any, record: dict[str, Any] | None) -> None:
        """Remember the last segmentation, and what it takes to find it again."""
        with self._lock:
            self.job, self.record = job, record
            self._save()

    def used(self, now: float) -> None:
        """Say that the visitor is here at `now`, in seconds since 1970: the day begins anew."""
        with self._lock:
            self.used_at = now
            if (self.folder / _STATE).is_file():
                os.utime(self.folder / _STATE, (now, now))

    def delete(self) -> None:
        """Remove pictures and results now, and end what still works on them."""
        with self._lock:
            self.pictures.clear()
            self.job = self.record = None
            _remove(self.folder)

    close = delete

    def forget_runs(self, *, but: str) -> None:
        """Remove the runs on these pictures, ending what still works, except the one of this id."""
        _forget_runs(self.folder, but=but)

    def _stored(self, label: str, data: bytes) -> list[Own]:
        self._make_folder()
        place = Path(tempfile.mkdtemp(dir=self.folder / "in"))
        file = place / "upload"
        try:
            file.write_bytes(data)
            return self._unpacked(label, file, place) if archives.is_zip(file) else [_picture(label, file)]
        except (ImageError, OSError):
            shutil.rmtree(place, ignore_errors=True)
            raise

    def _make_folder(self) -> None:
        (self.folder / "in").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)

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
        most = read_access().own_images_gigabytes
        if bytes_below(_root()) + size > most * 1000**3:
            raise ImageError(f"{label} finds no room: own images of all visitors take {most:,} GB here at most.")
        _root().mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(_root()).free
        if free - size < FREE_MEGABYTES * MEGABYTE:
            raise ImageError(
                f"{label} finds no room: {size_text(free)} are free on the server. Delete your pictures if you no "
                "longer need them, or try again tomorrow."
            )

    def _save(self) -> None:
        """What a later session or server finds. An ended session's folder is never found again, and saves nothing."""
        if not self.kept or not (self.pictures or self.folder.is_dir()):
            return
        self._make_folder()
        state = {
            "pictures": [[own.name, str(own.path), own.size] for own in self.pictures],
            "settings": self.settings,
            "record": self.record,
        }
        write_aside(self.folder / _STATE, lambda aside: aside.write_text(json.dumps(state), encoding="utf-8"))
        os.utime(self.folder / _STATE, (self.used_at, self.used_at))

    def _restore(self) -> None:
        """What is still there of what an earlier server kept, by the rules of today."""
        try:
            state = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
            self.settings, self.record = dict(state["settings"]), state["record"]
            own = [Own(str(name), Path(path), int(size)) for name, path, size in state["pictures"]]
        except (OSError, ValueError, KeyError, TypeError):
            return
        opened = [root for root in (self.folder / "in", read_access().images) if root is not None]
        self.pictures = [one for one in own if any(is_file_inside(one.path, root) for root in opened)]


_LOCK = threading.Lock()
_KEPT: dict[Path, Workspace] = {}
"""The workspaces that this server has opened, by folder: tabs of one browser share theirs."""


def open_workspace(name: str | None = None, *, now: float = 0.0) -> Workspace:
    """The folder of a visitor who can be known again, used at `now`; without a name, a new one for this session.

    Args:
        name: What `visitors.folder_name` gave.
        now: Seconds since 1970.
    """
    if name is None:
        # The number of this process lets a later server tell that it is left over.
        return Workspace(_root() / f"{os.getpid()}-{secrets.token_hex(16)}")
    folder = _root() / name
    with _LOCK:
        if _is_over(folder, now):
            _forget(folder)
        if folder not in _KEPT:
            _KEPT[folder] = Workspace(folder, kept=True)
        found = _KEPT[folder]
    found.used(now)
    return found


def sweep(now: float) -> int:
    """Remove the folders that were not used for a day before `now`, and runs whose folder is gone; gives how many."""
    with suppress(StoreError):
        _forget_lost_runs()
    with _LOCK:
        over = [folder for folder in _root().glob("*") if _KEPT_NAME.fullmatch(folder.name) and _is_over(folder, now)]
        for folder in over:
            _forget(folder)
    return len(over)


def sweep_sessions() -> int:
    """At the start of a server: remove the folders of sessions of servers that ended; gives how many."""
    left = [folder for folder in _root().glob("*-*") if not _lives(folder.name.split("-")[0])]
    for folder in left:
        _remove(folder)
    return len(left)


def _is_over(folder: Path, now: float) -> bool:
    """Whether a kept folder was not used for a day, and nothing works in it."""
    state = folder / _STATE
    try:
        used = (state if state.is_file() else folder).stat().st_mtime
    except FileNotFoundError:
        return False
    return now - used > KEPT_SECONDS and not _is_busy(folder)


def _forget(folder: Path) -> None:
    if (known := _KEPT.pop(folder, None)) is not None:
        known.delete()
    else:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a visitor's folder, and the runs on what lies in it.

    A process that works on them loses its run and is ended by its worker. What it still writes until then finds no
    folder: this one has another name before it is emptied.
    """
    if not folder.is_dir():
        return
    with suppress(StoreError):
        _forget_runs(folder)
    aside = folder.with_name(f".deleted-{secrets.token_hex(8)}")
    with suppress(OSError):
        folder.rename(aside)
    for left in (aside, folder):
        shutil.rmtree(left, ignore_errors=True)


def _is_busy(folder: Path) -> bool:
    """Whether a run on a folder waits or works. While nobody can say, it is left alone."""
    try:
        return any(not run.state.final for run in _runs_on(folder))
    except StoreError:
        return True


def _runs_on(folder: Path) -> list[RunRecord]:
    known = open_store(folder.parent.parent).list(kinds=VISITOR_KINDS)
    return [run for run in known if run.launched_by == folder.name]


def _forget_runs(folder: Path, *, but: str = "") -> None:
    for run in _runs_on(folder):
        if run.id != but:
            _delete_run(run, folder.parent.parent)


def _forget_lost_runs() -> None:
    """Visitors' runs of this machine whose pictures are gone: a server may have been killed between the two."""
    for run in open_store().list(kinds=VISITOR_KINDS):
        if run.device == MACHINE and not (_root() / run.launched_by).is_dir():
            _delete_run(run, paths.home())


def _delete_run(run: RunRecord, home: Path) -> None:
    with suppress(RunNotFoundError):
        open_store(home).delete(run.id, running=True)
    if run.state == RunState.RUNNING:
        announce_job(home)


def _root() -> Path:
    return paths.home() / "uploads"


def _lives(pid: str) -> bool:
    """Whether a process of this number runs, other than this one, which has just begun."""
    return pid.isdecimal() and int(pid) != os.getpid() and psutil.pid_exists(int(pid))


def _picture(label: str, file: Path) -> Own:
    with file.open("rb") as opened:
        first = opened.read(FIRST_BYTES)
    if picture_kind(first) is None:
        raise ImageError(f"{label} {why_not(first)}")
    return Own(label, file, file.stat().st_size)


def _is_picture(file: Path, root: Path) -> bool:
    """What cannot be opened is none, and does not keep the others of its folder away."""
    if not is_file_inside(file, root):
        return False
    try:
        with file.open("rb") as opened:
            return picture_kind(opened.read(FIRST_BYTES)) is not None
    except OSError:
        return False
