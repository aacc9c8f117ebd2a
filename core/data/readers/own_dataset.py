"""A dataset of ours that comes back: pictures and masks of class numbers beside their `dataset.toml`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.description import FILE, Description, read_description
from core.data.readers.parts import PARTS, parts_of
from core.data.readers.source import UNLABELLED, Asked, Labels, Misfit, Part, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import Tree
from core.errors import ConfigError, DataError
from core.imagery.labels import StoredMask

TITLE = "a dataset of Terrastill"
_UNLABELLED_NUMBER = 255


def knows(tree: Tree) -> bool:
    """Whether there is one `dataset.toml` of ours, with pictures in `images` beside it."""
    return _described(tree) is not None


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """The pictures with their masks, classes and split as they were. Raises `DataError`."""
    found = _described(tree)
    assert found is not None
    folder, described = found
    images = [path for path in tree.pictures if folder / "images" in path.parents]
    masks = {_place(path, folder / "masks"): path for path in tree.pictures if folder / "masks" in path.parents}
    labels: dict[Path, Callable[[], Labels]] = {}
    for path in images:
        if (mask := masks.pop(_place(path, folder / "images"), None)) is not None:
            labels[path] = _labels(tree, mask, len(described.classes))
    notes: list[str] = []
    parts = _parts(tree, images, described, notes)
    stems = unique_stems(tree, images)
    if not described.band_set.is_colours:
        notes.append(
            f"By {FILE} its bands are {described.band_set} ({described.depth}): name them (--bands) to take them again."
        )
    return Source(
        TITLE,
        tuple(SourcePicture(path, stems[path], parts.get(path), labels.get(path)) for path in images),
        "names",
        tuple(SourceClass(at, each.name, each.colour) for at, each in enumerate(described.classes)),
        notes=tuple(notes),
        misfits=tuple(Misfit("lonely", tree.relative(path)) for path in masks.values()),
        margin=described.split.margin,
    )


def _described(tree: Tree) -> tuple[Path, Description] | None:
    """The folder of the dataset and what is said of it; None where there is none, or more than one."""
    files = [path for path in tree.files if path.name == FILE]
    if len(files) != 1 or not any(files[0].parent / "images" in path.parents for path in tree.pictures):
        return None
    try:
        return files[0].parent, read_description(files[0].parent)
    except ConfigError:
        return None


def _place(path: Path, folder: Path) -> Path:
    return path.relative_to(folder).with_suffix("")


def _parts(tree: Tree, images: list[Path], described: Description, notes: list[str]) -> dict[Path, Part]:
    if described.split.kind == "folders":
        return parts_of(tree, images, notes)
    uses = described.split.uses()
    return {path: PARTS[uses[path.stem]] for path in images if path.stem in uses}


def _labels(tree: Tree, path: Path, classes: int) -> Callable[[], Labels]:
    def codes(stored: StoredMask) -> NDArray[np.int32]:
        if stored.values.ndim != 2:
            raise DataError("its mask holds colours, where numbers of classes belong: export the dataset again")
        found = stored.values.astype(np.int32)
        found[(found == _UNLABELLED_NUMBER) | (False if stored.labelled is None else ~stored.labelled)] = UNLABELLED
        if found.max(initial=UNLABELLED) >= classes:
            raise DataError(f"its mask holds {found.max()}, which is no class of {FILE}: export the dataset again")
        return found

    return lambda: tree.decoder.labels(path, codes)
