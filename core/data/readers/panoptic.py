"""COCO's panoptic masks: a PNG a picture whose colours number its segments, and a JSON that tells their categories."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.readers.coco import listed_categories, part_of_json, rows_of
from core.data.readers.parts import FolderParts
from core.data.readers.source import UNLABELLED, Asked, Labels, Misfit, Part, Source, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import Tree
from core.errors import DataError

TITLE = "COCO panoptic"
_UNLISTED = "segments are of a category that is not listed"


def knows(tree: Tree) -> bool:
    """Whether a JSON has images, categories and annotations with segments, whose PNGs are here."""
    return any(
        (name := str(each.get("file_name", ""))) and tree.find(name, near=path) is not None
        for path, document in _documents(tree).items()
        for each in rows_of(document["annotations"])[:20]
    )


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """The pictures of all such files, each with its PNG. Raises `DataError`."""
    documents = _documents(tree)
    codes, classes = listed_categories(documents)
    misfits: list[Misfit] = []
    found: dict[Path, tuple[Part | None, Callable[[], Labels]]] = {}
    folders = FolderParts(tree)
    for path, document in documents.items():
        names = {each.get("id"): str(each.get("file_name", "")) for each in rows_of(document["images"])}
        for each in rows_of(document["annotations"]):
            name = names.get(each.get("image_id"), "")
            mask = tree.find(f"{path.stem}/{each.get('file_name', '')}", near=path)
            picture = tree.find(name, near=path)
            if mask is None or picture is None or picture == mask:
                misfits.append(Misfit("absent", name if picture in (None, mask) else str(each.get("file_name"))))
                continue
            segments = _segments(each, codes[path], name, misfits)
            found[picture] = part_of_json(folders, path, picture), _labels(tree, mask, segments)
    stems = unique_stems(tree, list(found))
    pictures = tuple(SourcePicture(path, stems[path], part, labels) for path, (part, labels) in found.items())
    return Source(TITLE, pictures, "names", classes, misfits=tuple(misfits))


def _documents(tree: Tree) -> dict[Path, Mapping[str, Any]]:
    found: dict[Path, Mapping[str, Any]] = {}
    for path in tree.largest(".json"):
        document = tree.document(path)
        if isinstance(document, dict) and all(
            isinstance(document.get(key), list) for key in ("images", "annotations", "categories")
        ):
            first = next(iter(rows_of(document["annotations"])), {})
            if isinstance(first.get("segments_info"), list):
                found[path] = document
    return found


def _segments(each: Mapping[str, Any], codes: Mapping[Any, int], name: str, misfits: list[Misfit]) -> dict[int, int]:
    """The code of each segment by its number."""
    found: dict[int, int] = {}
    for segment in rows_of(each.get("segments_info") or ()):
        number, category = segment.get("id"), segment.get("category_id")
        if not isinstance(number, int) or not isinstance(category, int | str) or category not in codes:
            misfits.append(Misfit("stray", name, _UNLISTED))
            continue
        found[number] = codes[category]
    return found


def _labels(tree: Tree, mask: Path, segments: Mapping[int, int]) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        values = tree.decoder.mask(mask).values
        if values.ndim != 3:
            raise DataError("its PNG holds no colours, so it numbers no segments: export it again")
        wide: NDArray[np.int64] = values.astype(np.int64)
        numbers = wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16
        known, places = np.unique(numbers, return_inverse=True)
        table = np.array([segments.get(int(number), UNLABELLED) for number in known], np.int32)
        return Labels.of(table[places.reshape(numbers.shape)])

    return read_labels
