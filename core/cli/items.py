"""Which pictures `predict` was given (files, folders, zips), and what the files are called that come of each."""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ImageError

if TYPE_CHECKING:
    from core.infer.batch import Item

_LONGEST_NAME = 200
"""Bytes: file systems take 255, and endings and the mark of a half file come behind."""


def find_items(images: Sequence[Path], out: Path, stack: ExitStack) -> tuple[list["Item"], list[str]]:
    """The pictures behind the arguments of a command, and a sentence for each that was refused.

    Zips are unpacked into folders that last as long as `stack`.
    """
    from core.infer.batch import Item

    items: list[Item] = []
    plain: list[Path] = []
    refused: list[str] = []
    for source in images:
        try:
            if not _is_zip(source):
                plain.extend(_inside(source) if source.is_dir() else [source])
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="terrastill-")))
            items.extend(_unpacked(source, folder, out))
        except ImageError as error:
            refused.append(str(error))
        except OSError as error:
            refused.append(f"{source} cannot be opened ({error.strerror or error}): check the path and its rights.")
    for path, target in mask_paths(plain, out).items() if plain else ():
        items.append(Item(str(path), str(path), str(target.with_suffix(""))))
    return _kept(_told_apart(items), {_real(path) for path in images}, refused), refused


def _is_zip(path: Path) -> bool:
    from core.imagery.archives import is_zip

    return is_zip(path)


def _unpacked(source: Path, folder: Path, out: Path) -> Iterator["Item"]:
    """The pictures of a zip. Their names only colour the names of the masks; numbers keep these apart."""
    from core.imagery.archives import extract
    from core.infer.batch import Item

    for entry in extract(source, folder, name=str(source)):
        stem = fitting(f"{source.stem}_{entry.path.name}_{safe(entry.name)}")
        yield Item(str(entry.path), f"{source}: {entry.name}", str(out / stem))


def safe(name: str) -> str:
    """A name from outside, as a part of a file name: letters, digits, dashes, at most 60 of them."""
    stem = name.rsplit(".", 1)[0]
    return re.sub(r"[^\w-]+", "_", stem, flags=re.ASCII).strip("_")[:60] or "picture"


def fitting(name: str) -> str:
    """The name of a picture as that of its results: in one line, and so short that every ending fits behind it."""
    plain = "".join(letter if letter.isprintable() else "_" for letter in name)
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _inside(folder: Path) -> list[Path]:
    """The pictures in a folder, by content. Raises `ImageError` when there is none, `OSError` for the folder itself."""
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and _may_be_picture(path)]
    if not found:
        raise ImageError(f"{folder} holds no PNG, JPEG or TIFF: choose another folder.")
    return found


def _may_be_picture(path: Path) -> bool:
    """By its first bytes. True for what cannot be read, so that it is named among what failed."""
    from core.imagery.sniff import FIRST_BYTES, picture_kind

    try:
        with path.open("rb") as file:
            return picture_kind(file.read(FIRST_BYTES)) is not None
    except OSError:
        return True


def _told_apart(items: Sequence["Item"]) -> list["Item"]:
    """The same with a number behind a stem where a result of one would have the name of a result of another.

    Beside equal stems that is so for `a.tif` and `a_probabilities.tif`: both give `a_probabilities.tif`.
    """
    from dataclasses import replace

    from core.infer.picture import output_files

    taken: set[str] = set()
    found = []
    for item in items:
        stem = Path(item.stem)
        for candidate in chain([stem], (stem.with_name(f"{stem.name}_{number}") for number in count(2))):
            # Letters that differ in nothing but their case are one name on some disks.
            names = {str(path).casefold() for path in output_files(candidate)}
            if not names & taken:
                break
        taken |= names
        found.append(replace(item, stem=str(candidate)))
    return found


def _kept(items: Sequence["Item"], sources: set[str], refused: list[str]) -> list["Item"]:
    """The items whose results replace none of the pictures; the others are told in `refused`."""
    from core.infer.picture import output_files

    taken = {_real(Path(item.path)) for item in items} | sources
    found = []
    for item in items:
        hit = next((target for target in output_files(Path(item.stem)) if _real(target) in taken), None)
        if hit is None:
            found.append(item)
        else:
            refused.append(f"The result {hit} would replace a picture: choose another folder with --out.")
    return found


def mask_paths(images: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where the mask of each picture goes: OUT/STEM.png, with as many folders in front as tell equal names apart.

    `Tile 1/images/a.jpg` and `Tile 2/images/a.jpg` become `Tile 1_images_a.png` and `Tile 2_images_a.png`. A picture
    named twice is done once. Names that are alike all the same are numbered (`_told_apart`).
    """
    unique = {_real(image): image for image in images}
    paths = [Path(path) for path in unique]
    depths = range(1, max(len(path.parts) for path in paths))
    namings = [[_name(path, depth) for path in paths] for depth in depths]
    # a.jpg and a.png side by side differ in nothing but their ending.
    namings.append([f"{_name(path, 1)}_{path.suffix.removeprefix('.')}" for path in paths])
    names = next((names for names in namings if len(set(names)) == len(names)), namings[-1])
    return {image: out / f"{name}.png" for image, name in zip(unique.values(), names, strict=True)}


def _name(path: Path, depth: int) -> str:
    """The last `depth` parts of an absolute path, without the ending of the file."""
    return fitting("_".join([*path.parts[1:][-depth:-1], path.stem]))


def _real(path: Path) -> str:
    """The path without links; as far as they can be followed, where they run in a circle."""
    return os.path.realpath(path)
