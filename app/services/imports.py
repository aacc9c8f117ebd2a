"""A dataset that a visitor brings: taken in, read in a process of its own, changed on the page, saved under a name.

What is not saved lies in a private folder, is found again by the same visitor, and goes a day after it was last used.
Nothing of it is parsed here: `core.data.import_process` reads it, and leaves a report and a few small pictures.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import psutil

from app.services import own_datasets
from app.services.access import opened_path, read_access
from app.services.import_choices import choices_of, facts_of
from app.services.import_report import Edits, ImportReport, read_report
from app.services.names import shown, size_text
from app.services.uploads import bytes_below
from core import paths
from core.confinement import start
from core.data.import_order import MADE, PROBLEM, PROGRESS, REPORT, ImportOrder
from core.errors import DataError, DatasetNotFoundError
from core.files import write_aside
from core.imagery.archives import is_zip
from core.imagery.limits import MEGABYTE
from core.out_of_memory import ended_at_limit, lacking

UPLOAD_MEGABYTES = 200
TYPES = ("zip", "png", "jpg", "jpeg", "tif", "tiff", "gpkg", "geojson", "json")
KEPT_SECONDS = 24 * 3600.0
MOST_AT_ONCE = 2
"""So many are read at once on this server; the others wait."""
FREE_MEGABYTES = 1000
SECONDS = 900
_STATE, _SOURCE = "draft.json", "source"
_SAFE = re.compile(r"[^\w.-]+")
Step = Literal["empty", "waiting", "working", "ready", "failed", "saved"]


@dataclass(frozen=True)
class ImportState:
    """How far it is. `share` from 0 to 1, `doing` in words; `error` is one sentence; `saved` the dataset's name."""

    step: Step
    share: float = 0.0
    doing: str = ""
    saving: bool = False
    error: str = ""
    saved: str = ""


_LOCK = threading.RLock()
_WORKING: "dict[Path, subprocess.Popen[bytes]]" = {}


@dataclass(eq=False)
class Draft:
    """What a visitor brought and has not saved yet. `owner` is who may find the dataset again; None: nobody can."""

    folder: Path
    owner: str | None
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with suppress(OSError, ValueError):
            self.record = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))

    @property
    def label(self) -> str:
        """What it is called before people."""
        return str(self.record.get("label", ""))

    @property
    def settings(self) -> dict[str, Any]:
        """What was chosen on the page, by the keys of its widgets."""
        found = self.record.get("settings", {})
        return found if isinstance(found, dict) else {}

    def keep(self, **settings: Any) -> None:
        """Remember what is chosen on the page; values are plain."""
        changed = {**self.settings, **settings}
        if changed != self.settings and self.folder.is_dir():
            self._save(settings=changed)

    def bring(self, files: Sequence[tuple[str, IO[bytes]]]) -> None:
        """Take in uploads, in the place of what was there before, and begin to read them. Raises `DataError`."""
        check_room(sum(_size(file) for _, file in files))
        self.discard()
        source = self.folder / _SOURCE
        try:
            source.mkdir(parents=True)
            self.folder.chmod(0o700)
            for number, (name, file) in enumerate(files):
                safe = _SAFE.sub("_", Path(shown(name)).name).strip("._") or f"file{number}"
                target = source / (safe if not (source / safe).exists() else f"{number}-{safe}")
                with target.open("xb") as written:
                    shutil.copyfileobj(file, written)
        except OSError as error:
            self.discard()
            raise DataError(f"The upload cannot be stored on the server ({error.strerror}): try again.") from error
        names = [shown(name) for name, _ in files]
        label = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        self._begin(label, source, None)

    def bring_path(self, text: str) -> None:
        """The same of a folder or zip below the folder that the operator opened. Raises `DatasetNotFoundError`."""
        path, opened = opened_path(text)
        if path.is_file() and not is_zip(path):
            raise DatasetNotFoundError(f"{shown(path.name)} is neither a folder nor a zip: choose one of these.")
        self.discard()
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o700)
        self._begin(shown(path.name), path, opened)

    def save(self, edits: Edits, *, shared: bool) -> None:
        """Begin to write the dataset under a name of its own. Raises `DataError` and `ConfigError`."""
        report = self.report()
        if report is None:
            raise DataError("There is nothing to save: bring a dataset first.")
        choices = choices_of(report, edits)
        check_room(0)
        if self.owner is None and not shared:
            raise DataError("This browser keeps no cookie, so nobody could find the dataset again: share it.")
        with _LOCK:
            facts = facts_of(report, edits)
            self._save(name=own_datasets.free_name(edits.title), shared=shared, facts=facts)
            self._start(choices)

    def state(self) -> ImportState:
        """How far it is now; a dataset that is finished is put in its place by this."""
        with _LOCK:
            if not self.record or not self.folder.is_dir():
                return ImportState("empty")
            saving = bool(self.record.get("name"))
            if (self.folder / PROBLEM).is_file():
                return self._failed(_sentence(self.folder / PROBLEM), saving)
            if saving and (self.folder / MADE).is_dir():
                return self._adopt()
            if not saving and (self.folder / REPORT).is_file():
                return ImportState("ready")
            if self.record.get("waiting"):
                return self._next_in_turn(saving)
            if not self._is_working():
                return self._failed(self._why_it_ended(), saving)
            told = _told(self.folder / PROGRESS)
            done, total = float(told.get("done", 0)), int(told.get("total", 0))
            return ImportState("working", done / total if total else 0.0, shown(str(told.get("doing", ""))), saving)

    def report(self) -> ImportReport | None:
        """What was found; None while it is read."""
        return read_report(self.folder / REPORT) if (self.folder / REPORT).is_file() else None

    def cancel(self) -> None:
        """Stop what is at work. A dataset that was being saved is open again; what was being read is gone."""
        with _LOCK:
            saving = bool(self.record.get("name"))
            self._stop()
            if saving:
                self._back_to_the_report()
            else:
                self.discard()

    def reopen(self) -> None:
        """After a failed save: back to what was found."""
        with _LOCK:
            self._back_to_the_report()

    def discard(self) -> None:
        """Remove all of it."""
        with _LOCK:
            self._stop()
            self.record = {}
            if self.folder.is_dir():
                gone = self.folder.with_name(f".deleted-{secrets.token_hex(8)}")
                with suppress(OSError):
                    self.folder.rename(gone)
                for left in (gone, self.folder):
                    shutil.rmtree(left, ignore_errors=True)

    def _begin(self, label: str, source: Path, opened: Path | None) -> None:
        with _LOCK:
            self.record = {}
            self._save(
                id=secrets.token_hex(4),
                label=label,
                source=str(source),
                opened=None if opened is None else str(opened),
                settings={},
            )
            self._start({})

    def _start(self, choices: dict[str, Any]) -> None:
        for name in (PROGRESS, PROBLEM):
            (self.folder / name).unlink(missing_ok=True)
        self._save(waiting=True, choices=choices)
        self._next_in_turn(bool(self.record.get("name")))

    def _next_in_turn(self, saving: bool) -> ImportState:
        """Start the process where one more may work; else it waits."""
        ended = [folder for folder, child in _WORKING.items() if child.poll() is not None]
        for folder in ended:
            if folder != self.folder:
                del _WORKING[folder]
        working = sum(child.poll() is None for child in _WORKING.values())
        if working >= MOST_AT_ONCE:
            return ImportState("waiting", saving=saving)
        order = ImportOrder(
            folder=str(self.folder.absolute()),
            source=self.record["source"],
            opened=self.record["opened"],
            name=str(self.record.get("name") or ""),
            choices=self.record["choices"],
            seconds=SECONDS,
            most_bytes=max(MEGABYTE, read_access().datasets_gigabytes * 1000**3 - _taken()),
        )
        child = _process(order)
        _WORKING[self.folder] = child
        self._save(waiting=False, pid=child.pid)
        return ImportState("working", saving=saving)

    def _is_working(self) -> bool:
        """Whether the process lives: of this server, or of one before it."""
        if (child := _WORKING.get(self.folder)) is not None:
            return child.poll() is None
        with suppress(psutil.Error, TypeError, ValueError):
            return str(self.folder.absolute()) in psutil.Process(int(self.record["pid"])).cmdline()
        return False

    def _why_it_ended(self) -> str:
        child = _WORKING.get(self.folder)
        if child is None:
            return "The server was restarted meanwhile: bring it again."
        last = shown(str(_told(self.folder / PROGRESS).get("doing", "")))
        where = f" ({last})" if last else ""
        if ended_at_limit(child.returncode):
            return lacking("import", during=where)
        if -(child.returncode or 0) in (14, 24):
            return f"This takes more than {SECONDS // 60} minutes to be read: bring fewer pictures at a time."
        return f"A file makes the reader stop{where}: it is damaged or made up, so take it out and bring the rest."

    def _failed(self, sentence: str, saving: bool) -> ImportState:
        shutil.rmtree(self.folder / MADE, ignore_errors=True)
        return ImportState("failed", error=sentence, saving=saving)

    def _adopt(self) -> ImportState:
        name = str(self.record["name"])
        own_datasets.adopt(
            self.folder / MADE,
            name,
            owner=self.owner,
            shared=bool(self.record.get("shared")),
            facts=self.record.get("facts", {}),
        )
        self.discard()
        return ImportState("saved", saved=name)

    def _back_to_the_report(self) -> None:
        shutil.rmtree(self.folder / MADE, ignore_errors=True)
        (self.folder / PROBLEM).unlink(missing_ok=True)
        self._save(name="", waiting=False)

    def _stop(self) -> None:
        child = _WORKING.pop(self.folder, None)
        if child is not None:
            child.kill()
            child.wait()
        elif self.record and self._is_working():
            with suppress(psutil.Error):
                psutil.Process(int(self.record["pid"])).kill()

    def _save(self, **values: Any) -> None:
        self.record = {**self.record, **values}
        text = json.dumps(self.record)
        write_aside(self.folder / _STATE, lambda aside: aside.write_text(text, encoding="utf-8"))


_DRAFTS: dict[Path, Draft] = {}


def open_draft(owner: str | None, session: str, *, now: float) -> Draft:
    """What a visitor brought, used at `now`; tabs of one browser share it.

    Args:
        owner: What `visitors.folder_name` gave; None: nobody who can be known again.
        session: A name for the folder of such a one, that nobody can guess.
        now: Seconds since 1970.
    """
    folder = paths.imports() / (owner or session)
    with _LOCK:
        if _is_over(folder, now):
            Draft(folder, owner).discard()
            _DRAFTS.pop(folder, None)
        found = _DRAFTS.setdefault(folder, Draft(folder, owner))
    with suppress(OSError):
        os.utime(folder / _STATE, (now, now))
    return found


def sweep(now: float) -> int:
    """Remove what was not used for a day before `now`; gives how many."""
    over = [folder for folder in paths.imports().glob("*") if folder.is_dir() and _is_over(folder, now)]
    for folder in over:
        with _LOCK:
            _DRAFTS.pop(folder, Draft(folder, None)).discard()
            shutil.rmtree(folder, ignore_errors=True)
    return len(over)


def _is_over(folder: Path, now: float) -> bool:
    state = folder / _STATE
    try:
        return now - (state if state.is_file() else folder).stat().st_mtime > KEPT_SECONDS
    except OSError:
        return False


def _process(order: ImportOrder) -> "subprocess.Popen[bytes]":
    """The process, with none of the environment's secrets, and its messages thrown away."""
    # The folder is named a second time, for a later server that asks whether this process still lives.
    child = start("core.data.import_process", order.folder, answers=False)
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin as pipe:
        pipe.write(json.dumps(asdict(order)).encode() + b"\n")
    return child


def check_room(size: int) -> None:
    """Raises `DataError` where the disk, or what all visitors may take of it, has no room for so many bytes."""
    most = read_access().datasets_gigabytes
    if _taken() + size > most * 1000**3:
        raise DataError(f"There is no room: datasets of all visitors take {most:,} GB here at most. Delete one first.")
    paths.imports().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(paths.imports()).free
    if free - size < FREE_MEGABYTES * MEGABYTE:
        raise DataError(
            f"There is no room: {size_text(free)} are free on the server. Delete a dataset, or ask its operator."
        )


def _taken() -> int:
    return bytes_below(paths.imports()) + own_datasets.taken_bytes()


def _size(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _told(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sentence(path: Path) -> str:
    return str(_told(path).get("error", "This cannot be read: bring it again."))
