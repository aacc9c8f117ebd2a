"""Results of several pictures of a visitor together: one mosaic with one layer, and what changed between two dates."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.services.map_views import mask_of
from app.services.mapping import SegmentationJob
from app.services.palettes import Classes, Palette, painted
from core.errors import GeoError
from core.infer.outputs.mask_polygons import PolygonSettings

MOST_PIXELS = 200_000_000
"""That a mosaic or a change may have: made while the visitor waits."""


def placed(found: Sequence[dict[str, Any]]) -> list[int]:
    """Which of the results know where they lie."""
    from core.infer.outputs.together import open_mask

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


def mosaic_zip(job: SegmentationJob, results: Sequence[dict[str, Any]], classes: Classes, palette: Palette) -> Path:
    """One GeoTIFF, one layer of polygons and one table of several pictures, in the colours that are shown.

    Raises `ConfigError`, `GeoError`, `DiskFullError`.
    """
    from core.infer.outputs.together import mosaic

    colours = [colour for _, colour in painted(classes, palette)]
    masks = [mask for result in results if (mask := mask_of(result)) is not None]
    folder = _fresh(job, "mosaic")
    made = mosaic(masks, folder / "mosaic", settings=_settings(job), most=MOST_PIXELS, colours=colours)
    return _zip(folder, made.notes)


def change_zip(
    job: SegmentationJob, before: dict[str, Any], after: dict[str, Any], classes: Classes, palette: Palette
) -> Path:
    """What changed from one picture to another: GeoTIFF, polygons and areas. Raises as `mosaic_zip`."""
    from core.infer.outputs.together import change

    colours = [colour for _, colour in painted(classes, palette)]
    masks = [mask for result in (before, after) if (mask := mask_of(result)) is not None]
    folder = _fresh(job, "change")
    made = change(masks[0], masks[-1], folder / "change", settings=_settings(job), most=MOST_PIXELS, colours=colours)
    return _zip(folder, made.notes)


def _settings(job: SegmentationJob) -> PolygonSettings:
    return PolygonSettings(smallest_area=job.choice.smallest_area, smooth=job.choice.smooth)


def _fresh(job: SegmentationJob, name: str) -> Path:
    """A hidden folder among the results, which goes with them."""
    folder = job.folder / f".{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _zip(folder: Path, notes: Sequence[str]) -> Path:
    path = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, file.name)
        if notes:
            packed.writestr("notes.txt", "".join(f"{note}\n" for note in notes))
    shutil.rmtree(folder, ignore_errors=True)
    return path
