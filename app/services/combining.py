"""Results of several pictures of a visitor together: one mosaic with one layer, and what changed between two dates.

Each is a run of the kind combination. What it gives lies among the results of the segmentation and goes with them; the
run itself is found again by what was asked for, also after a restart of the server. No list of runs names it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.services import mapping, progress, workers
from app.services.map_views import mask_of
from app.services.mapping import SegmentationJob, State
from app.services.palettes import Classes, Palette, painted
from app.services.stores import open_store
from app.services.workspaces import MEGAPIXELS
from core.errors import GeoError, RunNotFoundError, RunStateError
from core.events import Progress
from core.infer.outputs.mask_polygons import PolygonSettings
from core.runs.store.records import JobRequest, RunKind, RunRecord, RunState
from core.runs.store.run_files import announce_job

MOST_PIXELS = MEGAPIXELS * 1_000_000
"""How many a mosaic or a change may have: as many as one picture."""
What = Literal["mosaic", "change"]
_KIND = (RunKind.COMBINATION,)


@dataclass(frozen=True)
class Combination:
    """How far it is: `file` is the zip once it is done, `notes` are sentences on what could not be worked out."""

    state: State
    progress: Progress = field(default_factory=lambda: Progress(0, 1, "Starting"))
    seconds_left: float | None = None
    error: str | None = None
    file: Path | None = None
    notes: tuple[str, ...] = ()


def placed(found: Sequence[dict[str, Any]]) -> list[int]:
    """Which of the results know where they lie."""
    from core.infer.outputs.placed_masks import open_mask

    there = []
    for at, result in enumerate(found):
        mask = None if result["error"] is not None else mask_of(result)
        try:
            if mask is not None:
                open_mask(mask)
                there.append(at)
        except GeoError:
            continue
    return there


def request(
    job: SegmentationJob, what: What, results: Sequence[dict[str, Any]], classes: Classes, palette: Palette
) -> dict[str, Any]:
    """What a press of the button asks for, as the settings of a run.

    Args:
        job: Whose results they are.
        what: `mosaic`, or `change` from the first result to the last.
        results: Plain results with a mask each.
        classes: Of their model, the ignored one last.
        palette: The colours that are shown.
    """
    masks = [str(mask) for result in results if (mask := mask_of(result)) is not None]
    polygons = PolygonSettings(smallest_area=job.choice.smallest_area, smooth=job.choice.smooth)
    return {
        "what": what,
        "masks": masks,
        "target": str(job.folder / f".{what}.zip"),
        "colours": [list(colour) for _, colour in painted(classes, palette)],
        "polygons": asdict(polygons),
        "most": MOST_PIXELS,
    }


def start(job: SegmentationJob, wanted: dict[str, Any]) -> None:
    """Queue it; what was made of the same kind with other settings goes. Raises `RunStateError`, `StoreError`."""
    store, earlier = open_store(), _runs(job, wanted["what"])
    asked = JobRequest(RunKind.COMBINATION, wanted, wanted["what"])
    store.add_job(asked, most=mapping.MOST_WAITING, launched_by=job.workspace.folder.name)
    for run in earlier:
        with suppress(RunNotFoundError):
            store.delete(run.id, running=True)
    workers.ensure_worker()


def read_state(job: SegmentationJob, wanted: dict[str, Any]) -> Combination | None:
    """How far what was `wanted` is; None where nobody has asked for just that. Raises `StoreError`."""
    run = _run_for(job, wanted)
    if run is None:
        return None
    state = mapping.STATES[run.state]
    if run.state == RunState.RUNNING:
        now = progress.read_job(run.id)
        return Combination(state, now.progress, now.seconds_left)
    if run.state == RunState.DONE:
        file = Path(wanted["target"])
        # The zip may be gone while the run still stands: then nothing was made.
        return Combination(state, file=file, notes=tuple(run.summary.get("notes", ()))) if file.is_file() else None
    return Combination(state, error=run.error)


def cancel(job: SegmentationJob, wanted: dict[str, Any]) -> None:
    """Ask it to stop; nothing of it stays."""
    run = _run_for(job, wanted)
    # It may end, or be deleted in another tab, while this is asked.
    with suppress(RunStateError, RunNotFoundError):
        if run is not None:
            open_store().request_cancel(run.id)
            announce_job(open_store().home)


def _run_for(job: SegmentationJob, wanted: dict[str, Any]) -> RunRecord | None:
    return next((run for run in _runs(job, wanted["what"]) if run.job == wanted), None)


def _runs(job: SegmentationJob, what: What) -> list[RunRecord]:
    """Those of this job, newest first."""
    whose, target = job.workspace.folder.name, str(job.folder / f".{what}.zip")
    known = open_store().list(kinds=_KIND)
    return [run for run in known if run.launched_by == whose and run.job.get("target") == target]
