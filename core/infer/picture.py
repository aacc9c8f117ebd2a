"""One picture → all files that were asked for: mask, probabilities, polygons, areas, difference from a teacher.

The mask is written strip by strip into a plain GeoTIFF aside; everything else is made from that file. A picture that is
cancelled or refused leaves no file.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from core.cards import ModelCard
from core.checkpoint import Loaded
from core.classes import ClassMap
from core.errors import ConfigError
from core.events import Cancelled, OnProgress, Progress
from core.files import write_aside
from core.image import encode_webp
from core.imagery.ground import ground_ratio
from core.infer.outputs.areas import Area, AreaCounter, to_csv
from core.infer.outputs.difference import difference_names, write_difference
from core.infer.outputs.geotiff import (
    CONFIDENCE,
    ConfidenceWriter,
    MaskWriter,
    ProbabilityWriter,
    gdal,
    read_mask,
    to_cog,
    to_png,
)
from core.infer.outputs.map_report import UNSURE_BELOW, MapReport, report_html
from core.infer.outputs.mask_polygons import PolygonSettings
from core.infer.outputs.qgis_style import ClassColours, qml
from core.infer.outputs.thumbnail import Thumbnail
from core.infer.outputs.vectors import write_geojson, write_gpkg
from core.infer.stitching import Strip
from core.infer.stream import OnRead, SeenSource, WindowSource, segment
from core.infer.tiling import Tiling, Window
from core.normalise import Normaliser

_PHOTOS = {".jpg", ".jpeg", ".jp2", ".tiff", ".vrt"}


@dataclass(frozen=True)
class Wanted:
    """Which files to write: STEM.png, STEM.tif, STEM_probabilities.tif, STEM.geojson, STEM.gpkg, STEM_areas.csv,
    STEM_report.html, and STEM_photo.webp (an overview of the picture). STEM.qml, the style of mask and polygons in
    QGIS, comes with STEM.tif; polygons without it bring STEM_polygons.qml. Polygons or a report
    beside STEM.tif bring STEM_confidence.tif: how sure the model is, for `core.infer.outputs.together`.

    With a teacher come STEM_difference.tif and its areas."""

    png: bool = True
    tif: bool = False
    probabilities: bool = False
    geojson: bool = False
    gpkg: bool = False
    areas: bool = False
    photo: bool = False
    report: bool = False

    @property
    def needs_confidence(self) -> bool:
        """Whether a file says how sure the model is: polygons and the report do."""
        return self.geojson or self.gpkg or self.report


@dataclass
class PictureOutputs:
    """What came of one picture; `notes` are sentences on what could not be worked out."""

    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    differences: list[Area] = field(default_factory=list)


def predict_picture(
    picture: WindowSource,
    stem: Path,
    loaded: Loaded,
    wanted: Wanted,
    *,
    device: torch.device | str,
    tiling: Tiling | None = None,
    polygons: PolygonSettings | None = None,
    teacher: Loaded | None = None,
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
    for_teacher: WindowSource | None = None,
) -> PictureOutputs:
    """Segment a picture into files that start with `stem`.

    `for_teacher` is the same picture in the bands of a teacher that takes others than the model.

    Raises `ImageError`, `GeoError`, `DeviceError`, `DiskFullError`, `CancelledError`, `OSError` (the folder),
    `MemoryError`, and `ConfigError` when the teacher knows other classes.
    """
    if teacher is not None:
        check_comparable(loaded, teacher)
    stem.parent.mkdir(parents=True, exist_ok=True)
    with gdal(), tempfile.TemporaryDirectory(prefix=".terrastill-", dir=stem.parent) as folder:
        work = _Work(picture, stem, Path(folder), device, tiling or Tiling(), polygons or PolygonSettings(), cancelled)
        with work.all_or_nothing():
            share = 1 if teacher is None else 2
            mask = work.segment(loaded, wanted, _part(progress, 0, share))
            work.export(mask, loaded.card.classes, wanted)
            if wanted.report:
                work.report(mask, loaded.card)
            if teacher is not None:
                reference = work.segment(
                    teacher, Wanted(), _part(progress, 1, share), name="teacher", source=for_teacher
                )
                work.compare(loaded.card.classes, student=mask, teacher=reference)
        return work.outputs


def check_comparable(loaded: Loaded, teacher: Loaded) -> None:
    """Raises `ConfigError` when two models know different classes."""
    if teacher.card.classes.scored_names != loaded.card.classes.scored_names:
        raise ConfigError("The two models know different classes, so their masks cannot be compared.")


class _Work:
    """The steps for one picture, and what they gave so far."""

    def __init__(
        self,
        picture: WindowSource,
        stem: Path,
        folder: Path,
        device: torch.device | str,
        tiling: Tiling,
        polygons: PolygonSettings,
        cancelled: Cancelled | None,
    ) -> None:
        self.outputs = PictureOutputs()
        self._begun: list[Path] = []
        self._confidence: ConfidenceWriter | None = None
        self._thumbnail: Thumbnail | None = None
        self._picture, self._stem, self._folder = picture, stem, folder
        self._device, self._tiling, self._polygons, self._cancelled = device, tiling, polygons, cancelled

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What was written within it is removed again unless the block comes to its end."""
        finished = False
        try:
            yield
            finished = True
        finally:
            for path in () if finished else self._begun:
                path.unlink(missing_ok=True)
                path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)

    def segment(
        self,
        loaded: Loaded,
        wanted: Wanted,
        progress: OnProgress | None,
        *,
        name: str = "mask",
        source: WindowSource | None = None,
    ) -> Path:
        """Write the mask of one model aside, and what can only be written while it is made."""
        info, card = self._picture.info, loaded.card
        tiling = Tiling(**{**self._tiling.__dict__, "ground_ratio": ground_ratio(info, card.metres_per_pixel)})
        writer = MaskWriter(self._folder / f"{name}.tif", info, card.classes.scored_names, card.classes.colours)
        counter = AreaCounter(info, card.classes.scored_names)
        writers = [lambda strip: writer.write(strip.y, strip.mask), lambda strip: counter.add(strip.y, strip.mask)]
        shares = None
        if wanted.probabilities:
            shares = ProbabilityWriter(self._folder / f"{name}_probabilities.tif", info, card.classes)
            writers.append(shares.write)
        sure = ConfidenceWriter(self._folder / f"{name}_confidence.tif", info) if wanted.needs_confidence else None
        writers += [sure.write] if sure is not None else []
        with_shares = wanted.probabilities or wanted.needs_confidence
        thumbnail = Thumbnail(info.height, info.width) if wanted.photo or wanted.report else None
        strips = segment(
            source or self._picture,
            loaded.model,
            outputs=card.classes.outputs,
            normaliser=Normaliser.of_card(card, self._device, card.bands),
            tiling=tiling,
            progress=progress,
            cancelled=self._cancelled,
            probabilities=with_shares,
            on_read=None if thumbnail is None else self._to_thumbnail(thumbnail, colours=card.bands.is_colours),
        )
        _write_all(strips, writers, at_once=with_shares)
        writer.close()
        if name == "mask":
            self.outputs.areas = counter.areas()
            self.outputs.notes += [counter.why_not] if counter.why_not else []
        if sure is not None:
            sure.close()
            self._confidence = sure
        if shares is not None:
            shares.close()
            self._made("_probabilities.tif", lambda target: to_cog(shares.path, target))
        self._thumbnail = thumbnail
        if thumbnail is not None and wanted.photo:
            data = encode_webp(thumbnail.picture)
            self._made("_photo.webp", lambda target: write_aside(target, lambda aside: aside.write_bytes(data)))
        return writer.path

    def _to_thumbnail(self, thumbnail: Thumbnail, *, colours: bool) -> OnRead:
        """Takes each window that is read, in the colours in which a person sees it."""
        picture = self._picture
        if colours or not isinstance(picture, SeenSource):
            return thumbnail.add

        def add(window: Window, _: NDArray[Any]) -> None:
            thumbnail.add(window, picture.read_seen(window.y, window.x, window.height, window.width)[0])

        return add

    def export(self, mask: Path, classes: ClassMap, wanted: Wanted) -> None:
        """Everything that is made from a mask on disk."""
        legend = ClassColours(classes.scored_names, classes.colours)
        if wanted.png:
            self._made(".png", lambda target: to_png(mask, target))
        if wanted.tif:
            self._made(".tif", lambda target: to_cog(mask, target, classes.scored_names))
        if wanted.tif and self._confidence is not None:
            sure = self._confidence.path
            self._made(CONFIDENCE, lambda target: to_cog(sure, target))
        if wanted.geojson:
            self._polygonal(".geojson", write_geojson, mask, legend)
        if wanted.gpkg:
            self._polygonal(".gpkg", write_gpkg, mask, legend)
        if wanted.tif or wanted.gpkg or wanted.geojson:
            self._text(self._style_ending(wanted), qml(legend))
        if wanted.areas:
            self._text("_areas.csv", to_csv(self.outputs.areas, self._picture.info.given_metres))

    def report(self, mask: Path, card: ModelCard) -> None:
        """The picture, its classes, their areas and where the model is unsure, as HTML. After `segment`."""
        assert self._thumbnail is not None
        assert self._confidence is not None
        info, photo = self._picture.info, self._thumbnail.picture
        shape = photo.shape[:2]
        shown = MapReport(
            title=self._stem.name,
            model=card.name,
            photo=photo,
            mask=read_mask(mask, None, shape),
            confidence=read_mask(self._confidence.path, None, shape),
            unsure=self._confidence.share_below(UNSURE_BELOW),
            size=(info.width, info.height),
            names=card.classes.scored_names,
            colours=card.classes.colours[: card.classes.outputs],
            areas=self.outputs.areas,
            metres_per_pixel=info.metres_per_pixel,
            notes=(*info.notes, *self.outputs.notes),
        )
        self._text("_report.html", report_html(shown))

    def _style_ending(self, wanted: Wanted) -> str:
        """QGIS takes STEM.qml by itself, for the mask and, if it lies there under another ending, for the photo too."""
        beside = {path.suffix.lower() for path in self._stem.parent.glob(f"{escape(self._stem.name)}.*")}
        return "_polygons.qml" if not wanted.tif or beside & _PHOTOS else ".qml"

    def _polygonal(self, ending: str, write: Callable[..., list[str]], mask: Path, legend: ClassColours) -> None:
        sure = None if self._confidence is None else self._confidence.path

        def make(target: Path) -> None:
            self.outputs.notes += write(mask, target, self._picture.info, legend, self._polygons, sure)

        self._made(ending, make)

    def compare(self, classes: ClassMap, *, student: Path, teacher: Path) -> None:
        """The difference from the teacher's mask, as a raster and as areas."""
        plain = self._folder / "difference.tif"
        self.outputs.differences = write_difference(
            plain, self._picture.info, classes, student=student, teacher=teacher
        )
        self._made("_difference.tif", lambda target: to_cog(plain, target, difference_names(classes)))
        self._text("_difference_areas.csv", to_csv(self.outputs.differences, self._picture.info.given_metres))

    def _text(self, ending: str, text: str) -> None:
        self._made(ending, lambda target: write_aside(target, lambda aside: aside.write_text(text, encoding="utf-8")))

    def _made(self, ending: str, make: Callable[[Path], object]) -> None:
        target = self._stem.with_name(self._stem.name + ending)
        self._begun.append(target)
        make(target)
        self.outputs.files.append(target)


def _write_all(strips: Iterator[Strip], writers: Sequence[Callable[[Strip], None]], *, at_once: bool) -> None:
    """Write each strip while the next is made; `at_once` before that, for strips whose memory is used again."""

    def write_strip(strip: Strip) -> None:
        with gdal():
            for write in writers:
                write(strip)

    with ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for strip in strips:
            if writing is not None:
                writing.result()
            writing = writer.submit(write_strip, strip)
            if at_once:
                writing.result()
        if writing is not None:
            writing.result()


def _part(progress: OnProgress | None, at: int, of: int) -> OnProgress | None:
    """Reports pass `at` of `of` as a share of all of them."""
    if progress is None:
        return None
    return lambda now: progress(Progress(at * now.total + now.done, of * now.total))


def output_files(stem: Path) -> Iterator[Path]:
    """Every file that `predict_picture` may write for a stem."""
    endings = (".png", ".tif", ".tif.aux.xml", "_probabilities.tif", ".geojson", ".gpkg", ".qml", "_polygons.qml")
    more = (
        CONFIDENCE,
        "_report.html",
        "_areas.csv",
        "_photo.webp",
        "_difference.tif",
        "_difference.tif.aux.xml",
        "_difference_areas.csv",
    )
    yield from (stem.with_name(stem.name + ending) for ending in (*endings, *more))
