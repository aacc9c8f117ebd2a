"""GIS: one or many orthophotos with polygons in any coordinate system, painted at each picture's own pixels."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.warp import transform, transform_bounds

from core import geo
from core.data.readers.pairing import pair_up
from core.data.readers.parts import parts_of
from core.data.readers.source import OUTSIDE, UNLABELLED, Asked, Labels, Misfit, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tile_vectors import TileVectors, tile_vectors
from core.data.readers.tree import PictureInfo, Tree, natural
from core.data.readers.vector_files import Polygons, is_missing, read_polygons, vector_files
from core.errors import ConfigError, DataError
from core.imagery.tiff_picture import settings

TITLE = "pictures with polygons"
_AREA = re.compile(
    r"(?:^|[\W_])(?:aoi|area|areas|extent|extents|boundary|footprint|footprints|study)(?:$|[\W_\d])", re.IGNORECASE
)
_TELLING = (
    "class", "classname", "classes", "label", "labels", "landcover", "landuse", "lulc", "category", "klasse", "classe",
    "clase", "annotation", "segment",
)  # fmt: skip
_PERHAPS = ("type", "kind", "code", "name", "id", "cat", "description", "fclass", "value", "dn", "gridcode")
_MOST_CLASSES, _FEW = 255, 40
_STEPS = 64


@dataclass(frozen=True)
class _Shapes:
    """Polygons in the coordinates of a picture, the largest first, with the code of each."""

    shapes: NDArray[Any]
    codes: list[int]


def knows(tree: Tree) -> bool:
    """Whether there are vectors, and pictures that have no masks."""
    return bool(tree.pictures) and bool(vector_files(tree)) and not pair_up(tree, tree.pictures).masks


def read(tree: Tree, asked: Asked) -> Source:
    """Pictures that lie where polygons do are labelled by them. Raises `DataError`, `ConfigError`."""
    misfits: list[Misfit] = []
    layers: list[Polygons] = []
    pairs, files = pair_up(tree, tree.pictures, bands=asked.bands), vector_files(tree)
    candidates = [path for path in tree.pictures if path not in set(pairs.aside)]
    tiles = tile_vectors(tree, candidates, files)
    for path in files:
        try:
            layers += read_polygons(tree, path)
        except DataError as error:
            misfits.append(Misfit("vectors", tree.relative(path), str(error).rstrip(".")))
    if not layers:
        raise DataError(
            misfits[0].reason + "."
            if misfits
            else "The vectors hold no polygons: draw outlines of the classes; give lines and points a width first, for "
            "example by Buffer in QGIS."
        )
    layers = [replace(layer, name=tiles.kinds.get(layer.file, layer.name)) for layer in layers]
    areas = _areas(tree, layers, asked, tiles)
    layers = [layer for layer in layers if layer not in areas]
    if not layers:
        raise DataError("There are polygons of an area alone: add those that tell classes.")
    codes, classes, notes = _codes(layers, asked.attribute, tiled=bool(tiles.kinds))
    placed = _Placed(tree, layers, codes, areas, tiles)
    notes += pairs.notes
    stems, parts = unique_stems(tree, candidates), parts_of(tree, candidates, notes)
    pictures = [SourcePicture(path, stems[path], parts.get(path), placed.labels(path, misfits)) for path in candidates]
    if not any(picture.labels for picture in pictures):
        raise DataError(
            misfits[0].reason + "."
            if misfits
            else "No polygon lies on a picture: check the coordinate systems of both."
        )
    return Source(TITLE, tuple(pictures), "names", classes, notes=(*notes, *placed.notes), misfits=tuple(misfits))


class _Placed:
    """Polygons brought onto pictures, and what is to be said of that."""

    def __init__(
        self,
        tree: Tree,
        layers: Sequence[Polygons],
        codes: Sequence[list[int]],
        areas: Sequence[Polygons],
        tiles: TileVectors,
    ) -> None:
        self._tree, self._areas, self._tiles = tree, areas, tiles
        self._of_file: dict[Path, list[tuple[Polygons, list[int]]]] = defaultdict(list)
        for layer, own in zip(layers, codes, strict=True):
            self._of_file[layer.file].append((layer, own))
        self.notes: list[str] = []

    def labels(self, path: Path, misfits: list[Misfit]) -> Callable[[], Labels] | None:
        """What reads the labels of a picture; None where no polygon lies on it."""
        try:
            info = self._tree.decoder.info_of(path)
        except DataError:
            # It is told of when the picture itself is read.
            return None
        if info.transform is None:
            self._note("Pictures that do not say where they lie stay without labels.")
            return None
        if info.crs is None:
            self._note("Pictures that name no coordinate system are taken to have that of the polygons.")
        try:
            shapes, areas = self._in(info, path)
        except DataError as error:
            misfits.append(Misfit("labels", self._tree.relative(path), str(error).rstrip(".")))
            return None
        own, inside = _near(shapes, info, 0, info.height), _near(areas, info, 0, info.height)
        # A file of its own without a polygon says that there is nothing of the classes here.
        if not _covers(inside if self._areas else own, info) and (self._areas or path not in self._tiles.of):
            return None

        def rows(top: int, bottom: int) -> NDArray[np.int32]:
            codes = _burnt(_near(own, info, top, bottom), info, top, bottom, OUTSIDE)
            if self._areas:
                covered = _burnt(_near(inside, info, top, bottom), info, top, bottom, 0)
                codes[covered == 0] = UNLABELLED
            return codes

        return lambda: Labels(info.height, info.width, rows)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _in(self, info: PictureInfo, path: Path) -> tuple[_Shapes, _Shapes]:
        """Polygons and areas that may lie on a picture, in its system: of its own files and of those that are nobody's.

        Raises `DataError`.
        """
        files = [*self._tiles.of.get(path, ()), *(file for file in self._of_file if file not in self._tiles.kinds)]
        pairs = [pair for file in files for pair in self._of_file.get(file, ())]
        found, codes = _together([layer for layer, _ in pairs], [own for _, own in pairs], info)
        areas, ones = _together(self._areas, [[1] * len(area.shapes) for area in self._areas], info)
        return _sorted(found, codes), _sorted(areas, ones)


def _areas(tree: Tree, layers: Sequence[Polygons], asked: Asked, tiles: TileVectors) -> list[Polygons]:
    """The layers that bound what is labelled: as a person says, or by their names. Raises `ConfigError`."""
    if asked.area is None:
        shared = [layer for layer in layers if layer.file not in tiles.kinds]
        named = [layer for layer in shared if _AREA.search(layer.name) or _AREA.search(layer.file.stem)]
        return named if len(named) < len(layers) else []
    wanted = asked.area.lower()
    found = [
        layer
        for layer in layers
        if wanted in (layer.name.lower(), layer.file.name.lower(), tree.relative(layer.file).lower())
    ]
    if not found:
        names = ", ".join(sorted({layer.name for layer in layers}))
        raise ConfigError(f"No polygons are called {asked.area}: the source has {names}.")
    return found


def _codes(
    layers: Sequence[Polygons], asked: str | None, *, tiled: bool = False
) -> tuple[list[list[int]], tuple[SourceClass, ...], list[str]]:
    """The code of each polygon, layer by layer, the classes, and what was decided. Raises `ConfigError`.

    Of files that are one a picture (`tiled`) an attribute tells the class only where its name says so: how few values
    it has in one small file tells nothing.
    """
    known = list(dict.fromkeys(name for layer in layers for name in layer.attributes))
    match = None if asked is None else next((name for name in known if name.lower() == asked.lower()), None)
    if asked is not None and match is None:
        raise ConfigError(f"No polygon has the attribute {asked}: there are {', '.join(known) or 'none'}.")
    names: list[list[str | None]] = []
    taken: list[str] = []
    for layer in layers:
        attribute = match if match in layer.attributes else None if asked is not None else _attribute(layer, tiled)
        if attribute is None:
            names.append([layer.name] * len(layer.shapes))
            continue
        taken.append(attribute)
        names.append([None if is_missing(value) else _text(value) for value in layer.attributes[attribute]])
    every = sorted({name for each in names for name in each if name is not None}, key=natural)
    if len(every) > _MOST_CLASSES:
        raise ConfigError(
            f"The attribute {taken[0]} has {len(every):,} values: name another with --attribute ({', '.join(known)})."
        )
    numeric = all(name.isdecimal() and len(name) < 9 for name in every)
    codes = {name: int(name) if numeric else at for at, name in enumerate(every, start=1)}
    classes = tuple(SourceClass(code, f"Class {name}" if numeric else name) for name, code in codes.items())
    notes = []
    if taken and asked is None:
        others = [name for name in known if name not in taken]
        more = f" (--attribute otherwise: {', '.join(others[:12])})" if others else ""
        notes.append(f"The attribute {', '.join(dict.fromkeys(taken))} tells the class{more}.")
    return [[UNLABELLED if name is None else codes[name] for name in each] for each in names], classes, notes


def _attribute(layer: Polygons, tiled: bool) -> str | None:
    """The attribute that most likely tells the class: by its name, else by how few values it has; None where none."""
    plain = {re.sub(r"[\W_]", "", name.lower()): name for name in layer.attributes}
    counts = {name: len({_text(v) for v in values if not is_missing(v)}) for name, values in layer.attributes.items()}
    size = len(layer.shapes)
    for word in _TELLING:
        if word in plain and 1 <= counts[plain[word]] <= _MOST_CLASSES:
            return plain[word]
    if tiled:
        return None
    for word in _PERHAPS:
        if word in plain and 2 <= counts[plain[word]] <= _FEW and counts[plain[word]] < size:
            return plain[word]
    texts = [name for name, values in layer.attributes.items() if any(isinstance(value, str) for value in values)]
    few = [name for name in texts if 2 <= counts[name] <= _FEW and (counts[name] < size or size <= 8)]
    return min(few, key=lambda name: counts[name], default=None)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else " ".join(str(value).split())[:60]


def _together(
    layers: Sequence[Polygons], codes: Sequence[list[int]], info: PictureInfo
) -> tuple[NDArray[Any], list[int]]:
    """All polygons of layers that may lie on a picture, in its coordinates, and their codes."""
    parts, kept = [np.zeros(0, object)], []
    for layer, own in zip(layers, codes, strict=True):
        moved, which = _moved(layer, info)
        parts.append(moved)
        kept += [own[at] for at in which]
    return np.concatenate(parts), kept


def _moved(layer: Polygons, info: PictureInfo) -> tuple[NDArray[Any], list[int]]:
    """The polygons of a layer that may lie on a picture, in its system, and their places in the layer.

    Long edges get corners on the way: a straight edge in one system is none in another.
    """
    everything = list(range(len(layer.shapes)))
    if info.crs is None or layer.crs is None:
        return layer.shapes, everything
    sentence = f"{layer.file.name} cannot be brought into the coordinates of the picture: give it another system."
    with geo.calls(sentence, DataError), settings():
        if CRS.from_user_input(layer.crs) == CRS.from_user_input(info.crs):
            return layer.shapes, everything
        left, low, right, high = transform_bounds(info.crs, layer.crs, *_box(info, 0, info.height))
        step = max(float(np.hypot(right - left, high - low)) / _STEPS, 1e-9)
        near = shapely.box(left - step, low - step, right + step, high + step)
        which = np.flatnonzero(shapely.intersects(shapely.envelope(layer.shapes), near))

        def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
            x, y = transform(layer.crs, info.crs, points[:, 0].tolist(), points[:, 1].tolist())
            return np.stack([np.asarray(x), np.asarray(y)], axis=1)

        moved = shapely.transform(shapely.segmentize(layer.shapes[which], step), move)
        return np.asarray(moved, object), which.tolist()


@geo.calls("its polygons cannot be measured: check their shapes", DataError)
def _sorted(shapes: NDArray[Any], codes: Sequence[int]) -> _Shapes:
    """The largest first, so that the smaller of two that overlap is seen. Shapes that lie nowhere are left out."""
    order = np.argsort(-np.nan_to_num(shapely.area(shapes)), kind="stable").tolist() if len(shapes) else []
    kept = [at for at in order if shapes[at] is not None and np.isfinite(shapely.bounds(shapes[at])).all()]
    return _Shapes(shapes[kept] if kept else np.zeros(0, object), [codes[at] for at in kept])


def _box(info: PictureInfo, top: int, bottom: int) -> tuple[float, float, float, float]:
    """Where these rows of a picture lie: left, bottom, right and top."""
    assert info.transform is not None
    a, b, c, d, e, f = info.transform
    corners = [(a * x + b * y + c, d * x + e * y + f) for x in (0, info.width) for y in (top, bottom)]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


@geo.calls("its polygons cannot be compared with the picture: check their shapes", DataError)
def _near(shapes: _Shapes, info: PictureInfo, top: int, bottom: int) -> _Shapes:
    """Those that may touch these rows."""
    if not shapes.codes:
        return shapes
    left, low, right, high = _box(info, top, bottom)
    bounds = shapely.bounds(shapes.shapes)
    touch = (bounds[:, 0] <= right) & (bounds[:, 2] >= left) & (bounds[:, 1] <= high) & (bounds[:, 3] >= low)
    kept = np.flatnonzero(touch).tolist()
    return _Shapes(shapes.shapes[touch], [shapes.codes[at] for at in kept])


@geo.calls("its polygons cannot be compared with the picture: check their shapes", DataError)
def _covers(shapes: _Shapes, info: PictureInfo) -> bool:
    """Whether any reaches between the middles of the outermost pixels; one that touches an edge labels none."""
    if not shapes.codes:
        return False
    assert info.transform is not None
    a, b, c, d, e, f = info.transform
    right, low = info.width - 0.5, info.height - 0.5
    middles = [(0.5, 0.5), (right, 0.5), (right, low), (0.5, low)]
    hull = shapely.MultiPoint([(a * x + b * y + c, d * x + e * y + f) for x, y in middles]).convex_hull
    return bool(shapely.intersects(shapes.shapes, hull).any())


@geo.calls("its polygons cannot be painted: check their shapes", DataError)
def _burnt(shapes: _Shapes, info: PictureInfo, top: int, bottom: int, empty: int) -> NDArray[np.int32]:
    """The codes (bottom - top, W) of these rows, `empty` where no polygon is."""
    found = np.full((bottom - top, info.width), empty, np.int32)
    if shapes.codes:
        assert info.transform is not None
        with settings():
            a, b, c, d, e, f = info.transform
            place = Affine(a, b, c + b * top, d, e, f + e * top)
            rasterize(list(zip(shapes.shapes, shapes.codes, strict=True)), out=found, transform=place)
    return found
