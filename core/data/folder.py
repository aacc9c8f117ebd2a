"""Image/mask pairs in folders: `Tile N/images|masks` (as the Dubai dataset has them) and plain `images|masks`."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core import image
from core.classes import ClassMap
from core.data.opened import called, is_file_inside, is_inside
from core.data.palette import FAR, REFUSE_SHARE, WARN_SHARE, read_mask
from core.data.scene import Scene
from core.errors import DatasetNotFoundError, ImageError, PairError

IMAGE_FOLDERS = ("images", "image", "imgs")
MASK_FOLDERS = ("masks", "mask", "labels")

MOST_PIXELS = 1_000_000_000
"""Of a folder that a visitor named: all of it is read into memory."""
_READABLE = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_OTHER_PICTURES = (".bmp", ".gif", ".webp", ".jp2", ".heic", ".avif", ".ppm", ".pgm", ".tga", ".npy")
_PART = re.compile(r"(?:^|[ _-])part[ _-]?(\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """Where an image and its mask lie. `mask` is None when the folder holds no masks at all."""

    name: str
    image: Path
    mask: Path | None
    tile: str
    part: int | None


@dataclass(frozen=True)
class Problem:
    """Why a pair cannot be used."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class LoadedFolder:
    """Everything usable in a folder, what was skipped and why, and what is odd but usable."""

    scenes: list[Scene]
    problems: list[Problem]
    warnings: list[str]


def find_pairs(root: Path, *, opened: Path | None = None) -> tuple[list[Pair], list[Problem]]:
    """Pairs matched by stem, in natural order, and the pictures that have no partner or more than one.

    Names are `stem` in the flat layout and `tile/stem` below a tile. A folder without any mask folder gives pairs with
    `mask` None. With `opened`, what does not lie below that folder, links followed, is left out.
    Raises `DatasetNotFoundError` when `root` cannot be read or holds neither layout.
    """
    tiles = _tiles(root, opened)
    labelled = any(masks for _, _, masks in tiles)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for tile, images, masks in tiles:
        for stem in sorted({*images, *masks}, key=_natural):
            name = f"{tile}/{stem}" if tile else stem
            of_image, of_mask = images.get(stem, []), masks.get(stem, [])
            if reason := _unusable(of_image, of_mask, labelled=labelled):
                problems.append(Problem(name, reason))
                continue
            part = _PART.search(stem)
            pairs.append(
                Pair(name, of_image[0], of_mask[0] if labelled else None, tile, int(part[1]) if part else None)
            )
    if not pairs and not problems:
        raise DatasetNotFoundError(
            f"{called(root, opened)} holds no image/mask pairs: put pictures into images/ and masks/ with the same "
            "names, or into such folders below one folder for each tile."
        )
    return pairs, problems


def load_pair(pair: Pair, class_map: ClassMap) -> tuple[Scene, list[str]]:
    """The scene of a pair, and warnings about it. Raises `PairError` with the pair's name and the reason."""
    try:
        pixels = image.read_rgb(pair.image)
        if pair.mask is None:
            return Scene(pair.name, pixels, None, pair.tile, pair.part), []
        mask, far = read_mask(pair.mask, class_map)
    except ImageError as error:
        raise _refusal(pair, str(error)) from error
    if mask.shape != pixels.shape[:2]:
        sizes = f"image {pixels.shape[1]}x{pixels.shape[0]}, mask {mask.shape[1]}x{mask.shape[0]}"
        raise _refusal(pair, f"sizes differ ({sizes}): export the mask at the size of its image.")
    share = far / mask.size
    told = f"{far:,} pixels of the mask ({share:.1%}) are further than {FAR} from every class colour"
    if share > REFUSE_SHARE:
        raise _refusal(pair, f"unknown colours: {told}. Recolour it with the colours of the classes.")
    warnings = [f"{pair.name}: {told}; each was given to the nearest."] if share > WARN_SHARE else []
    return Scene(pair.name, pixels, mask, pair.tile, pair.part), warnings


def load_folder(
    root: Path,
    class_map: ClassMap,
    *,
    skip_bad: bool = False,
    opened: Path | None = None,
    read: Callable[[Pair, ClassMap], tuple[Scene, list[str]]] = load_pair,
) -> LoadedFolder:
    """Every pair of a folder, in memory. Raises `DatasetNotFoundError`, and `PairError` with every problem at once.

    With `skip_bad` problems are given back instead, unless nothing usable is left. A folder that a visitor named is
    read with `opened`, the folder that it must lie below, and by a `ConfinedReader`.
    """
    pairs, problems = find_pairs(root, opened=opened)
    scenes: list[Scene] = []
    warnings: list[str] = []
    for pair in pairs:
        try:
            scene, found = read(pair, class_map)
        except PairError as error:
            problems.append(Problem(pair.name, error.problems[0].removeprefix(f"{pair.name}: ")))
        else:
            scenes.append(scene)
            warnings.extend(found)
        if opened is not None and sum(scene.image.shape[0] * scene.image.shape[1] for scene in scenes) > MOST_PIXELS:
            raise PairError(f"It holds more than {MOST_PIXELS // 1_000_000} megapixels: choose a smaller folder.")
    if problems and not (skip_bad and scenes):
        raise PairError([str(problem) for problem in problems])
    return LoadedFolder(scenes, problems, warnings)


_Files = dict[str, list[Path]]
"""Pictures by stem."""


def _tiles(root: Path, opened: Path | None) -> list[tuple[str, _Files, _Files]]:
    """(tile, images, masks) of `root` itself, whose tile has no name, and of the folders in it."""
    if not is_inside(root, opened) or not root.is_dir():
        raise DatasetNotFoundError(f"There is no folder {root if opened is None else 'there'}: check the path.")
    try:
        places = [("", root), *((child.name, child) for child in _folders(root, opened))]
        return [
            (tile, _pictures(place, IMAGE_FOLDERS, opened), _pictures(place, MASK_FOLDERS, opened))
            for tile, place in places
        ]
    except OSError as error:
        reason = error if opened is None else error.strerror
        raise DatasetNotFoundError(
            f"{called(root, opened)} cannot be read ({reason}): check its permissions."
        ) from error


def _folders(place: Path, opened: Path | None) -> list[Path]:
    """Folders in natural order, without the hidden ones and those that archives leave behind (__MACOSX)."""
    there = (child for child in place.iterdir() if is_inside(child, opened))
    found = [child for child in there if child.is_dir() and not child.name.startswith((".", "__"))]
    return sorted(found, key=lambda folder: _natural(folder.name))


def _pictures(place: Path, names: tuple[str, ...], opened: Path | None) -> _Files:
    """Pictures in the folders of these names; hidden files and what is no picture (world files, notes) are left out."""
    found: _Files = defaultdict(list)
    for folder in _folders(place, opened):
        for file in sorted(folder.iterdir()) if folder.name.lower() in names else ():
            known = file.suffix.lower() in _READABLE + _OTHER_PICTURES and not file.name.startswith(".")
            if known and is_file_inside(file, opened):
                found[file.stem].append(file)
    return found


def _unusable(images: list[Path], masks: list[Path], *, labelled: bool) -> str | None:
    """Why these files of one stem make no pair, or None when they do."""
    if not images:
        return f"no partner: the mask {masks[0].name} has no image."
    if labelled and not masks:
        return f"no partner: the image {images[0].name} has no mask."
    for what, files in (("images", images), ("masks", masks)):
        if len(files) > 1:
            return f"{len(files)} {what} have this name ({', '.join(file.name for file in files)}): keep one."
    for file in (*images, *masks):
        if file.suffix.lower() not in _READABLE:
            return f"{file.name} is no PNG, JPEG or TIFF: convert it."
    return None


def _refusal(pair: Pair, reason: str) -> PairError:
    return PairError(str(Problem(pair.name, reason)))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `Tile 2` before `Tile 10`."""
    return [(int(bit), "") if bit.isdecimal() else (0, bit.lower()) for bit in re.split(r"(\d+)", name)]
