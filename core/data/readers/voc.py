"""Pascal VOC, and CVAT's "Segmentation mask 1.1", which has its folders and a `labelmap.txt` beside them."""

from core.data.readers.class_lists import read_label_map
from core.data.readers.colour_tables import VOC_NAMES, VOC_VOID, voc_colour
from core.data.readers.image_masks import read_pictures
from core.data.readers.source import Asked, Listed, Source
from core.data.readers.tree import Tree

TITLE, CVAT_TITLE = "Pascal VOC", "CVAT segmentation mask"
_CLASSES, _OBJECTS = "segmentationclass", "segmentationobject"


def knows(tree: Tree) -> bool:
    """Whether pictures lie in a folder SegmentationClass."""
    return any(_folder(_CLASSES, path) for path in map(tree.relative, tree.pictures))


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """Pictures and their class masks; masks of single objects are left aside. Raises `DataError`."""
    pictures = [path for path in tree.pictures if not _folder(_OBJECTS, tree.relative(path))]
    maps = tree.ending("labelmap.txt")
    listed = (
        read_label_map(maps[0]) if maps else [Listed(name, None, voc_colour(at)) for at, name in enumerate(VOC_NAMES)]
    )
    return read_pictures(
        tree, pictures, title=CVAT_TITLE if maps else TITLE, listed=[*listed, Listed("void", None, VOC_VOID)]
    )


def _folder(name: str, path: str) -> bool:
    return name in path.lower().split("/")[:-1]
