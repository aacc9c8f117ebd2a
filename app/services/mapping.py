"""Segmenting a visitor's pictures: a process of its own for each order, one at a time on this machine.

The page only looks: it starts an order, reads its report, asks it to stop. What the order leaves behind lies in the
workspace and goes with it; a later session of the same visitor finds it there (`current`).
"""

import json
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import weakref
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from app.services.artifacts import require_known
from app.services.names import stem
from app.services.workspaces import MEGAPIXELS, Own, Workspace
from core import paths
from core.config.fields import Setting as Setting
from core.config.fields import settings_of
from core.errors import RunStateError
from core.events import Progress
from core.imagery.limits import LEAST_METRES, MOST_METRES, Limits
from core.infer.outputs.polygons import PolygonSettings

MOST_WAITING = 8
GROUND_RANGE = (LEAST_METRES, MOST_METRES)
POLYGON_SETTINGS: dict[str, Setting] = settings_of(PolygonSettings)
_MEGAPIXEL = 1_000_000
_FOLDER = re.compile(r"out-[0-9a-f]{8}")
_LEFT = "The server was restarted before all images were done: press Segment to do them again."
State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Choice:
    """What a visitor asked for. `bands` are the numbers of red, green and blue, or None as the file says.

    `ground` is the width of a pixel in metres where the file says none; `smallest_area` and `smooth` are of polygons.
    """

    model: str
    teacher: str | None = None
    geojson: bool = False
    gpkg: bool = False
    probabilities: bool = False
    flips: bool = False
    bands: tuple[int, ...] | None = None
    ground: float | None = None
    smallest_area: float | None = None
    smooth: float = PolygonSettings.smooth


@dataclass(frozen=True)
class OrderState:
    """How far an order is. `progress` is of the picture that is worked on, `at` its number from 0 of `of`, `ahead` the
    orders before this one; `results` are plain values of `core.infer.batch.Result`."""

    state: State
    at: int = 0
    of: int = 0
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    seconds_left: float | None = None
    error: str | None = None
    ahead: int = 0
    results: tuple[dict[str, Any], ...] = ()


_LOCK = threading.Lock()
_QUEUE: list["weakref.ref[Order]"] = []


class Order:
    """One press of the button: pictures, in order, through one model. Ends when its workspace is forgotten."""

    def __init__(self, workspace: Workspace, pictures: list[Own], choice: Choice, *, found: str | None = None) -> None:
        """`found` names the folder of an order that an earlier server took; it is only looked at."""
        self.choice, self.workspace, self.pictures = choice, workspace, pictures
        self._found = found is not None
        # A name of its own: what an earlier order still writes does not get among the results of this one.
        self.folder = workspace.folder / (found or f"out-{secrets.token_hex(4)}")
        self._report = workspace.folder / f"{self.folder.name}.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        if found is None:
            self._queue_up()

    def _queue_up(self) -> None:
        require_known(*(name for name in (self.choice.model, self.choice.teacher) if name is not None))
        self._text = json.dumps(_order(self.pictures, self.choice, self.folder))
        with _LOCK:
            _forget_the_dead()
            if len(_QUEUE) >= MOST_WAITING:
                raise RunStateError("Many people are segmenting pictures now: try again in a few minutes.")
            _QUEUE.append(weakref.ref(self))
        if self.workspace.order is not None:
            self.workspace.order.cancel()
        for earlier in self.workspace.folder.glob("out-*"):
            shutil.rmtree(earlier, ignore_errors=True) if earlier.is_dir() else earlier.unlink(missing_ok=True)
        self._keep()

    def _keep(self) -> None:
        """What a later server needs to find it again."""
        pictures = [[own.name, str(own.path), own.size] for own in self.pictures]
        record = {"folder": self.folder.name, "choice": asdict(self.choice), "pictures": pictures}
        self.workspace.keep_order(self, {**record, "cancelled": self._cancelled})

    @property
    def ended(self) -> bool:
        if self._process is None:
            return self._cancelled or self._found
        return self._process.poll() is not None

    def look(self) -> OrderState:
        """How far it is; starts it when its turn has come."""
        if self._found:
            told = self._read()
            if told.state == "done" or self._cancelled:
                return told if told.state == "done" else replace(told, state="cancelled")
            return replace(told, state="failed", error=told.error or _LEFT)
        with _LOCK:
            _forget_the_dead()
            queue = [ref() for ref in _QUEUE]
            ahead = queue.index(self) if self in queue else 0
            # Whoever looks starts whose turn it is: that person may have gone to another page.
            if queue and queue[0] is not None and queue[0]._process is None:
                queue[0]._start()
        if self._process is None:
            return OrderState("cancelled" if self._cancelled else "waiting", of=len(self.pictures), ahead=ahead)
        # Asked before the report is read, so that a last word is not missed.
        ended, told = self.ended, self._read()
        if ended and told.state == "running":
            # No last word: killed, or out of memory.
            error = _why_it_ended(self._process.returncode)
            return replace(told, state="cancelled" if self._cancelled else "failed", error=error)
        return told

    def cancel(self) -> None:
        """Ask it to stop after the present windows; results of finished pictures stay."""
        if self.ended:
            return
        self._cancelled = True
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
        self._keep()

    def archive(self, as_shown: Callable[[Path], Path] = lambda file: file) -> Path:
        """All results as one zip, made anew; `as_shown` gives what stands in it for a file, under the file's name."""
        path = self.folder / "terrastill.zip"
        path.unlink(missing_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
            for file in sorted(self.folder.iterdir()):
                if file != path and not file.name.startswith(".") and not file.name.endswith("_photo.webp"):
                    packed.write(as_shown(file), file.name)
            refused = [result["error"] for result in self._read().results if result["error"] is not None]
            if refused:
                packed.writestr("not-segmented.txt", "".join(f"{sentence}\n" for sentence in refused))
        return path

    def _start(self) -> None:
        # The folder of the visitor may be gone, deleted or swept: that order then fails, and holds up nobody.
        self.folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "core.infer.batch", str(self._report)], cwd=paths.ROOT, stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(self._text.encode())
        process.stdin.close()
        self._process = process
        self.workspace.processes.append(process)

    def _read(self) -> OrderState:
        try:
            told = json.loads(self._report.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return OrderState("running", of=len(self.pictures), progress=Progress(0, 0, "Starting"))
        known = {key: told[key] for key in ("state", "at", "of") if key in told}
        progress = Progress(told.get("done", 0), told.get("total", 0), told.get("doing", ""))
        return OrderState(
            **known,
            progress=progress,
            seconds_left=told.get("seconds_left"),
            error=told.get("error"),
            results=tuple(told.get("results", ())),
        )


def current(workspace: Workspace) -> Order | None:
    """The visitor's last order, of this server or of an earlier one; None where there was none."""
    record = workspace.record
    if workspace.order is None and record is not None and _FOLDER.fullmatch(record["folder"]):
        bands = record["choice"]["bands"]
        choice = Choice(**{**record["choice"], "bands": tuple(bands) if bands else None})
        pictures = [Own(name, Path(path), size) for name, path, size in record["pictures"]]
        order = Order(workspace, pictures, choice, found=record["folder"])
        order._cancelled = record["cancelled"]
        workspace.order = order
    found: Order | None = workspace.order
    return found


def _why_it_ended(code: int) -> str:
    """In a sentence for the visitor; `code` is negative for a signal."""
    if code == -signal.SIGKILL:
        return "Memory ran out while this was segmented: choose smaller pictures or fewer outputs, and try again."
    return "The process that segments stopped unexpectedly; the server's log may say why."


def _order(pictures: list[Own], choice: Choice, folder: Path) -> dict[str, Any]:
    """The JSON that `core.infer.batch` reads. A GeoTIFF, areas and an overview are always made: the page shows them."""
    limits = Limits(pixels=MEGAPIXELS * _MEGAPIXEL)
    return {
        "items": [
            {"path": str(own.path), "name": own.name, "stem": str(folder / f"{at:03d}-{stem(own.name)}")}
            for at, own in enumerate(pictures, start=1)
        ],
        "model": choice.model,
        "teacher": choice.teacher,
        "wanted": {
            "tif": True,
            "areas": True,
            "photo": True,
            "geojson": choice.geojson,
            "gpkg": choice.gpkg,
            "probabilities": choice.probabilities,
        },
        "tiling": {"flips": choice.flips},
        "bands": choice.bands,
        "device": "auto",
        "ground": choice.ground,
        "polygons": asdict(PolygonSettings(smallest_area=choice.smallest_area, smooth=choice.smooth)),
        "limits": asdict(limits),
    }


def _forget_the_dead() -> None:
    """Orders of sessions that ended, and those that are finished."""
    _QUEUE[:] = [ref for ref in _QUEUE if (order := ref()) is not None and not order.ended]
