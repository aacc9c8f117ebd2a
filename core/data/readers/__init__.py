"""Readers of datasets that people bring: a file for each format, and a line in `READERS`.

A reader is a module with `TITLE`, `knows(tree)`, which tells by content whether a source is of its format, and
`read(tree, asked)`, which gives a `core.data.readers.source.Source` without having read a label.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from types import ModuleType

from core.data.description import FILE, LARGEST, told_by
from core.data.readers import (
    coco,
    image_masks,
    label_studio,
    labelme,
    own_dataset,
    panoptic,
    polygons,
    rle_table,
    supervisely,
    via,
    voc,
    xview2,
    yolo,
)
from core.data.readers.source import Asked, Source
from core.data.readers.tree import Tree, read_text
from core.errors import DataError

READERS: tuple[ModuleType, ...] = (
    own_dataset, panoptic, coco, label_studio, labelme, supervisely, via, xview2, yolo, voc, rle_table, polygons,
    image_masks,
)  # fmt: skip
"""In the order in which they are asked; the last one knows every folder with pictures."""
_MOST_DESCRIBED = 20


def read_source(tree: Tree, asked: Asked | None = None) -> Source:
    """What a folder holds, by the first reader that knows it. Raises `DataError` where none does."""
    reader = next((reader for reader in READERS if reader.knows(tree)), None)
    if reader is None:
        raise DataError(no_pictures(tree))
    source: Source = reader.read(tree, asked or Asked())
    texts = list(_texts(tree))
    made_by, licence, attribution = (told_by(texts, key) for key in ("labelled_by", "licence", "attribution"))
    notes = list(source.notes)
    if licence or attribution:
        told = " by ".join(filter(None, (licence, attribution)))
        notes.append(f"Licence and attribution, by {FILE}: {told}. They are kept where no others are written.")
    if made_by and any(picture.labels is not None for picture in source.pictures):
        notes.append(f"Who made the masks, by {FILE}: {made_by}")
    else:
        made_by = ""
    return replace(source, labelled_by=made_by, licence=licence, attribution=attribution, notes=tuple(notes))


def no_pictures(tree: Tree) -> str:
    """What is to be said of a source without pictures."""
    if others := tree.ending(*image_masks.UNREAD):
        return (
            f"No pictures were found, and files such as {others[0].name} are not read: save each picture and its mask "
            "as PNG or TIFF."
        )
    if packed := tree.ending(".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"):
        return f"No pictures were found, and {packed[0].name} may hold some: unpack it into this folder first."
    return "No pictures were found: bring PNG, JPEG or TIFF files and their labels."


def _texts(tree: Tree) -> Iterator[str]:
    """What datasets of ours among the files say of themselves."""
    for path in [path for path in tree.files if path.name == FILE][:_MOST_DESCRIBED]:
        with suppress(DataError):
            yield read_text(path, most=LARGEST)
