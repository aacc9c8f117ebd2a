"""LabelMe: a JSON a picture, with polygons, rectangles, circles and masks."""

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.data.readers.class_lists import find_list
from core.data.readers.outlines import Layer, box_ring, ellipse_ring, painted, ring_of
from core.data.readers.parts import parts_of
from core.data.readers.roles import may_be_pictures
from core.data.readers.source import Asked, Labels, Misfit, Source, SourceClass, SourcePicture
from core.data.readers.stems import numbered, safe_stem, unique_stems
from core.data.readers.tree import Tree, natural
from core.errors import DataError, ImageError
from core.image import read_raw

TITLE = "LabelMe"
_PROBED = 10
_FLAT = "shapes are points or lines, which cover no pixels"


def knows(tree: Tree) -> bool:
    """Whether a JSON has shapes and the name of a picture."""
    return any(_is_labelme(tree.document(path)) for path in tree.largest(".json")[:_PROBED])


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """Each picture with the shapes of its file, the last one on top. Raises `DataError`."""
    documents = {path: document for path in tree.ending(".json") if _is_labelme(document := tree.document(path))}
    names = {str(shape.get("label", "")) for document in documents.values() for shape in _shapes(document)}
    listed, _ = find_list(tree)
    order = [entry.name for entry in listed]
    ordered = sorted(names, key=lambda name: (order.index(name) if name in order else len(order), natural(name)))
    codes = {name: at for at, name in enumerate(ordered, start=1)}
    misfits: list[Misfit] = []
    found: dict[Path, tuple[Path | None, Mapping[str, Any]]] = {}
    for path, document in documents.items():
        picture = tree.find(str(document["imagePath"]), near=path) or tree.find(path.stem, near=path, stem=True)
        if picture is None and not isinstance(document.get("imageData"), str):
            misfits.append(Misfit("absent", str(document["imagePath"])))
            continue
        if any(_kind(shape) not in _LAYERS for shape in _shapes(document)):
            misfits.append(Misfit("stray", tree.relative(path), _FLAT))
        found[picture or path] = (picture, document)
    others = [path for path in may_be_pictures(tree) if path not in found]
    stems = numbered({**unique_stems(tree, [*found, *others])})
    notes: list[str] = []
    parts = parts_of(tree, [*found, *others], notes)
    pictures = [
        SourcePicture(
            picture,
            stems[key] if picture else safe_stem(Path(str(document["imagePath"]).replace("\\", "/")).stem),
            parts.get(key),
            _labels(tree, picture, document, codes),
            None if picture else _content(document),
        )
        for key, (picture, document) in found.items()
    ]
    pictures += [SourcePicture(path, stems[path], parts.get(path)) for path in others]
    classes = tuple(SourceClass(code, name) for name, code in codes.items())
    return Source(TITLE, tuple(pictures), "names", classes, notes=tuple(notes), misfits=tuple(misfits))


def _is_labelme(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("shapes"), list)
        and isinstance(document.get("imagePath"), str)
    )


def _shapes(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [shape for shape in document["shapes"] if isinstance(shape, dict)]


def _kind(shape: Mapping[str, Any]) -> str:
    return str(shape.get("shape_type") or "polygon")


def _content(document: Mapping[str, Any]) -> Callable[[], bytes]:
    return lambda: _bytes(document["imageData"])


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError("a picture inside of its JSON is damaged: export it again") from error


def _labels(
    tree: Tree, picture: Path | None, document: Mapping[str, Any], codes: Mapping[str, int]
) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        height, width = document.get("imageHeight"), document.get("imageWidth")
        if not isinstance(height, int) or not isinstance(width, int):
            info = (
                tree.decoder.info_of(picture)
                if picture
                else tree.decoder.info_of_bytes(_bytes(document["imageData"]), "it")
            )
            height, width = info.height, info.width
        layers = [
            _LAYERS[_kind(shape)](shape, codes[str(shape.get("label", ""))], height, width)
            for shape in _shapes(document)
            if _kind(shape) in _LAYERS
        ]
        return painted(layers, height, width, smallest_on_top=False)

    return read_labels


def _polygon(shape: Mapping[str, Any], code: int, height: int, width: int) -> Layer:  # noqa: ARG001
    return Layer(code, (ring_of(shape.get("points")),))


def _rectangle(shape: Mapping[str, Any], code: int, height: int, width: int) -> Layer:  # noqa: ARG001
    (left, top), (right, bottom) = _two(shape)
    return Layer(code, (box_ring(min(left, right), min(top, bottom), abs(right - left), abs(bottom - top)),))


def _circle(shape: Mapping[str, Any], code: int, height: int, width: int) -> Layer:  # noqa: ARG001
    (x, y), (edge_x, edge_y) = _two(shape)
    radius = math.hypot(edge_x - x, edge_y - y)
    return Layer(code, (ellipse_ring(x, y, radius, radius),))


def _mask(shape: Mapping[str, Any], code: int, height: int, width: int) -> Layer:
    """A PNG of the part between two corners, the second one inside."""
    (left, top), _ = _two(shape)
    try:
        part = read_raw(_bytes(shape.get("mask")))
    except ImageError as error:
        raise DataError("the mask of a shape is damaged: export it again") from error
    found = np.zeros((height, width), np.bool_)
    x, y = round(left), round(top)
    if part.ndim != 2 or x < 0 or y < 0 or y + part.shape[0] > height or x + part.shape[1] > width:
        raise DataError("the mask of a shape lies outside of its picture: export it again")
    found[y : y + part.shape[0], x : x + part.shape[1]] = part > 0
    return Layer(code, mask=found)


def _two(shape: Mapping[str, Any]) -> Sequence[Sequence[float]]:
    """The two corners of a shape. Raises `DataError`."""
    try:
        points = np.asarray(shape.get("points"), np.float64)
    except (ValueError, TypeError) as error:
        raise DataError("a shape has no two corners: export it again") from error
    if points.shape != (2, 2) or not np.isfinite(points).all():
        raise DataError("a shape has no two corners: export it again")
    return [[float(x), float(y)] for x, y in points]


_LAYERS: dict[str, Callable[[Mapping[str, Any], int, int, int], Layer]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "circle": _circle,
    "mask": _mask,
}
