"""Image/mask pairs in folders: plain `images|masks`, or `Tile N/images|masks` as the Dubai dataset has them.

Folders named train, val or test, above images/ and masks/ or inside of both, are the dataset's own split.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import image
from core.band_set import COLOURS, BandSet
from core.classes import ClassMap
from core.data.meaning import (
    Reading,
    by_number,
    consequence,
    counts_by_value,
    decide,
    interpret,
    read_for_meaning,
    read_numbers,
    value_counts,
)
from core.data.opened import called, is_file_inside
from core.data.palette import REFUSE_SHARE, WARN_SHARE
from core.data.places import READABLE, natural, places
from core.data.scene import Scene
from core.data.stored_array import stored_mask, stored_picture
from core.errors import DatasetNotFoundError, ImageError, PairError
from core.imagery.labels import StoredMask

SIBLINGS = 24
"""How many masks of a folder are read to know what a single one means."""
MOST_PIXELS = 1_000_000_000
"""Of a folder that a visitor named: all of it is read into memory, but for what can stay on the disk."""
_MASK_NAME = re.compile(r"[_-](?:mask|masks|label|labels)$", re.IGNORECASE)
_IMAGE_NAME = re.compile(r"[_-](?:sat|image|img|rgb)$", re.IGNORECASE)
_PART = re.compile(r"(?:^|[ _-])part[ _-]?(\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """Where an image and its mask lie. `mask` is None where nobody labelled it. `split` as in `Scene`.

    A `numbered` mask holds the numbers of its classes, and 255 where nobody labelled: nothing is inferred of it.
    `bands` are those that its image is read with.
    """

    name: str
    image: Path
    mask: Path | None
    tile: str
    part: int | None
    split: str = ""
    numbered: bool = False
    bands: BandSet = COLOURS


@dataclass(frozen=True)
class StoredPair:
    """A pair as it is stored: `image` (H, W, bands), of colours uint8 (H, W, 3), and what its mask holds.

    The mask is as in `core.imagery.labels.StoredMask`.

    `values` is None where there is no mask. What they mean is decided over all masks of a dataset.
    """

    image: NDArray[Any]
    values: NDArray[np.uint8] | None = None
    palette: NDArray[np.uint8] | None = None
    labelled: NDArray[np.bool_] | None = None


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


def find_pairs(root: Path, *, opened: Path | None = None, some_masks: bool = False) -> tuple[list[Pair], list[Problem]]:
    """Pairs matched by stem, in natural order, and the pictures that have no partner or more than one.

    Names are `stem` in the flat layout and `tile/stem` below a tile. A folder without any mask folder gives pairs with
    `mask` None, and so does a picture alone with `some_masks`; else that is a problem. With `opened`, what does not lie
    below that folder, links followed, is left out.
    Raises `DatasetNotFoundError` when `root` cannot be read or holds neither layout.
    """
    found_places = places(root, opened)
    labelled = not some_masks and any(place.masks for place in found_places)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for place in found_places:
        for stem in sorted({*place.images, *place.masks}, key=natural):
            name = f"{place.name}/{stem}" if place.name else stem
            of_image, of_mask = place.images.get(stem, []), place.masks.get(stem, [])
            if reason := _unusable(of_image, of_mask, labelled=labelled):
                problems.append(Problem(name, reason))
                continue
            part = _PART.search(stem)
            mask = of_mask[0] if of_mask else None
            pairs.append(Pair(name, of_image[0], mask, place.tile, int(part[1]) if part else None, place.split))
    if not pairs and not problems:
        raise DatasetNotFoundError(
            f"{called(root, opened)} holds no image/mask pairs: put pictures into images/ and masks/ with the same "
            "names, or into such folders below one folder for each tile."
        )
    return pairs, problems


def flat_pairs(root: Path, *, opened: Path | None = None) -> list[Pair]:
    """Pictures that lie in `root` itself, in natural order: to be looked at, not trained on.

    `NAME_mask` and `NAME_label` (also with a hyphen) are the masks of `NAME`, `NAME_sat` and `NAME_image`. A picture
    without one has `mask` None. With `opened`, what does not lie below that folder, links followed, is left out.
    Raises `DatasetNotFoundError` when `root` cannot be read or holds no picture.
    """
    if not root.is_dir():
        raise DatasetNotFoundError(f"There is no folder {called(root, opened)}: check the path.")
    try:
        files = [file for file in root.iterdir() if not file.name.startswith(".") and is_file_inside(file, opened)]
    except OSError as error:
        raise DatasetNotFoundError(f"{called(root, opened)} cannot be read: check its permissions.") from error
    files = sorted((file for file in files if file.suffix.lower() in READABLE), key=lambda file: natural(file.name))
    masks = {_MASK_NAME.sub("", file.stem): file for file in files if _MASK_NAME.search(file.stem)}
    pictures = [file for file in files if not _MASK_NAME.search(file.stem)] or files
    if not pictures:
        raise DatasetNotFoundError(
            f"{called(root, opened)} holds no pictures: put PNG, JPEG or TIFF files into it, or into images/ with "
            "their masks in masks/."
        )
    count = Counter(file.stem for file in pictures)
    names = [file.name if count[file.stem] > 1 else file.stem for file in pictures]
    partners = [masks.get(_IMAGE_NAME.sub("", file.stem)) for file in pictures]
    found = zip(names, pictures, partners, strict=True)
    return [Pair(name, file, mask if mask != file else None, "", None) for name, file, mask in found]


def read_pair(pair: Pair) -> StoredPair:
    """A pair as it is stored. Raises `PairError` with its name and the reason."""
    try:
        pixels = image.read_bands(pair.image, pair.bands)
        if pair.mask is None:
            return StoredPair(pixels)
        mask = image.read_mask(pair.mask)
    except ImageError as error:
        raise _refusal(pair, str(error)) from error
    if mask.values.shape[:2] != pixels.shape[:2]:
        height, width = mask.values.shape[:2]
        sizes = f"image {pixels.shape[1]}x{pixels.shape[0]}, mask {width}x{height}"
        raise _refusal(pair, f"sizes differ ({sizes}): export the mask at the size of its image.")
    return StoredPair(pixels, mask.values, mask.palette, mask.labelled)


Read = Callable[[Pair], StoredPair]
"""`read_pair`, or a `ConfinedReader` (core/data/confined.py) for a folder that a visitor named."""


def load_pair(
    pair: Pair, class_map: ClassMap, *, read: Read = read_pair, siblings: Sequence[Pair] = ()
) -> tuple[Scene, list[str]]:
    """The scene of a pair, and warnings about it. Raises `PairError`.

    What its mask means is decided over the masks of its `siblings` too, `SIBLINGS` of them spread evenly where there
    are more; without them it is a dataset of its own.
    """
    known = []
    for other in siblings[:: max(1, -(-len(siblings) // SIBLINGS))]:
        if other.mask is not None and other.name != pair.name:
            with suppress(PairError):
                known.append(_reading(other, read(replace(other, image=other.mask)), class_map))
    loaded = _interpreted_beside(pair, class_map, read, [reading for reading in known if reading is not None])
    if loaded.problems:
        raise PairError([str(problem) for problem in loaded.problems])
    return loaded.scenes[0], loaded.warnings


def load_folder(
    root: Path,
    class_map: ClassMap,
    *,
    find: Callable[..., tuple[list[Pair], list[Problem]]] = find_pairs,
    skip_bad: bool = False,
    opened: Path | None = None,
    read: Read = read_pair,
) -> LoadedFolder:
    """Every pair of a folder, in memory. Raises `DatasetNotFoundError`, and `PairError` with every problem at once.

    With `skip_bad` problems are given back instead, unless nothing usable is left. A folder that a visitor named is
    read with `opened`, the folder that it must lie below, and by a `ConfinedReader`.
    """
    pairs, problems = find(root, opened=opened)
    loaded = read_folder(pairs, class_map, read=read, most_pixels=None if opened is None else MOST_PIXELS)
    problems = [*problems, *loaded.problems]
    if problems and not (skip_bad and loaded.scenes):
        raise PairError([str(problem) for problem in problems])
    return LoadedFolder(loaded.scenes, problems, loaded.warnings)


def read_folder(
    pairs: Sequence[Pair],
    class_map: ClassMap,
    *,
    read: Read = read_pair,
    most_pixels: int | None = None,
    keep_images: bool = True,
) -> LoadedFolder:
    """What these pairs hold, a bad one as a problem; what their masks mean is decided over all of them.

    Blocks of a large picture stay on the disk (`core.data.stored_array`); their masks are checked one by one.

    Args:
        pairs: where they lie.
        class_map: the classes.
        read: how one is read.
        most_pixels: more than these in sum are refused by a `PairError`.
        keep_images: False leaves the pixels of the pictures away (images of (H, W, 0)), where only masks matter.
    """
    problems: list[Problem] = []
    found: list[tuple[Scene, Reading | None]] = []
    kept: list[LoadedFolder] = []
    pixels = 0
    for pair in pairs:
        if keep_images and (on_disk := _on_disk(pair, class_map)) is not None:
            kept.append(on_disk)
            continue
        try:
            stored = read(pair)
        except PairError as error:
            problems.append(Problem(pair.name, error.problems[0].removeprefix(f"{pair.name}: ")))
            continue
        pixels += stored.image.shape[0] * stored.image.shape[1]
        if most_pixels is not None and pixels > most_pixels:
            raise PairError(f"It holds more than {most_pixels // 1_000_000} megapixels: choose a smaller folder.")
        picture = stored.image if keep_images else stored.image[..., :0].copy()
        scene = Scene(pair.name, picture, None, pair.tile, pair.part, pair.split, pair.bands)
        try:
            found.append((scene, _reading(pair, stored, class_map)))
        except PairError as error:
            problems.append(Problem(pair.name, error.problems[0]))
    kept.append(_interpreted(found, class_map, numbered=any(pair.numbered for pair in pairs)))
    scenes = [scene for loaded in kept for scene in loaded.scenes]
    problems += [problem for loaded in kept for problem in loaded.problems]
    return LoadedFolder(scenes, problems, [warning for loaded in kept for warning in loaded.warnings])


def _on_disk(pair: Pair, class_map: ClassMap) -> LoadedFolder | None:
    """A pair that stays on the disk, its mask of class numbers read once to be checked; None where it cannot stay."""
    if not pair.numbered or (picture := stored_picture(pair.image, pair.bands)) is None:
        return None
    scene = Scene(pair.name, picture, None, pair.tile, pair.part, pair.split, pair.bands)
    if pair.mask is None:
        return LoadedFolder([scene], [], [])
    mask = stored_mask(pair.mask)
    if mask is None or mask.shape != picture.shape[:2]:
        return None
    meaning, whole = by_number(class_map), np.asarray(mask)
    lazy = mask.mapped(meaning.table)
    if not value_counts(whole)[~meaning.known].any():
        return LoadedFolder([replace(scene, mask=lazy)], [], [])
    checked = _interpreted([(scene, read_numbers(StoredMask(whole)))], class_map, numbered=True)
    return replace(checked, scenes=[replace(each, mask=lazy) for each in checked.scenes])


def _reading(pair: Pair, stored: StoredPair, class_map: ClassMap) -> Reading | None:
    """The mask of a pair; None where there is none. Raises `PairError` for colours where numbers are promised."""
    if stored.values is None:
        return None
    mask = StoredMask(stored.values, stored.palette, stored.labelled)
    return read_numbers(mask) if pair.numbered else read_for_meaning(mask, class_map)


def _interpreted_beside(pair: Pair, class_map: ClassMap, read: Read, known: Sequence[Reading]) -> LoadedFolder:
    stored = read(pair)
    scene = Scene(pair.name, stored.image, None, pair.tile, pair.part, pair.split, pair.bands)
    found = [(scene, _reading(pair, stored, class_map))]
    return _interpreted(found, class_map, beside=known, numbered=pair.numbered)


def _interpreted(
    found: Sequence[tuple[Scene, Reading | None]],
    class_map: ClassMap,
    *,
    beside: Sequence[Reading] = (),
    numbered: bool = False,
) -> LoadedFolder:
    """The scenes with their masks as class indices, by one meaning for all of them and for those `beside` them."""
    readings = [*(reading for _, reading in found if reading is not None), *beside]
    meaning = by_number(class_map) if numbered else decide(readings, class_map)
    if meaning.refusal:
        masks = [scene.name for scene, reading in found if reading is not None]
        name = masks[0] if len(masks) == 1 else f"{masks[0]} and the other masks"
        return LoadedFolder([], [Problem(name, meaning.refusal)], [])
    scenes: list[Scene] = []
    problems: list[Problem] = []
    warnings = list(meaning.notes)
    for scene, reading in found:
        if reading is None:
            scenes.append(scene)
            continue
        mask, unknown, told = interpret(reading, meaning, class_map)
        share = unknown / max(1, int(reading.seen.sum()))
        told = f"{unknown:,} pixels of the mask ({share:.1%}) {told}"
        if share > REFUSE_SHARE:
            what, advice = "colours", "Recolour it with the colours of the classes."
            if counts_by_value(reading, meaning):
                what, advice = "values", f"Give each class its number, 0 to {class_map.outputs - 1}."
            problems.append(Problem(scene.name, f"unknown {what}: {told}. {advice}"))
            continue
        if share > WARN_SHARE:
            warnings.append(f"{scene.name}: {told}; {consequence(reading, meaning, class_map)}.")
        scenes.append(replace(scene, mask=mask))
    return LoadedFolder(scenes, problems, warnings)


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
        if file.suffix.lower() not in READABLE:
            return f"{file.name} is no PNG, JPEG or TIFF: convert it."
    return None


def _refusal(pair: Pair, reason: str) -> PairError:
    return PairError(str(Problem(pair.name, reason)))
