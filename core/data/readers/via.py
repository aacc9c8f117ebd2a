"""VGG Image Annotator: one JSON of all pictures, with polygons, rectangles, circles and ellipses."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.data.readers.outlines import Layer, Ring, box_ring, ellipse_ring, painted, ring_of
from core.data.readers.parts import parts_of
from core.data.readers.roles import may_be_pictures
from core.data.readers.source import UNLABELLED, Asked, Labels, Misfit, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import Tree, natural
from core.errors import DataError

TITLE = "VGG Image Annotator"
_TELLING = ("class", "label", "name", "category", "type")
_FLAT = "shapes are points or lines, which cover no pixels"
_Region = Mapping[str, Any]


def knows(tree: Tree) -> bool:
    """Whether a JSON has the regions of pictures, as the program exports or saves them."""
    return any(_entries(tree.document(path)) for path in tree.largest(".json"))


def read(tree: Tree, asked: Asked) -> Source:
    """Each picture with its regions, the smaller of two that overlap on top. Raises `DataError`, `ConfigError`."""
    entries = [(path, entry) for path in tree.ending(".json") for entry in _entries(tree.document(path))]
    attribute = asked.attribute or _attribute(entry for _, entry in entries)
    names = {name for _, entry in entries for region in _regions(entry) if (name := _name(region, attribute))}
    codes = {name: at for at, name in enumerate(sorted(names, key=natural), start=1)}
    misfits: list[Misfit] = []
    found: dict[Path, _Region] = {}
    for path, entry in entries:
        picture = tree.find(str(entry["filename"]), near=path)
        if picture is None:
            misfits.append(Misfit("absent", str(entry["filename"])))
            continue
        found[picture] = entry
        if any(_shape(region).get("name") not in _RINGS for region in _regions(entry)):
            misfits.append(Misfit("stray", tree.relative(picture), _FLAT))
    notes: list[str] = [f"The attribute {attribute} tells the class."] if attribute else []
    pictures = [*found, *(path for path in may_be_pictures(tree) if path not in found)]
    stems, parts = unique_stems(tree, pictures), parts_of(tree, pictures, notes)
    sources = [
        SourcePicture(
            path,
            stems[path],
            parts.get(path),
            _labels(tree, path, found[path], attribute, codes) if path in found and _regions(found[path]) else None,
        )
        for path in pictures
    ]
    classes = tuple(SourceClass(code, name) for name, code in codes.items())
    return Source(TITLE, tuple(sources), "names", classes, notes=tuple(notes), misfits=tuple(misfits))


def _entries(document: Any) -> list[_Region]:
    """Those of pictures with their regions; empty for a JSON of another kind."""
    if isinstance(document, dict) and isinstance(document.get("_via_img_metadata"), dict):
        document = document["_via_img_metadata"]
    if not isinstance(document, dict) or not document:
        return []
    found: list[_Region] = [value for value in document.values() if isinstance(value, dict)]
    fits = [each for each in found if isinstance(each.get("filename"), str) and "regions" in each]
    return fits if len(fits) == len(document) else []


def _regions(entry: _Region) -> list[_Region]:
    """A list, or in old files an object by number."""
    regions = entry["regions"]
    values = regions.values() if isinstance(regions, dict) else regions if isinstance(regions, list) else []
    return [region for region in values if isinstance(region, dict) and isinstance(_shape(region), dict)]


def _shape(region: _Region) -> Any:
    return region.get("shape_attributes")


def _attribute(entries: Iterator[_Region]) -> str:
    """The attribute of regions that most likely tells the class: by its name, else the one that most of them have."""
    counts: Counter[str] = Counter()
    for entry in entries:
        for region in _regions(entry):
            told = region.get("region_attributes")
            counts.update(key for key, value in told.items() if value) if isinstance(told, dict) else None
    plain = {key.lower(): key for key in counts}
    named = [plain[word] for word in _TELLING if word in plain]
    return named[0] if named else max(counts, key=lambda key: counts[key], default="")


def _name(region: _Region, attribute: str) -> str:
    """The class of a region: a text, or of a list of ticks the first one; one name for all where nothing tells."""
    told = region.get("region_attributes")
    value = told.get(attribute, "") if isinstance(told, dict) else ""
    if isinstance(value, dict):
        value = next((key for key, ticked in value.items() if ticked), "")
    return " ".join(str(value).split())[:60] if attribute else "Labelled"


def _labels(
    tree: Tree, picture: Path, entry: _Region, attribute: str, codes: Mapping[str, int]
) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        info = tree.decoder.info_of(picture)
        layers = [
            Layer(codes.get(_name(region, attribute), UNLABELLED), (_RINGS[kind](_shape(region)),))
            for region in _regions(entry)
            if (kind := _shape(region).get("name")) in _RINGS
        ]
        return painted(layers, info.height, info.width, smallest_on_top=True)

    return read_labels


def _polygon(shape: _Region) -> Ring:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        raise DataError("a polygon has no corners: export it again")
    return ring_of([list(point) for point in zip(xs, ys, strict=True)])


def _numbers(shape: _Region, *keys: str) -> list[float]:
    try:
        found = [float(shape[key]) for key in keys]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("a shape lacks its sides: export it again") from error
    if not np.isfinite(found).all():
        raise DataError("a shape lacks its sides: export it again")
    return found


_RINGS: dict[Any, Callable[[_Region], Ring]] = {
    "polygon": _polygon,
    "rect": lambda shape: box_ring(*_numbers(shape, "x", "y", "width", "height")),
    "circle": lambda shape: ellipse_ring(*_numbers(shape, "cx", "cy", "r", "r")),
    "ellipse": lambda shape: ellipse_ring(*_numbers(shape, "cx", "cy", "rx", "ry")),
}
