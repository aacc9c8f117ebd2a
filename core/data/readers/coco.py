"""COCO: one JSON a part with images, categories and annotations whose outlines are polygons or run lengths."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.data.readers.outlines import Layer, Ring, painted, ring_of
from core.data.readers.pairing import pair_up
from core.data.readers.parts import PARTS, FolderParts
from core.data.readers.run_lengths import coco_mask
from core.data.readers.source import Asked, Labels, Misfit, Part, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import Tree
from core.data.splits import split_of
from core.errors import DataError

TITLE = "COCO"
_KEYS = ("images", "annotations", "categories")
_BOX = "annotations hold a box and no outline"
_UNLISTED = "annotations are of a category that is not listed"


def knows(tree: Tree) -> bool:
    """Whether a JSON has images, annotations and categories."""
    return bool(_documents(tree))


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """The pictures of all such files, each with the annotations of its file. Raises `DataError`."""
    documents = _documents(tree)
    codes, classes = listed_categories(documents)
    misfits: list[Misfit] = []
    labels: dict[Path, Callable[[], Labels]] = {}
    parts: dict[Path, Part | None] = {}
    shapes, folders = 0, FolderParts(tree)
    for path, document in documents.items():
        by_image: dict[Any, list[Mapping[str, Any]]] = {}
        for each in rows_of(document["annotations"]):
            by_image.setdefault(each.get("image_id"), []).append(each)
        for image in rows_of(document["images"]):
            name = str(image.get("file_name", ""))
            picture = tree.find(name, near=path)
            if picture is None:
                misfits.append(Misfit("absent", name))
                continue
            kept = [each for each in by_image.get(image.get("id"), []) if _fits(each, codes[path], name, misfits)]
            shapes += len(kept)
            if picture not in labels or parts[picture] in (None, "train"):
                labels[picture] = _labels(tree, picture, image, kept, codes[path])
                parts[picture] = part_of_json(folders, path, picture)
    if misfits and not shapes and all(misfit.reason == _BOX for misfit in misfits):
        raise DataError("The annotations hold boxes alone, which tell no pixels: label outlines, or export them too.")
    others = [path for path in pair_up(tree, tree.pictures).images if path not in labels]
    stems = unique_stems(tree, [*labels, *others])
    pictures = [SourcePicture(path, stems[path], parts[path], read_labels) for path, read_labels in labels.items()]
    pictures += [SourcePicture(path, stems[path], folders.of(path)) for path in others]
    return Source(TITLE, tuple(pictures), "names", classes, misfits=tuple(misfits))


def _documents(tree: Tree) -> dict[Path, Mapping[str, Any]]:
    found: dict[Path, Mapping[str, Any]] = {}
    for path in tree.largest(".json"):
        document = tree.document(path)
        if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in _KEYS):
            continue
        if "segments_info" not in next(iter(rows_of(document["annotations"])), {}):
            found[path] = document
    return found


def rows_of(values: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Those of a list that are objects."""
    return [each for each in values if isinstance(each, dict)]


def listed_categories(
    documents: Mapping[Path, Mapping[str, Any]],
) -> tuple[dict[Path, dict[Any, int]], tuple[SourceClass, ...]]:
    """The code of each category of each file, and the classes: of one name in all files. Codes are the numbers that
    the files give, where they agree on them."""
    listed = {path: _used(document) for path, document in documents.items()}
    ids: dict[str, set[Any]] = {}
    for categories in listed.values():
        for number, name in categories.items():
            ids.setdefault(name, set()).add(number)
    numbers = [next(iter(own)) for own in ids.values()]
    agreed = all(len(own) == 1 for own in ids.values()) and len(set(numbers)) == len(numbers)
    plain = agreed and all(isinstance(number, int) and 0 <= number < 2**30 for number in numbers)
    codes = dict(zip(ids, numbers if plain else range(1, len(ids) + 1), strict=True))
    of_files = {path: {number: codes[name] for number, name in each.items()} for path, each in listed.items()}
    return of_files, tuple(SourceClass(code, name) for name, code in codes.items())


def _used(document: Mapping[str, Any]) -> dict[Any, str]:
    """Categories by number. One that only names a group of others (Roboflow's first) is left out."""
    rows = [row for row in rows_of(document["categories"]) if isinstance(row.get("id"), int | str)]
    groups = {row.get("supercategory") for row in rows}
    numbers = {
        each.get("category_id")
        for each in rows_of(document["annotations"])
        if isinstance(each.get("category_id"), int | str)
    }
    kept = [
        row
        for row in rows
        if row["id"] in numbers or row.get("name") not in groups or row.get("supercategory") != "none"
    ]
    return {row["id"]: str(row.get("name", row["id"])) for row in kept}


def _fits(each: Mapping[str, Any], codes: Mapping[Any, int], name: str, misfits: list[Misfit]) -> bool:
    number = each.get("category_id")
    if not isinstance(number, int | str) or number not in codes:
        misfits.append(Misfit("stray", name, _UNLISTED))
        return False
    if not each.get("segmentation"):
        misfits.append(Misfit("stray", name, _BOX))
        return False
    return True


def _labels(
    tree: Tree, picture: Path, image: Mapping[str, Any], kept: Sequence[Mapping[str, Any]], codes: Mapping[Any, int]
) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        height, width = image.get("height"), image.get("width")
        if not isinstance(height, int) or not isinstance(width, int):
            info = tree.decoder.info_of(picture)
            height, width = info.height, info.width
        layers = [_layer(each["segmentation"], codes[each["category_id"]], height, width) for each in kept]
        return painted(layers, height, width, smallest_on_top=True)

    return read_labels


def _layer(segmentation: Any, code: int, height: int, width: int) -> Layer:
    """Raises `DataError`."""
    if isinstance(segmentation, dict):
        counts, size = segmentation.get("counts"), segmentation.get("size")
        if not isinstance(counts, str | list) or size not in ([height, width], (height, width)):
            raise DataError("the size of an annotation is not that of its picture: export it again")
        return Layer(code, mask=coco_mask(counts, height, width))
    if not isinstance(segmentation, list):
        raise DataError("an outline is neither polygons nor run lengths: export it again")
    # Some exporters leave outlines of two corners, which cover no pixel.
    rings: list[Ring] = [ring_of(each) for each in segmentation if not (isinstance(each, list) and len(each) < 6)]
    return Layer(code, tuple(rings))


def part_of_json(folders: FolderParts, path: Path, picture: Path) -> Part | None:
    """By the name of the file (`instances_train2017.json`), by its folders, or by those of the picture."""
    for word in re.split(r"[\W_]+", path.stem):
        if found := split_of(word):
            return PARTS[found]
    return folders.of(path) or folders.of(picture)
