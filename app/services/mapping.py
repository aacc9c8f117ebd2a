"""Segmenting a visitor's pictures: each job is a run of the kind prediction, one at a time on this machine.

The page queues a job, reads its report, asks it to stop. What the job leaves behind lies in the
workspace and goes with it; a later session of the same visitor finds it there (`current`). No list of runs names it.
"""

import json
import re
import secrets
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from app.services import progress, workers
from app.services.artifacts import require_known
from app.services.names import stem
from app.services.stores import open_store
from app.services.workspaces import MEGAPIXELS, Own, Workspace
from core.config.fields import Setting as Setting
from core.config.fields import settings_of
from core.errors import RunNotFoundError, RunStateError, StoreError, TerrastillError
from core.events import Progress
from core.imagery.limits import LEAST_METRES, MOST_METRES, Limits
from core.infer.outputs.mask_polygons import PolygonSettings
from core.runs.store.records import JobRequest, RunKind, RunRecord, RunState
from core.runs.store.run_files import REPORT_FILE, announce_job

MOST_WAITING = 8
GROUND_RANGE = (LEAST_METRES, MOST_METRES)
POLYGON_SETTINGS: dict[str, Setting] = settings_of(PolygonSettings)
_MEGAPIXEL = 1_000_000
_FOLDER = re.compile(r"out-[0-9a-f]{8}")
_GONE = "These results are no longer on the server: press Segment to make them again."
_STARTING = Progress(0, 1, "Starting")
State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: dict[RunState, State] = {
    RunState.QUEUED: "waiting",
    RunState.RUNNING: "running",
    RunState.DONE: "done",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "cancelled",
}


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
    report: bool = False
    flips: bool = False
    bands: tuple[int, ...] | None = None
    ground: float | None = None
    smallest_area: float | None = None
    smooth: float = PolygonSettings.smooth


@dataclass(frozen=True)
class SegmentationState:
    """How far a job is. `progress` is of the picture that is worked on, `at` its number from 0 of `of`, `ahead` the
    jobs before this one; `results` are plain values of `core.infer.batch.PictureResult`."""

    state: State
    at: int = 0
    of: int = 0
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    seconds_left: float | None = None
    error: str | None = None
    ahead: int = 0
    results: tuple[dict[str, Any], ...] = ()


class SegmentationJob:
    """One press of the button: pictures, in order, through one model, as a run of the kind prediction.

    What it leaves behind lies in the workspace and goes with it, the run too.
    """

    def __init__(
        self, workspace: Workspace, pictures: list[Own], choice: Choice, *, found: tuple[str, str] | None = None
    ) -> None:
        """Queue it; `found` are the names of the run and of the folder of one that was queued before."""
        self.choice, self.workspace, self.pictures = choice, workspace, pictures
        # A name of its own: what an earlier job still writes does not get among the results of this one.
        run_id, folder = found or ("", f"out-{secrets.token_hex(4)}")
        self.run_id, self.folder = run_id, workspace.folder / folder
        if found is None:
            self._queue_up()

    def _queue_up(self) -> None:
        names = [name for name in (self.choice.model, self.choice.teacher) if name is not None]
        require_known(*names, owner=self.workspace.folder.name)
        job = JobRequest(RunKind.PREDICTION, _job(self.pictures, self.choice, self.folder), _title(self.pictures))
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise StoreError(f"Results cannot be stored on the server ({error.strerror}): ask its operator.") from error
        try:
            made = open_store().add_job(job, most=MOST_WAITING, launched_by=self.workspace.folder.name)
        except TerrastillError:
            self.folder.rmdir()
            raise
        self.run_id = made.id
        self.workspace.forget_runs(but=made.id)
        for earlier in self.workspace.folder.glob("out-*"):
            if earlier != self.folder:
                shutil.rmtree(earlier, ignore_errors=True) if earlier.is_dir() else earlier.unlink(missing_ok=True)
        pictures = [[own.name, str(own.path), own.size] for own in self.pictures]
        record = {"run": made.id, "folder": self.folder.name, "choice": asdict(self.choice), "pictures": pictures}
        self.workspace.keep_job(self, record)
        workers.ensure_worker()

    @property
    def ended(self) -> bool:
        return self.read_state().state not in ("waiting", "running")

    def read_state(self) -> SegmentationState:
        """How far it is. Raises `StoreError`."""
        try:
            run = open_store().get(self.run_id)
        except RunNotFoundError:
            return SegmentationState("failed", of=len(self.pictures), error=_GONE)
        at, results = self._report()
        told = SegmentationState(STATES[run.state], at, len(self.pictures), error=run.error, results=results)
        if run.state == RunState.QUEUED:
            ahead = _ahead(run)
            # The first in the queue is begun at once.
            return replace(told, ahead=ahead) if ahead else replace(told, state="running", progress=_STARTING)
        if run.state == RunState.RUNNING:
            now = progress.read_job(self.run_id)
            return replace(told, progress=now.progress, seconds_left=now.seconds_left)
        return told

    def cancel(self) -> None:
        """Ask it to stop after the present windows; results of finished pictures stay."""
        # It may end, or be deleted in another tab, while this is asked.
        with suppress(RunStateError, RunNotFoundError):
            open_store().request_cancel(self.run_id)
            announce_job(open_store().home)

    def archive(self, as_shown: Callable[[Path], Path] = lambda file: file) -> Path:
        """All results as one zip, made anew; `as_shown` gives what stands in it for a file, under the file's name."""
        path = self.folder / "terrastill.zip"
        path.unlink(missing_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
            for file in sorted(self.folder.iterdir()):
                if file != path and not file.name.startswith(".") and not file.name.endswith("_photo.webp"):
                    packed.write(as_shown(file), file.name)
            refused = [result["error"] for result in self._report()[1] if result["error"] is not None]
            if refused:
                packed.writestr("not-segmented.txt", "".join(f"{sentence}\n" for sentence in refused))
        return path

    def _report(self) -> tuple[int, tuple[dict[str, Any], ...]]:
        """The number of the picture that is worked on, from 0, and what came of those before it."""
        try:
            told = json.loads((open_store().folder(self.run_id) / REPORT_FILE).read_text(encoding="utf-8"))
            return told["at"], tuple(told["results"])
        except (OSError, ValueError, KeyError):
            return 0, ()


def current(workspace: Workspace) -> SegmentationJob | None:
    """The visitor's last job, of this server or of an earlier one; None where there was none."""
    record = workspace.record
    if workspace.job is None and record is not None and "run" in record and _FOLDER.fullmatch(record["folder"]):
        bands = record["choice"]["bands"]
        choice = Choice(**{**record["choice"], "bands": tuple(bands) if bands else None})
        pictures = [Own(name, Path(path), size) for name, path, size in record["pictures"]]
        workspace.job = SegmentationJob(workspace, pictures, choice, found=(record["run"], record["folder"]))
    found: SegmentationJob | None = workspace.job
    return found


def _ahead(run: RunRecord) -> int:
    """How many predictions come before a waiting one."""
    store = open_store()
    waiting = [other.id for other in store.queue(kinds=(RunKind.PREDICTION,))]
    running = len(store.list([RunState.RUNNING], kinds=(RunKind.PREDICTION,)))
    return running + (waiting.index(run.id) if run.id in waiting else 0)


def _title(pictures: list[Own]) -> str:
    """What the run is called: no name of a visitor's."""
    return f"{len(pictures)} image{'s' if len(pictures) > 1 else ''}"


def _job(pictures: list[Own], choice: Choice, folder: Path) -> dict[str, Any]:
    """The settings of the run. A GeoTIFF, areas and an overview are always made: the page shows them."""
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
            "report": choice.report,
        },
        "tiling": {"flips": choice.flips},
        "bands": choice.bands,
        "device": "auto",
        "ground": choice.ground,
        "polygons": asdict(PolygonSettings(smallest_area=choice.smallest_area, smooth=choice.smooth)),
        "limits": asdict(limits),
    }
