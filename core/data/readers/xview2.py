"""xView2 (xBD): a JSON a picture, with polygons as well-known text in its pixels and the damage of each building."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from core import geo
from core.data.readers.outlines import Layer, painted, ring_of
from core.data.readers.parts import parts_of
from core.data.readers.roles import may_be_pictures
from core.data.readers.source import Asked, Labels, Misfit, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import Tree
from core.errors import DataError

TITLE = "xView2"
_PROBED = 10
_KINDS = ("subtype", "feature_type")
"""What names the class of a polygon, the first that it has."""
_Feature = Mapping[str, Any]


def knows(tree: Tree) -> bool:
    """Whether a JSON has polygons as text in the pixels of a picture that it names, and no masks are beside it."""
    if any("targets" in path.parent.name.lower() for path in tree.pictures):
        return False
    return any(_is_labels(tree.document(path)) for path in tree.largest(".json")[:_PROBED])


def read(tree: Tree, asked: Asked) -> Source:
    """Each picture with the polygons of its file. Raises `DataError`.

    The class is what `--attribute` names, else the damage (`subtype`), else the kind (`feature_type`).
    """
    kinds = (asked.attribute,) if asked.attribute else _KINDS
    misfits: list[Misfit] = []
    found: dict[Path, Mapping[str, Any]] = {}
    for path in tree.ending(".json"):
        document = tree.document(path)
        if not _is_labels(document):
            continue
        name = document["metadata"]["img_name"]
        picture = tree.find(name, near=path) or tree.find(path.stem, near=path, stem=True)
        if picture is None:
            misfits.append(Misfit("absent", name))
        else:
            found[picture] = document
    names = dict.fromkeys(_kind(each, kinds) for document in found.values() for each in _features(document))
    classes = tuple(SourceClass(at, name) for at, name in enumerate(names, 1))
    codes = {each.name: each.code for each in classes}
    notes: list[str] = []
    pictures = [*found, *(path for path in may_be_pictures(tree) if path not in found)]
    stems, parts = unique_stems(tree, pictures), parts_of(tree, pictures, notes)
    sources = [
        SourcePicture(path, stems[path], parts.get(path), _labels(found[path], kinds, codes) if path in found else None)
        for path in pictures
    ]
    return Source(TITLE, tuple(sources), "names", classes, notes=tuple(notes), misfits=tuple(misfits))


def _is_labels(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    features, about = document.get("features"), document.get("metadata")
    if not isinstance(features, dict) or not isinstance(about, dict) or not isinstance(features.get("xy"), list):
        return False
    sides = (about.get("width"), about.get("height"))
    return isinstance(about.get("img_name"), str) and all(isinstance(side, int) for side in sides)


def _features(document: Mapping[str, Any]) -> list[_Feature]:
    return [each for each in document["features"]["xy"] if isinstance(each, dict)]


def _kind(feature: _Feature, kinds: Sequence[str]) -> str:
    own = feature.get("properties")
    told = (own.get(kind) for kind in kinds) if isinstance(own, dict) else ()
    return next((value for value in told if isinstance(value, str) and value.strip()), "Object")


def _labels(document: Mapping[str, Any], kinds: Sequence[str], codes: Mapping[str, int]) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        about = document["metadata"]
        layers = []
        for each in _features(document):
            for part in _polygons(each.get("wkt")):
                rings = (part.exterior, *part.interiors)
                layers.append(Layer(codes[_kind(each, kinds)], tuple(ring_of(np.array(ring.coords)) for ring in rings)))
        return painted(layers, about["height"], about["width"], smallest_on_top=True)

    return read_labels


@geo.calls("a polygon is no well-known text: export it again", DataError)
def _polygons(text: Any) -> list[Any]:
    shape = shapely.force_2d(shapely.from_wkt(text if isinstance(text, str) else ""))
    return [part for part in shapely.get_parts([shape]) if part.geom_type == "Polygon" and not part.is_empty]
