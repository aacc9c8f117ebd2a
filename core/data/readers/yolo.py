"""YOLO: `data.yaml`, and a text a picture with an outline a line. With `masks_dir` in the YAML: masks instead."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from core.data.readers.class_lists import listed_names
from core.data.readers.image_masks import read_pictures
from core.data.readers.outlines import Layer, painted, ring_of
from core.data.readers.parts import FolderParts, listed_parts
from core.data.readers.roles import may_be_pictures
from core.data.readers.source import Asked, Labels, Listed, Misfit, Part, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import MOST_TEXT_BYTES, Tree, read_text, uploaded
from core.data.splits import split_of
from core.errors import DataError

TITLE, MASKS_TITLE = "YOLO segmentation", "Ultralytics semantic masks"
_PARTS: tuple[tuple[str, Part], ...] = (("train", "train"), ("val", "validate"), ("test", "test"))
_BOX = "label files hold boxes (detection) and no outlines"
_NAMES = ("classes.txt", "obj.names", "classes.names")
_PROBED = 20


@dataclass(frozen=True)
class _Setup:
    """What a data.yaml says: names by number, which folders or lists are which part, and a folder of masks."""

    names: tuple[Listed, ...]
    parts: Mapping[Part, tuple[str, ...]]
    masks: str = ""


def knows(tree: Tree) -> bool:
    """Whether a YAML names classes and parts, or texts beside a list of classes hold numbers as YOLO's do."""
    setup = _setup(tree)
    return setup is not None and (bool(setup.masks) or any(map(_is_labels, _texts(tree)[:_PROBED])))


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """The pictures with their outlines, the smaller on top, or with their masks. Raises `DataError`."""
    setup = _setup(tree)
    assert setup is not None
    if setup.masks:
        found = read_pictures(tree, tree.pictures, title=MASKS_TITLE, listed=setup.names)
        parts = _parts(tree, [each.path for each in found.pictures if each.path is not None], setup)
        own = (replace(each, part=parts.get(each.path, each.part) if each.path else None) for each in found.pictures)
        return replace(found, pictures=tuple(own))
    texts = {uploaded(path.stem.lower()): path for path in _texts(tree)}
    by_place = {tree.relative(path).lower(): path for path in _texts(tree)}
    pictures = may_be_pictures(tree)
    labels: dict[Path, Callable[[], Labels]] = {}
    misfits: list[Misfit] = []
    boxes = 0
    numbers = {each.value for each in setup.names}
    for picture in pictures:
        text = _text_of(tree, picture, by_place) or texts.get(uploaded(picture.stem.lower()))
        if text is None:
            continue
        try:
            rows, flat = _rows(text)
        except DataError as error:
            misfits.append(Misfit("labels", tree.relative(text), str(error)))
            continue
        boxes += bool(flat)
        if flat:
            misfits.append(Misfit("stray", tree.relative(text), _BOX))
        numbers |= {number for number, _ in rows}
        labels[picture] = _labels(tree, picture, rows)
    if boxes and boxes == len(labels):
        raise DataError("The label files hold boxes alone (detection), which tell no pixels: export outlines.")
    stems, parts = unique_stems(tree, pictures), _parts(tree, pictures, setup)
    taken = tuple(SourcePicture(path, stems[path], parts.get(path), labels.get(path)) for path in pictures)
    names = {each.value: each.name for each in setup.names}
    known = sorted(number for number in numbers if number is not None)
    classes = tuple(SourceClass(number, names.get(number, f"Class {number}")) for number in known)
    return Source(TITLE, taken, "names", classes, misfits=tuple(misfits))


def _setup(tree: Tree) -> _Setup | None:
    for path in tree.largest(".yaml", ".yml"):
        data = tree.document(path)
        if isinstance(data, dict) and "names" in data and {"train", "val", "test", "path", "nc"} & set(map(str, data)):
            names = tuple(entry for entry in listed_names(data["names"]) if entry.value is not None)
            parts = {part: _texts_of(data.get(key)) for key, part in _PARTS}
            masks = data.get("masks_dir")
            return _Setup(names, parts, masks if isinstance(masks, str) else "")
    for path in tree.files:
        if path.name.lower() in _NAMES:
            lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
            return _Setup(tuple(Listed(line, at) for at, line in enumerate(lines)), {})
    return None


def _texts_of(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(each for each in values if isinstance(each, str))


def _texts(tree: Tree) -> list[Path]:
    return [path for path in tree.ending(".txt") if not split_of(path.stem) and path.name.lower() not in _NAMES]


def _is_labels(path: Path) -> bool:
    try:
        return any(_rows(path))
    except DataError:
        return False


def _text_of(tree: Tree, picture: Path, by_place: Mapping[str, Path]) -> Path | None:
    """The text of a picture: in `labels` where that lies in `images`, or beside it."""
    place = PurePosixPath(tree.relative(picture).lower()).with_suffix(".txt")
    parts = list(place.parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] in ("images", "image"):
            swapped = "/".join([*parts[:at], "labels", *parts[at + 1 :]])
            if swapped in by_place:
                return by_place[swapped]
    return by_place.get(str(place))


def _rows(path: Path) -> tuple[list[tuple[int, list[float]]], int]:
    """Class and flat outline (shares of the picture) of each line, and how many lines are boxes. Raises `DataError`."""
    found, boxes = [], 0
    for number, line in enumerate(read_text(path, MOST_TEXT_BYTES).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = [float(word) for word in line.split()]
        except ValueError as error:
            raise DataError(f"line {number} holds what is no number") from error
        if len(values) == 5:
            boxes += 1
            continue
        if len(values) < 7 or len(values) % 2 == 0 or values[0] != int(values[0]) or not 0 <= values[0] < 1e6:
            raise DataError(f"line {number} is no class with pairs of numbers")
        found.append((int(values[0]), values[1:]))
    return found, boxes


def _labels(tree: Tree, picture: Path, rows: Sequence[tuple[int, list[float]]]) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        info = tree.decoder.info_of(picture)
        scale = (info.width, info.height)
        layers = [Layer(number, (ring_of(values, scale=scale),)) for number, values in rows]
        return painted(layers, info.height, info.width, smallest_on_top=True)

    return read_labels


def _parts(tree: Tree, pictures: Sequence[Path], setup: _Setup) -> dict[Path, Part]:
    """By the lists and folders that the YAML names, else by the names of folders."""
    folders = FolderParts(tree)
    found = {path: part for path in pictures if (part := folders.of(path)) is not None}
    for part, places in setup.parts.items():
        for place in places:
            names = [name for name in PurePosixPath(place.replace("\\", "/")).parts if name not in (".", "..", "/")]
            inside = "/".join(names).lower()
            if inside and not inside.endswith(".txt"):
                found |= {path: part for path in pictures if f"/{inside}/" in f"/{tree.relative(path).lower()}"}
    return found | listed_parts(tree, pictures, [])
