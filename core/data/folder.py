"""Image/mask pairs in folders: `Tile N/images|masks` (as the Dubai dataset has them) and plain `images|masks`."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core import image
from core.classes import ClassMap
from core.data.palette import FAR, read_mask
from core.data.scene import Scene
from core.errors import DatasetNotFoundError, ImageError, PairError

IMAGE_FOLDERS = ("images", "image", "imgs")
MASK_FOLDERS = ("masks", "mask", "labels")
WARN_SHARE = 0.01
REFUSE_SHARE = 0.25

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


def find_pairs(root: Path) -> tuple[list[Pair], list[Problem]]:
    """Pairs matched by stem, in natural order, and the pictures that have no partner or more than one.

    Names are `stem` in the flat layout and `tile/stem` below a tile. A folder without any mask folder gives pairs with
    `mask` None. Raises `DatasetNotFoundError` when `root` is not there or holds neither layout.
    """
    groups = _groups(root)
    labelled = any(masks is not None for _, _, masks in groups)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for tile, images, masks in groups:
        found, wrong = _match(tile, images, masks, labelled=labelled)
        pairs.extend(found)
        problems.extend(wrong)
    return pairs, problems


def load_pair(pair: Pair, class_map: ClassMap) -> tuple[Scene, list[str]]:
    """The scene of a pair, and warnings about it. Raises `PairError` with the pair's name and the reason."""
    try:
        pixels = image.read_rgb(pair.image)
        if pair.mask is None:
            return Scene(pair.name, pixels, None, pair.tile, pair.part), []
        mask, far = read_mask(pair.mask, class_map)
    except ImageError as error:
        raise PairError(str(Problem(pair.name, str(error)))) from error
    if mask.shape != pixels.shape[:2]:
        sizes = f"image {pixels.shape[1]}x{pixels.shape[0]}, mask {mask.shape[1]}x{mask.shape[0]}"
        raise PairError(str(Problem(pair.name, f"sizes differ ({sizes}): export the mask at the size of its image.")))
    share = far / mask.size
    told = f"{far:,} pixels of the mask ({share:.1%}) are further than {FAR} from every class colour"
    if share > REFUSE_SHARE:
        raise PairError(str(Problem(pair.name, f"unknown colours: {told}. Check the class colours.")))
    warnings = [f"{pair.name}: {told}; they were given to the nearest."] if share > WARN_SHARE else []
    return Scene(pair.name, pixels, mask, pair.tile, pair.part), warnings


def load_folder(root: Path, class_map: ClassMap, *, skip_bad: bool = False) -> LoadedFolder:
    """Every pair of a folder, in memory. Raises `DatasetNotFoundError`, and `PairError` with every problem at once.

    With `skip_bad` problems are given back instead, unless nothing usable is left.
    """
    pairs, problems = find_pairs(root)
    scenes: list[Scene] = []
    warnings: list[str] = []
    for pair in pairs:
        try:
            scene, found = load_pair(pair, class_map)
        except PairError as error:
            problems.append(Problem(pair.name, error.problems[0].removeprefix(f"{pair.name}: ")))
        else:
            scenes.append(scene)
            warnings.extend(found)
    if problems and (not skip_bad or not scenes):
        raise PairError([str(problem) for problem in problems])
    return LoadedFolder(scenes, problems, warnings)


def _groups(root: Path) -> list[tuple[str, Path, Path | None]]:
    """(tile, image folder, mask folder) of `root` itself and of the folders in it."""
    if not root.is_dir():
        raise DatasetNotFoundError(f"There is no folder {root}: check the path.")
    places = [("", root), *((child.name, child) for child in _sorted(root.iterdir()) if child.is_dir())]
    groups = []
    for tile, place in places:
        images = _child(place, IMAGE_FOLDERS)
        if images is not None:
            groups.append((tile, images, _child(place, MASK_FOLDERS)))
    if not groups:
        raise DatasetNotFoundError(
            f"{root} holds no image/mask pairs: put pictures into images/ and masks/ with the same names, "
            "or into such folders below one folder for each tile."
        )
    return groups


def _child(folder: Path, names: tuple[str, ...]) -> Path | None:
    there = {child.name.lower(): child for child in _sorted(folder.iterdir()) if child.is_dir()}
    return next((there[name] for name in names if name in there), None)


def _match(tile: str, images: Path, masks: Path | None, *, labelled: bool) -> tuple[list[Pair], list[Problem]]:
    of_image, of_mask = _by_stem(images), _by_stem(masks) if masks else {}
    pairs, problems = [], []
    for stem in sorted({*of_image, *of_mask}, key=_natural):
        name = f"{tile}/{stem}" if tile else stem
        if reason := _unusable(of_image.get(stem, []), of_mask.get(stem, []), labelled=labelled):
            problems.append(Problem(name, reason))
            continue
        part = _PART.search(stem)
        mask = of_mask[stem][0] if labelled else None
        pairs.append(Pair(name, of_image[stem][0], mask, tile, int(part[1]) if part else None))
    return pairs, problems


def _unusable(images: list[Path], masks: list[Path], *, labelled: bool) -> str | None:
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


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Pictures by stem; hidden files and files that are no pictures (world files, notes) are left out."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in _sorted(folder.iterdir()):
        if file.suffix.lower() in _READABLE + _OTHER_PICTURES and not file.name.startswith(".") and file.is_file():
            found[file.stem].append(file)
    return found


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `Tile 2` before `Tile 10`."""
    return [(int(bit), "") if bit.isdigit() else (0, bit.lower()) for bit in re.split(r"(\d+)", name)]
