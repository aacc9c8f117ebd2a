"""Where the pictures of a folder lie: plain `images|masks`, below tiles, and by split, above these two or inside."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.opened import called, is_file_inside, is_inside
from core.data.splits import split_of
from core.errors import DatasetNotFoundError

IMAGE_FOLDERS = ("images", "image", "imgs")
MASK_FOLDERS = ("masks", "mask", "labels")
READABLE = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_OTHER_PICTURES = (".bmp", ".gif", ".webp", ".jp2", ".heic", ".avif", ".ppm", ".pgm", ".tga", ".npy")

Files = dict[str, list[Path]]
"""Pictures by stem."""


@dataclass(frozen=True)
class Place:
    """Pictures of one tile and one split; `name` is how its folders are called below the root."""

    name: str
    tile: str
    split: str
    images: Files
    masks: Files


def places(root: Path, opened: Path | None) -> list[Place]:
    """Where pictures lie below `root`: beside each other, below tiles, and by split above or inside images/, masks/."""
    if not is_inside(root, opened) or not root.is_dir():
        raise DatasetNotFoundError(f"There is no folder {root if opened is None else 'there'}: check the path.")
    try:
        found = _pictures_by_split(root, "", "", opened)
        for child in _folders(root, opened):
            split = split_of(child.name)
            found += _pictures_by_split(child, child.name, split, opened)
            for below in _folders(child, opened) if split else ():
                found += _pictures_by_split(below, f"{child.name}/{below.name}", split, opened)
    except OSError as error:
        reason = error if opened is None else error.strerror
        raise DatasetNotFoundError(
            f"{called(root, opened)} cannot be read ({reason}): check its permissions."
        ) from error
    return _merged(found)


def _pictures_by_split(folder: Path, name: str, split: str, opened: Path | None) -> list[Place]:
    """The pictures in images/ and masks/ of `folder`, and in folders of these two that are named as a split."""
    last = name.rpartition("/")[2]
    tile = "" if split_of(last) else last
    found = [Place(name, tile, split, *(_pictures(folder, names, opened) for names in (IMAGE_FOLDERS, MASK_FOLDERS)))]
    for names in (IMAGE_FOLDERS, MASK_FOLDERS):
        for kind in (child for child in _folders(folder, opened) if child.name.lower() in names):
            for child in _folders(kind, opened):
                own = split_of(child.name)
                if not own:
                    continue
                pictures = _files(child, opened)
                both = (pictures, {}) if names is IMAGE_FOLDERS else ({}, pictures)
                found.append(Place(f"{name}/{child.name}" if name else child.name, tile, own, *both))
    return found


def _merged(places: Sequence[Place]) -> list[Place]:
    """Places of one name, in any case of its split, as one: images/train and masks/Train belong together."""
    found: dict[tuple[str, str, str], Place] = {}
    for place in places:
        key = (place.name.lower() if place.split else place.name, place.tile, place.split)
        first = found.setdefault(key, Place(place.name, place.tile, place.split, defaultdict(list), defaultdict(list)))
        for into, pictures in ((first.images, place.images), (first.masks, place.masks)):
            for stem, files in pictures.items():
                into[stem].extend(files)
    return list(found.values())


def _folders(place: Path, opened: Path | None) -> list[Path]:
    """Folders in natural order, without the hidden ones and those that archives leave behind (__MACOSX)."""
    there = (child for child in place.iterdir() if is_inside(child, opened))
    found = [child for child in there if child.is_dir() and not child.name.startswith((".", "__"))]
    return sorted(found, key=lambda folder: natural(folder.name))


def _pictures(place: Path, names: tuple[str, ...], opened: Path | None) -> Files:
    """Pictures in the folders of these names."""
    found: Files = defaultdict(list)
    for folder in _folders(place, opened):
        for stem, files in _files(folder, opened).items() if folder.name.lower() in names else ():
            found[stem].extend(files)
    return found


def _files(folder: Path, opened: Path | None) -> Files:
    """Pictures in a folder; hidden files and what is no picture (world files, notes) are left out."""
    found: Files = defaultdict(list)
    for file in sorted(folder.iterdir()):
        known = file.suffix.lower() in READABLE + _OTHER_PICTURES and not file.name.startswith(".")
        if known and file.is_file() and is_file_inside(file, opened):
            found[file.stem].append(file)
    return found


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `Tile 2` before `Tile 10`."""
    return [(int(bit), "") if bit.isdecimal() else (0, bit.lower()) for bit in re.split(r"(\d+)", name)]
