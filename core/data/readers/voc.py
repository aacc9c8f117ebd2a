"""Pascal VOC, and CVAT's "Segmentation mask 1.1", which has its folders and a `labelmap.txt` beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.data.readers.class_lists import read_label_map
from core.data.readers.colour_tables import VOC_NAMES, VOC_VOID, voc_colour
from core.data.readers.image_masks import read_pictures
from core.data.readers.source import Asked, Listed, Source
from core.data.readers.tree import Tree
from core.errors import DataError

TITLE, CVAT_TITLE = "Pascal VOC", "CVAT segmentation mask"
_CLASSES, _OBJECTS = "segmentationclass", "segmentationobject"


def knows(tree: Tree) -> bool:
    """Whether pictures lie in a folder SegmentationClass."""
    return any(_folder(_CLASSES, path) for path in map(tree.relative, tree.pictures))


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """Pictures and their class masks; masks of single objects are left aside. Raises `DataError`."""
    pictures = [path for path in tree.pictures if not _folder(_OBJECTS, tree.relative(path))]
    maps = tree.ending("labelmap.txt")
    void = Listed("void", None, VOC_VOID)
    if maps:
        return read_pictures(tree, pictures, title=CVAT_TITLE, listed=[*read_label_map(maps[0]), void])
    if not _has_its_colours(tree, pictures):
        # Many datasets have the folders of Pascal VOC and classes of their own.
        return read_pictures(tree, pictures, title=TITLE)
    named = [Listed(name, None, voc_colour(at)) for at, name in enumerate(VOC_NAMES)]
    return read_pictures(tree, pictures, title=TITLE, listed=[*named, void])


def _has_its_colours(tree: Tree, pictures: Sequence[Path]) -> bool:
    """Whether the first mask that can be read holds colours of Pascal VOC alone, by its palette or itself."""
    known = {voc_colour(at) for at in range(len(VOC_NAMES))} | {VOC_VOID}
    for path in pictures:
        if not _folder(_CLASSES, tree.relative(path)):
            continue
        try:
            stored = tree.decoder.sample(path)
        except DataError:
            continue
        if stored.palette is not None:
            used = stored.palette[np.minimum(np.unique(stored.values), len(stored.palette) - 1)]
        elif stored.values.ndim == 3:
            used = np.unique(stored.values.reshape(-1, 3), axis=0)
        else:
            return False
        return {tuple(map(int, colour)) for colour in used} <= known
    return False


def _folder(name: str, path: str) -> bool:
    return name in path.lower().split("/")[:-1]
