"""Masks of several pictures together: a mosaic of places beside each other, and what changed between two dates.

Both take GeoTIFFs that `core.infer.outputs.geotiff` wrote, on one grid (`core.infer.outputs.placed_masks`).
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
from numpy.typing import NDArray
from rasterio.windows import Window

from core import geo
from core.classes import ClassMap, Colour
from core.errors import ConfigError
from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.files import write_aside
from core.imagery.limits import Info, Limits
from core.infer.outputs.areas import Area, AreaCounter, to_csv
from core.infer.outputs.difference import difference_colours, difference_names, write_difference
from core.infer.outputs.geotiff import CONFIDENCE, ConfidenceWriter, MaskWriter, gdal, to_cog
from core.infer.outputs.mask_polygons import PolygonSettings
from core.infer.outputs.placed_masks import ROWS, PlacedMask, check_size, common_grid, open_mask, strips
from core.infer.outputs.qgis_style import ClassColours, qml
from core.infer.outputs.vectors import write_geojson, write_gpkg
from core.infer.tiling import NO_DATA

_UNSURE = (
    "The polygons do not say how sure the model was: segment the pictures with polygons or a report, which keep that "
    f"(STEM{CONFIDENCE})."
)
_UNLABELLED: tuple[str, Colour] = ("no class", (0, 0, 0))


@dataclass(frozen=True)
class _Steps:
    """Says how far the work is, and ends it where somebody asked for that."""

    progress: OnProgress | None
    cancelled: Cancelled | None

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
        """Before each part. Raises `CancelledError`."""
        if self.cancelled is not None and self.cancelled():
            raise CancelledError
        if self.progress is not None:
            self.progress(Progress(done, total, doing))


@dataclass
class Together:
    """What was made of several masks: its files, its areas, and sentences on what could not be worked out."""

    files: list[Path] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def mosaic(
    masks: Sequence[Path],
    stem: Path,
    *,
    settings: PolygonSettings,
    most: int = Limits().pixels,
    colours: Sequence[Colour] = (),
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> Together:
    """One mask of several pictures, and one layer of polygons.

    Writes STEM.tif, STEM.gpkg, STEM.geojson, STEM.qml and STEM_areas.csv. Where pictures overlap
    the first one counts, so that no ground is there twice.

    Args:
        masks: At least two, of the same classes.
        stem: Where the files go.
        settings: Of the polygons.
        most: Pixels that the mosaic may have.
        colours: By class, instead of those of the masks.
        progress: Takes how far it is.
        cancelled: Asked between parts of the work.

    Raises:
        CancelledError: It was stopped; no file is left.
        ConfigError: There is one mask alone, they know different classes, or the mosaic would be too large.
        GeoError: A mask is none of ours, has no place, or the files cannot be written.
        DiskFullError: There is no space left.
    """
    placed = _alike(masks, colours)
    info = common_grid(placed, most)
    first, steps = placed[0], _Steps(progress, cancelled)
    with _folder(stem) as folder:
        writer = MaskWriter(folder / "mosaic.tif", info, first.names, first.colours)
        counter = AreaCounter(info, first.names)
        sure = _confidence_writer(folder, info, there=any(mask.confidence for mask in placed))
        for y, mask, steps_of in strips(placed, info):
            steps("Putting the masks together", y, info.height)
            writer.write(y, mask)
            counter.add(y, mask)
            if sure is not None:
                sure.write_steps(y, steps_of)
        writer.close()
        made = Together(areas=counter.areas(), notes=[counter.why_not] if counter.why_not else [])
        legend = ClassColours(first.names, first.colours)
        _write(made, writer.path, stem, info, legend, settings, steps, _closed(sure, made))
    return made


def _confidence_writer(folder: Path, info: Info, *, there: bool) -> ConfidenceWriter | None:
    """Takes how sure the model was; None where the masks do not have that beside them."""
    return ConfidenceWriter(folder / "confidence.tif", info) if there else None


def _closed(sure: ConfidenceWriter | None, made: Together) -> Path | None:
    """The file that it wrote, or a note that nobody knows."""
    if sure is None:
        made.notes.append(_UNSURE)
        return None
    sure.close()
    return sure.path


def change(
    before: Path,
    after: Path,
    stem: Path,
    *,
    settings: PolygonSettings,
    most: int = Limits().pixels,
    colours: Sequence[Colour] = (),
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> Together:
    """What changed between two masks of one place: STEM.tif, STEM.gpkg of the changed places, STEM_areas.csv.

    Args:
        before: The earlier one, whose grid counts.
        after: The later one, of the same classes.
        stem: Where the files go.
        settings: Of the polygons.
        most: Pixels that the earlier mask may have.
        colours: By class, instead of those of the masks.
        progress: Takes how far it is.
        cancelled: Asked between parts of the work.

    Raises:
        CancelledError: It was stopped; no file is left.
        ConfigError: They know different classes, share no ground, or are too large.
        GeoError: A mask is none of ours, has no place, or the files cannot be written.
        DiskFullError: There is no space left.
    """
    old, new = _alike([before, after], colours)
    check_size(old.info, most)
    classes = ClassMap((*old.names, _UNLABELLED[0]), (*old.colours, _UNLABELLED[1]), len(old.names))
    steps = _Steps(progress, cancelled)
    with _folder(stem) as folder:
        sure = _confidence_writer(folder, old.info, there=bool(old.confidence and new.confidence))
        aligned = _aligned(new, old, folder / "after.tif", steps, sure)
        plain = folder / "change.tif"
        steps("Comparing the masks")
        areas = write_difference(plain, old.info, classes, student=aligned, teacher=old.path)
        if not sum(area.pixels for area in areas):
            raise ConfigError(f"{before.name} and {after.name} share no ground: give two masks of one place.")
        made = Together(areas=areas)
        target = stem.with_name(f"{stem.name}.tif")
        to_cog(plain, target, difference_names(classes))
        made.files.append(target)
        pairs, legend = _pairs(old, aligned, folder / "pairs.tif", steps)
        shown = ClassColours(difference_names(classes), difference_colours(classes))
        _polygons(made, pairs, stem, old.info, legend, settings, steps, shown, confidence=_closed(sure, made))
        _areas(made, stem)
    return made


def _alike(masks: Sequence[Path], colours: Sequence[Colour]) -> list[PlacedMask]:
    if len(masks) < 2:
        raise ConfigError("Give two masks at least.")
    placed = [open_mask(path) for path in masks]
    if colours:
        placed = [replace(mask, colours=tuple(colours[: len(mask.names)])) for mask in placed]
    for further in placed[1:]:
        if further.names != placed[0].names:
            raise ConfigError(
                f"{placed[0].path.name} and {further.path.name} know different classes: segment both with one model."
            )
    return placed


@contextmanager
def _folder(stem: Path) -> Iterator[Path]:
    """A folder for what is made aside. What was written within the block is removed unless that comes to its end."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    finished = False
    with gdal(), tempfile.TemporaryDirectory(prefix=".terrastill-", dir=stem.parent) as name:
        try:
            yield Path(name)
            finished = True
        finally:
            for ending in () if finished else (".tif", ".tif.aux.xml", ".gpkg", ".geojson", ".qml", "_areas.csv"):
                stem.with_name(stem.name + ending).unlink(missing_ok=True)


def _aligned(
    mask: PlacedMask, base: PlacedMask, target: Path, steps: _Steps, sure: ConfidenceWriter | None = None
) -> Path:
    """A mask on the grid of another; `sure` takes how sure both are: as the less sure of them."""
    info = base.info
    writer = MaskWriter(target, info, mask.names, mask.colours)
    others = strips([base], info) if sure is not None else None
    for y, rows, steps_of in strips([mask], info):
        steps("Laying one mask over the other", y, info.height)
        writer.write(y, rows)
        if sure is not None and others is not None:
            theirs = next(others)[2]
            unknown = (steps_of == NO_DATA) | (theirs == NO_DATA)
            sure.write_steps(y, np.where(unknown, NO_DATA, np.minimum(steps_of, theirs)).astype(np.uint8))
    writer.close()
    return target


def _pairs(old: PlacedMask, after: Path, target: Path, steps: _Steps) -> tuple[Path, ClassColours]:
    """A mask of the kinds of change that occur, and their names: no data where nothing changed."""
    count, codes = len(old.names), np.zeros(len(old.names) ** 2, np.bool_)
    for _, before, now in _both(old, after):
        found = np.unique(_codes(before, now, count))
        codes[found[found < count**2]] = True
    kinds = np.flatnonzero(codes)
    if len(kinds) >= NO_DATA:
        raise ConfigError(f"There are {len(kinds)} kinds of change; at most {NO_DATA - 1} are drawn.")
    numbers = np.full(count**2 + 1, NO_DATA, np.uint8)
    numbers[kinds] = np.arange(len(kinds))
    names = tuple(f"{old.names[kind // count]} → {old.names[kind % count]}" for kind in kinds)
    colours = tuple(old.colours[kind % count] for kind in kinds)
    writer = MaskWriter(target, old.info, names, colours)
    for y, before, now in _both(old, after):
        steps("Finding what changed", y, old.info.height)
        writer.write(y, numbers[_codes(before, now, count)])
    writer.close()
    return target, ClassColours(names, colours)


def _codes(before: NDArray[np.uint8], now: NDArray[np.uint8], count: int) -> NDArray[np.int32]:
    """`before` x count + `now`; count² where nothing changed, or one of them holds no data."""
    found = before.astype(np.int32) * count + now
    found[(before == now) | (before == NO_DATA) | (now == NO_DATA)] = count**2
    return found


def _both(old: PlacedMask, after: Path) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]:
    with geo.calls("The masks cannot be compared."), rasterio.open(old.path) as one, rasterio.open(after) as other:
        for y in range(0, old.info.height, ROWS):
            window = Window(0, y, old.info.width, min(ROWS, old.info.height - y))
            yield y, one.read(1, window=window), other.read(1, window=window)


def _write(
    made: Together,
    mask: Path,
    stem: Path,
    info: Info,
    legend: ClassColours,
    settings: PolygonSettings,
    steps: _Steps,
    confidence: Path | None,
) -> None:
    target = stem.with_name(f"{stem.name}.tif")
    steps("Writing the GeoTIFF")
    to_cog(mask, target, legend.names)
    made.files.append(target)
    _polygons(made, mask, stem, info, legend, settings, steps, confidence=confidence)
    _areas(made, stem)


def _polygons(
    made: Together,
    mask: Path,
    stem: Path,
    info: Info,
    legend: ClassColours,
    settings: PolygonSettings,
    steps: _Steps,
    of_mask: ClassColours | None = None,
    *,
    confidence: Path | None = None,
) -> None:
    """Polygons of `mask`, and the style of them and of STEM.tif, whose values `of_mask` names where they are others."""
    for ending, write in ((".gpkg", write_gpkg), (".geojson", write_geojson)):
        target = stem.with_name(stem.name + ending)
        steps(f"Drawing polygons ({ending[1:]})")
        made.notes += write(mask, target, info, legend, settings, confidence)
        made.files.append(target)
    style, text = stem.with_name(f"{stem.name}.qml"), qml(legend, of_mask)
    write_aside(style, partial(Path.write_text, data=text, encoding="utf-8"))
    made.files.append(style)


def _areas(made: Together, stem: Path) -> None:
    target, text = stem.with_name(f"{stem.name}_areas.csv"), to_csv(made.areas)
    write_aside(target, partial(Path.write_text, data=text, encoding="utf-8"))
    made.files.append(target)
