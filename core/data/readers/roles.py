"""Which pictures of a folder are masks, and which mask belongs to which picture: by names, and by content where names
say nothing."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from core.data.readers.source import Part
from core.data.readers.tree import Tree
from core.data.splits import split_of
from core.errors import DataError

Role = Literal["image", "mask", "aside", ""]

_IMAGE_WORDS = frozenset((
    "image", "images", "img", "imgs", "im", "rgb", "rgbs", "sat", "satellite", "photo", "photos", "picture", "pictures",
    "ortho", "orthos", "orthophoto", "orthophotos", "aerial", "jpegimages", "leftimg", "input", "inputs", "original",
    "originals", "source", "raw", "scene", "scenes", "leftimg8bit",
))  # fmt: skip
_MASK_WORDS = frozenset((
    "mask", "masks", "label", "labels", "lbl", "lbls", "gt", "gts", "groundtruth", "truth", "ann", "anns", "annotation",
    "annotations", "annot", "seg", "segs", "segmentation", "segmentations", "segmap", "semantic", "semseg", "target",
    "targets", "indexmask", "indexmasks", "labelids", "classmask", "pngmask", "labelled", "labeled",
    "gtfine", "gtcoarse", "labeltrainids", "instanceids", "color", "colour",
))  # fmt: skip
_FOLDER_WORDS: dict[str, Role] = {"x": "image", "y": "mask", "gray": "mask"}
"""Words that tell something as the name of a folder alone."""
_ASIDE_WORDS = frozenset((
    "overlay", "overlays", "preview", "previews", "vis", "visualization", "visualisation", "thumb", "thumbs", "blend",
))  # fmt: skip
_PARTS: dict[str, Part] = {"train": "train", "val": "validate", "test": "test"}
_SAMPLE, _SIDE = 3, 512
_MOST_CODES, _FLAT = 64, 0.6


@dataclass
class Pairs:
    """Masks by picture, each with the class that its name or folder tells where there is one a class."""

    masks: dict[Path, list[tuple[Path, str]]] = field(default_factory=lambda: defaultdict(list))
    lonely: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)


def part_of(path: str) -> Part | None:
    """What a picture is for, by the folders that it lies in (`train`, `val_images`, `images/test`); the last counts."""
    for name in reversed(path.split("/")[:-1]):
        words = _words(name)
        found = split_of(name) or split_of("".join(word for word in words if word not in _IMAGE_WORDS | _MASK_WORDS))
        if found:
            return _PARTS[found]
    return None


def may_be_pictures(tree: Tree) -> list[Path]:
    """Pictures of a tree that lie in no folder of masks."""
    return [path for path in tree.pictures if _by_folder(tree.relative(path)) in ("", "image")]


def pair_up(tree: Tree, pictures: Sequence[Path]) -> Pairs:
    """Images and their masks among these pictures of a tree."""
    roles = _roles(tree, pictures)
    found = Pairs(images=[path for path in pictures if roles[path] == "image"])
    masks = [path for path in pictures if roles[path] == "mask"]
    index: dict[str, list[Path]] = defaultdict(list)
    for path in found.images:
        for key in {path.stem.lower(), key_of(path.stem)}:
            index[key].append(path)
    unmatched = []
    for path in masks:
        there = index.get(_without_ending(path.stem).lower()) or index.get(key_of(path.stem))
        if there:
            found.masks[_nearest(tree, path, there)].append((path, ""))
        else:
            unmatched.append(path)
    if unmatched:
        found.lonely = _by_class(tree, unmatched, index, found)
    if found.lonely and not found.masks:
        found.lonely = _by_rest(tree, found)
    _name_folders(tree, found)
    return found


def key_of(stem: str) -> str:
    """What is left of a name without the words that say what it is: `a_mask`, `mask_a`, `A_sat` and `a.png` are `a`."""
    words = _IMAGE_WORDS | _MASK_WORDS
    text = _without_ending(stem).lower()
    for _ in range(3):
        head = re.match(r"^([a-z]+)[ _.-]+(?=.)", text)
        tail = re.search(r"(?<=.)[ _.-]+([a-z]+(?:8bit)?)$", text)
        if tail and tail[1] in words:
            text = text[: tail.start()]
        elif head and head[1] in words:
            text = text[head.end() :]
    return text


def only_folder(tree: Tree, masks: Sequence[Path]) -> str:
    """The name of the one folder that all these masks lie in, where it is in a folder of masks; else an empty text."""
    names = {tuple(tree.relative(path).split("/")[-3:-1]) for path in masks}
    above, last = next(iter(names)) if len(names) == 1 and len(next(iter(names))) == 2 else ("", "")
    told = (
        set(_words(above)) & _MASK_WORDS
        and not (set(_words(last)) & (_MASK_WORDS | _IMAGE_WORDS))
        and not split_of(last)
    )
    return last if told and _words(last) else ""


def may_be_labels(tree: Tree, path: Path) -> bool:
    """Whether a picture holds few values or colours in flat areas, as masks do and photos do not."""
    try:
        values = tree.decoder.mask(path).values
    except DataError:
        return False
    top, left = (max(0, (side - _SIDE) // 2) for side in values.shape[:2])
    part = values[top : top + _SIDE, left : left + _SIDE].astype(np.int32)
    codes = part if part.ndim == 2 else part[..., 0] << 16 | part[..., 1] << 8 | part[..., 2]
    if min(codes.shape) < 2:
        return False
    flat = float((codes[:, 1:] == codes[:, :-1]).mean())
    return flat >= _FLAT and len(np.unique(codes)) <= _MOST_CODES


def _roles(tree: Tree, pictures: Sequence[Path]) -> dict[Path, Role]:
    """The role of each picture: by its folders, by its own name beside a partner, else by content, a folder at once."""
    stems: dict[Path, set[str]] = defaultdict(set)
    for path in pictures:
        stems[path.parent].add(path.stem.lower())
    by_folder = {path: _by_folder(tree.relative(path)) for path in pictures}
    if len(set(by_folder.values())) == 1:
        # One word over everything tells nothing apart: `segmentation dataset/a.jpg` and `.../a_mask.png`.
        by_folder = dict.fromkeys(pictures, "")
    found: dict[Path, Role] = {}
    unknown: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in pictures:
        role = by_folder[path]
        own = _by_stem(path.stem)
        plain = key_of(path.stem)
        siblings = stems[path.parent]
        beside = any(other != path.stem.lower() and key_of(other) == plain for other in _alike(siblings, plain))
        if own and (beside or not role) and (role != "mask"):
            role = own
        if role:
            found[path] = role
        else:
            unknown[path.parent, own].append(path)
    for group in unknown.values():
        sample = group[:: -(-len(group) // _SAMPLE)]
        flat = sum(may_be_labels(tree, path) for path in sample)
        found.update(dict.fromkeys(group, "mask" if 2 * flat > len(sample) else "image"))
    if unknown and "image" not in found.values():
        # Nothing but masks by content: drawn pictures, or pictures alone.
        found = {path: "image" if path in _flatten(unknown.values()) else role for path, role in found.items()}
    return found


def _alike(siblings: set[str], plain: str) -> Iterable[str]:
    """Names beside a picture that can share its key, without looking through all of them."""
    words = _IMAGE_WORDS | _MASK_WORDS
    tries = [plain, *(f"{plain}{mark}{word}" for word in words for mark in "_-."), *(f"{w}_{plain}" for w in words)]
    return (name for name in tries if name in siblings)


def _flatten(groups: Iterable[list[Path]]) -> set[Path]:
    return {path for group in groups for path in group}


def _by_folder(path: str) -> Role:
    """By the words in the names of the folders above a picture, the nearest first."""
    for name in reversed(path.split("/")[:-1]):
        words = set(_words(name))
        if name.lower() in _FOLDER_WORDS:
            return _FOLDER_WORDS[name.lower()]
        if words & _ASIDE_WORDS:
            return "aside"
        if words & _MASK_WORDS:
            return "mask"
        if words & _IMAGE_WORDS:
            return "image"
    return ""


def _by_stem(stem: str) -> Role:
    words = _words(stem)
    ends = {words[0], words[-1]} if words and "".join(words) != stem.lower() else set()
    return "mask" if ends & _MASK_WORDS else "image" if ends & _IMAGE_WORDS else ""


def _words(name: str) -> list[str]:
    """`train_Images2` → train, images; `SegmentationClass` → segmentation, class."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _without_ending(stem: str) -> str:
    return re.sub(r"\.(?:png|jpe?g|tiff?)$", "", stem, flags=re.IGNORECASE)


def _nearest(tree: Tree, mask: Path, there: Sequence[Path]) -> Path:
    """Of pictures with the name of a mask the one in the folder most like its own."""
    if len(there) == 1:
        return there[0]
    own, part = _place(tree, mask), part_of(tree.relative(mask))

    def likeness(path: Path) -> tuple[bool, bool, int]:
        other = _place(tree, path)
        apart = sum(((own - other) + (other - own)).values())
        exact = path.stem.lower() == _without_ending(mask.stem).lower()
        return part_of(tree.relative(path)) == part, exact, -apart

    return max(there, key=likeness)


def _place(tree: Tree, path: Path) -> Counter[str]:
    """The folders of a picture without the words that say what it is."""
    words = _IMAGE_WORDS | _MASK_WORDS
    names = tree.relative(path).split("/")[:-1]
    bare = ("_".join(part for part in re.split(r"[ _-]", name.lower()) if part not in words) for name in names)
    return Counter(name for name in bare if name)


def _by_class(tree: Tree, masks: Sequence[Path], index: dict[str, list[Path]], found: Pairs) -> list[Path]:
    """Pairs masks that are one a class: `a_road.png`, `road_a.png`, `a/road.png`. Gives those that are not."""
    lonely = []
    for path in masks:
        stem = _without_ending(path.stem)
        of_folder = index.get(path.parent.name.lower()) or index.get(key_of(path.parent.name))
        if of_folder:
            found.masks[_nearest(tree, path, of_folder)].append((path, stem))
            continue
        cuts = [(match.start(), match.end()) for match in re.finditer(r"[ _.-]+", stem)]
        tries = [(stem[:start], stem[end:]) for start, end in reversed(cuts)]
        tries += [(stem[end:], stem[:start]) for start, end in cuts]
        for name, kind in tries:
            there = index.get(name.lower()) or index.get(key_of(name)) if name and kind else None
            if there:
                words = [part for part in re.split(r"[ _.-]+", kind) if part.lower() not in _MASK_WORDS]
                found.masks[_nearest(tree, path, there)].append((path, " ".join(words) or kind))
                break
        else:
            lonely.append(path)
    return lonely


def _by_rest(tree: Tree, found: Pairs) -> list[Path]:
    """Pairs masks by what differs in their names, where no name is that of a picture: `img_001` and `lab_001`."""
    images, masks = (_rests([path.stem for path in paths]) for paths in (found.images, found.lonely))
    index: dict[str, list[Path]] = defaultdict(list)
    for path, rest in zip(found.images, images, strict=True):
        index[rest].append(path)
    lonely = []
    for path, rest in zip(found.lonely, masks, strict=True):
        if rest and index.get(rest):
            found.masks[_nearest(tree, path, index[rest])].append((path, ""))
        else:
            lonely.append(path)
    return lonely


def _rests(stems: Sequence[str]) -> list[str]:
    """Names without what all of them begin and end with; whole numbers stay whole."""
    start, end = _shared(stems), _shared([stem[::-1] for stem in stems])
    while start and stems[0][start - 1].isdigit():
        start -= 1
    while end and stems[0][len(stems[0]) - end].isdigit():
        end -= 1
    return [stem[start : len(stem) - end].lower() for stem in stems]


def _shared(stems: Sequence[str]) -> int:
    if len(stems) < 2:
        return 0
    low, high = min(stems), max(stems)
    return next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))


def _name_folders(tree: Tree, found: Pairs) -> None:
    """Where a picture has masks of its own name in several folders, each is of a class, and its folder tells which."""
    for image, masks in found.masks.items():
        if len(masks) > 1 and all(not kind for _, kind in masks) and len({mask.parent for mask, _ in masks}) > 1:
            places = [tree.relative(mask).split("/")[:-1] for mask, _ in masks]
            everywhere = {name for name in places[0] if all(name in place for place in places)}
            differ = [set(place) - everywhere for place in places]
            kinds = [max(names, key=lambda name: -natural_at(name, place), default="") for names, place in
                     zip(differ, places, strict=True)]  # fmt: skip
            found.masks[image] = [(mask, kind) for (mask, _), kind in zip(masks, kinds, strict=True)]


def natural_at(name: str, place: Sequence[str]) -> int:
    """How far from the end a folder stands in a path."""
    return len(place) - place.index(name)
