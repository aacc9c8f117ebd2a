"""Supervisely: `meta.json` with the classes, and a JSON a picture with polygons and bitmaps."""

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.data.readers.class_lists import parse_colour
from core.data.readers.outlines import Layer, box_ring, painted, ring_of
from core.data.readers.parts import parts_of
from core.data.readers.roles import may_be_pictures
from core.data.readers.source import Asked, Labels, Misfit, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import Tree
from core.errors import DataError, ImageError
from core.image import read_mask

TITLE = "Supervisely"
_PROBED = 10
_MOST_BYTES = 64_000_000
_FLAT = "objects are points or lines, which cover no pixels"
_Object = Mapping[str, Any]


def knows(tree: Tree) -> bool:
    """Whether a JSON has objects with the title of their class, beside one that lists the classes."""
    return bool(_classes(tree)) and any(_is_picture(tree.document(path)) for path in tree.largest(".json")[:_PROBED])


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """Each picture with the objects of its file, the last one on top. Raises `DataError`."""
    classes = _classes(tree)
    codes = {each.name: each.code for each in classes}
    misfits: list[Misfit] = []
    found: dict[Path, _Object] = {}
    for path in tree.ending(".json"):
        document = tree.document(path)
        if not _is_picture(document):
            continue
        picture = tree.find(path.stem, near=path) or tree.find(path.stem, near=path, stem=True)
        if picture is None:
            misfits.append(Misfit("absent", path.stem))
            continue
        found[picture] = document
        if any(each.get("geometryType") not in _LAYERS for each in _objects(document)):
            misfits.append(Misfit("stray", tree.relative(picture), _FLAT))
    notes: list[str] = []
    pictures = [*found, *(path for path in may_be_pictures(tree) if path not in found)]
    stems, parts = unique_stems(tree, pictures), parts_of(tree, pictures, notes)
    sources = [
        SourcePicture(path, stems[path], parts.get(path), _labels(found[path], codes) if path in found else None)
        for path in pictures
    ]
    return Source(TITLE, tuple(sources), "names", classes, notes=tuple(notes), misfits=tuple(misfits))


def _classes(tree: Tree) -> tuple[SourceClass, ...]:
    """Those of `meta.json`, in its order."""
    for path in tree.ending("meta.json"):
        document = tree.document(path)
        listed = document.get("classes") if isinstance(document, dict) else None
        if isinstance(listed, list):
            known = [each for each in listed if isinstance(each, dict) and isinstance(each.get("title"), str)]
            return tuple(
                SourceClass(at, each["title"], parse_colour(each.get("color"))) for at, each in enumerate(known, 1)
            )
    return ()


def _is_picture(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("objects"), list)
        and isinstance(document.get("size"), dict)
        and all(isinstance(document["size"].get(side), int) for side in ("height", "width"))
    )


def _objects(document: _Object) -> list[_Object]:
    return [each for each in document["objects"] if isinstance(each, dict)]


def _labels(document: _Object, codes: Mapping[str, int]) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        height, width = document["size"]["height"], document["size"]["width"]
        layers = []
        for each in _objects(document):
            if (make := _LAYERS.get(each.get("geometryType"))) is None:
                continue
            name = str(each.get("classTitle"))
            if name not in codes:
                raise DataError(f"it names the class {name[:60]}, which meta.json does not list: export it again")
            layers.append(make(each, codes[name], height, width))
        return painted(layers, height, width, smallest_on_top=False)

    return read_labels


def _polygon(each: _Object, code: int, height: int, width: int) -> Layer:  # noqa: ARG001
    points = each.get("points")
    if not isinstance(points, dict):
        raise DataError("a polygon has no corners: export it again")
    inside = points.get("interior")
    return Layer(code, tuple(map(ring_of, [points.get("exterior"), *(inside if isinstance(inside, list) else [])])))


def _rectangle(each: _Object, code: int, height: int, width: int) -> Layer:  # noqa: ARG001
    points = each.get("points")
    try:
        ring = np.asarray(points["exterior"], np.float64) if isinstance(points, dict) else np.zeros(0)
    except (KeyError, TypeError, ValueError):
        ring = np.zeros(0)
    if ring.shape != (2, 2) or not np.isfinite(ring).all():
        raise DataError("a rectangle has no two corners: export it again")
    (left, top), (right, bottom) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
    return Layer(code, (box_ring(left, top, right - left, bottom - top),))


def _bitmap(each: _Object, code: int, height: int, width: int) -> Layer:
    """A packed PNG of a part of the picture, and where it lies."""
    bitmap = each.get("bitmap")
    try:
        if not isinstance(bitmap, dict):
            raise ValueError
        unpacked = zlib.decompressobj()
        data = unpacked.decompress(base64.b64decode(str(bitmap["data"]), validate=True), _MOST_BYTES)
        left, top = (int(value) for value in bitmap["origin"])
        stored = read_mask(data)
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error, ImageError) as error:
        raise DataError("the bitmap of an object is damaged: export it again") from error
    values = stored.values if stored.values.ndim == 2 else stored.values.max(axis=2)
    part = (values > 0) if stored.labelled is None else (values > 0) & stored.labelled
    found = np.zeros((height, width), np.bool_)
    if left < 0 or top < 0 or top + part.shape[0] > height or left + part.shape[1] > width:
        raise DataError("the bitmap of an object lies outside of its picture: export it again")
    found[top : top + part.shape[0], left : left + part.shape[1]] = part
    return Layer(code, mask=found)


_LAYERS: dict[Any, Callable[[_Object, int, int, int], Layer]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "bitmap": _bitmap,
}
