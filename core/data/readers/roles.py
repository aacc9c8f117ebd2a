"""Which pictures of a folder are masks: by the words in names, and by content where names say nothing or disagree."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Literal

import numpy as np

from core.data.readers.tree import Tree
from core.data.readers.words import ASIDE_WORDS, IMAGE_WORDS, MASK_WORDS, inner_key, key_of, without_ending, words_of
from core.data.splits import split_of
from core.errors import DataError

Role = Literal["image", "mask", "aside", "unsure", ""]

_FOLDER_WORDS: dict[str, Role] = {"x": "image", "y": "mask", "gray": "mask"}
"""Words that tell something as the name of a folder alone."""
_SAMPLE, _SIDE = 3, 512
_MOST_CODES, _FLAT = 64, 0.6
_MOST_TAILS = 8


def may_be_pictures(tree: Tree) -> list[Path]:
    """Pictures of a tree that are no masks, for readers whose labels are no pictures."""
    by_folder = _by_folders(tree, tree.pictures)
    alone = {path for path in tree.pictures if by_folder[path] in ("", "image")}
    unsure = [path for path in tree.pictures if by_folder[path] == "unsure"]
    return [path for path in tree.pictures if path in alone or path in _images_of(tree, unsure)]


def roles_of(tree: Tree, pictures: Sequence[Path]) -> dict[Path, Role]:
    """The role of each picture: by its folders, by its own name beside a partner, else by content, a folder at once.

    Where a folder of images lies in one of masks (`Semantic_masks/images`), its content decides.
    """
    folders: dict[Path, _Folder] = {}
    for path in pictures:
        folders.setdefault(path.parent, _Folder()).add(path.stem)
    by_folder = _by_folders(tree, pictures)
    if len(set(by_folder.values())) == 1 and "unsure" not in by_folder.values():
        # One word over everything tells nothing apart: `segmentation dataset/a.jpg` and `.../a_mask.png`.
        by_folder = dict.fromkeys(pictures, "")
    found: dict[Path, Role] = {}
    unknown: dict[tuple[Path, str, str, str], list[Path]] = defaultdict(list)
    for path in pictures:
        role, folder = by_folder[path], folders[path.parent]
        own = folder.role(path.stem)
        if own == "aside" or (own and role in ("", "image") and (folder.has_partner(path.stem) or not role)):
            role = own
        if role in ("", "unsure"):
            unknown[path.parent, own, path.suffix.lower(), folder.tail(path.stem)].append(path)
        else:
            found[path] = role
    for group in unknown.values():
        found.update(dict.fromkeys(group, _by_content(tree, group)))
    if unknown and "image" not in found.values():
        # Nothing but masks by content: drawn pictures, or pictures alone.
        drawn = {path for group in unknown.values() for path in group}
        found = {path: "image" if path in drawn else role for path, role in found.items()}
    return found


class _Folder:
    """The names in one folder, and what each tells beside the others."""

    def __init__(self) -> None:
        self._stems: set[str] = set()
        self._keys: Counter[str] = Counter()
        self._inner: Counter[str] = Counter()
        self._rests: Counter[str] = Counter()
        self._tails: set[str] = set()
        self._heads: Counter[str] = Counter()

    def add(self, stem: str) -> None:
        rest, tail = _rest_and_tail(stem)
        if stem.lower() not in self._stems:
            self._stems.add(stem.lower())
            self._keys[key_of(stem)] += 1
            self._inner[inner_key(stem)] += 1
            self._rests[rest] += 1
            self._tails.add(tail)
            self._heads.update(words_of(stem)[:1])

    def has_partner(self, stem: str) -> bool:
        """Whether another name is the same but for words that say what it is."""
        return self._keys[key_of(stem)] > 1 or self._inner[inner_key(stem)] > 1

    def role(self, stem: str) -> Role:
        """By a word at the ends of a name, or within it beside a partner; by its last word where it is an overlay."""
        words = words_of(stem)
        ends = {words[0], words[-1]} if words and "".join(words) != stem.lower() else set()
        rest, tail = _rest_and_tail(stem)
        if ends and self._heads[words[0]] == len(self._stems) and max(self._rests.values()) > 1:
            # `img_1` beside `img_1_L`: what all names begin with tells nothing.
            ends = {words[-1]} if len(words) > 1 else set()
        if tail in ASIDE_WORDS and rest in self._stems:
            return "aside"
        if not ends & (MASK_WORDS | IMAGE_WORDS) and self._inner[inner_key(stem)] > 1:
            ends = set(words)
        return "mask" if ends & MASK_WORDS else "image" if ends & IMAGE_WORDS else ""

    def tail(self, stem: str) -> str:
        """The last word of a name where another one is the same without it: `m` of `a_m` beside `a`; else empty."""
        rest, tail = _rest_and_tail(stem)
        return tail if len(self._tails) <= _MOST_TAILS and self._rests[rest] > 1 else ""


def _rest_and_tail(stem: str) -> tuple[str, str]:
    """`a_12_m` → (`a_12`, `m`); a name without such a word is its own rest."""
    text = without_ending(stem).lower()
    cut = max(text.rfind(mark) for mark in "_-. ")
    return (text[:cut].rstrip("_-. "), text[cut + 1 :]) if cut > 0 and text[cut + 1 :][:1].isalpha() else (text, "")


def may_be_labels(tree: Tree, path: Path) -> bool:
    """Whether a picture holds few values or colours in flat areas, as masks do and photos do not."""
    try:
        values = tree.decoder.sample(path).values
    except DataError:
        return False
    top, left = (max(0, (side - _SIDE) // 2) for side in values.shape[:2])
    part = values[top : top + _SIDE, left : left + _SIDE].astype(np.int32)
    codes = part if part.ndim == 2 else part[..., 0] << 16 | part[..., 1] << 8 | part[..., 2]
    if min(codes.shape) < 2:
        return False
    flat = float((codes[:, 1:] == codes[:, :-1]).mean())
    return flat >= _FLAT and len(np.unique(codes)) <= _MOST_CODES


def _by_content(tree: Tree, group: Sequence[Path]) -> Role:
    sample = group[:: -(-len(group) // _SAMPLE)]
    return "mask" if 2 * sum(may_be_labels(tree, path) for path in sample) > len(sample) else "image"


def _images_of(tree: Tree, unsure: Iterable[Path]) -> set[Path]:
    """Of pictures whose folders disagree those that are no masks by content, a folder at once."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in unsure:
        folders[path.parent].append(path)
    return {path for group in folders.values() if _by_content(tree, group) == "image" for path in group}


def _by_folders(tree: Tree, pictures: Sequence[Path]) -> dict[Path, Role]:
    """The role of each picture by the folders above it, without those that all of them lie in, which tell nothing."""
    places = {path: tree.relative(path).split("/")[:-1] for path in pictures}
    shared = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, zip(*places.values(), strict=False)))
    return {path: _by_folder(names[shared:]) for path, names in places.items()}


def _by_folder(names: Sequence[str]) -> Role:
    """By the words in the names of the folders above a picture, the nearest first."""
    found: list[Role] = [role for name in reversed(names) if (role := _of_folder(name))]
    if not found:
        return ""
    return "unsure" if found[0] == "image" and "mask" in found[1:] else found[0]


def _of_folder(name: str) -> Role:
    words = set(words_of(name))
    if any(split_of(word) for word in words):
        # `labeled_train` beside `unlabeled_train`: parts of which each holds pictures, and one masks too.
        words -= {"labeled", "labelled"}
    if name.lower() in _FOLDER_WORDS:
        return _FOLDER_WORDS[name.lower()]
    if words & ASIDE_WORDS:
        return "aside"
    return "mask" if words & MASK_WORDS else "image" if words & IMAGE_WORDS else ""
