"""Results of a visitor's pictures put together, as a run: a mosaic of them, or what changed between two, as one zip.

The zip lies among the results and goes with them. An attempt that follows a killed one begins again.
"""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.events import Cancelled, OnProgress, Progress
from core.files import write_aside
from core.infer.outputs.mask_polygons import PolygonSettings
from core.infer.outputs.together import change, mosaic


def execute(job: dict[str, Any], folder: Path, *, emit: OnProgress, cancelled: Cancelled, runs: Path) -> dict[str, Any]:
    """Make the zip that `job` asks for; gives its bytes and notes on what could not be worked out.

    Args:
        job: `what` is `mosaic` or `change`; `masks` are GeoTIFFs of predictions, for a change the earlier one first;
            `target` is the zip; `colours` by class; `polygons` are values of `PolygonSettings`; `most` the pixels that
            it may have.
        folder: The run's folder; nothing is written into it.
        emit: Takes a `Progress`.
        cancelled: Asked between parts of the work; what was begun is removed then.
        runs: The folder of all runs.

    Raises:
        ConfigError, GeoError, DiskFullError: As `mosaic` and `change`.
        RunError: The results are gone, or cannot be written.
        CancelledError: It was stopped.
    """
    del folder, runs
    masks, target = [Path(mask) for mask in job["masks"]], Path(job["target"])
    emit(Progress(0, 0, "Opening the masks"))
    aside = target.with_suffix("")
    try:
        if not all(mask.is_file() for mask in masks):
            raise RunError("The results were deleted before they were put together: segment the images again.")
        shutil.rmtree(aside, ignore_errors=True)
        # Not its parents: a folder that the visitor deleted is not made again.
        aside.mkdir()
        try:
            notes = _make(job, masks, aside / job["what"], emit, cancelled)
            emit(Progress(0, 0, "Packing the files"))
            write_aside(target, lambda path: _zip(aside, path, notes))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return {"bytes": target.stat().st_size, "notes": notes}
    except OSError as error:
        raise RunError(f"The files cannot be written ({error.strerror or 'unknown'}): try again.") from error


def _make(
    job: dict[str, Any], masks: Sequence[Path], stem: Path, emit: OnProgress, cancelled: Cancelled
) -> Sequence[str]:
    options = {
        "settings": PolygonSettings(**job["polygons"]),
        "most": job["most"],
        "colours": [tuple(colour) for colour in job["colours"]],
        "progress": emit,
        "cancelled": cancelled,
    }
    made = change(masks[0], masks[-1], stem, **options) if job["what"] == "change" else mosaic(masks, stem, **options)
    return made.notes


def _zip(folder: Path, target: Path, notes: Sequence[str]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, file.name)
        if notes:
            packed.writestr("notes.txt", "".join(f"{note}\n" for note in notes))
