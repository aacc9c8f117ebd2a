"""Which mask belongs to which picture: by their names, by lists that name both, or by what differs in the names."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data.readers.parts import FolderParts
from core.data.readers.roles import roles_of
from core.data.readers.tree import Tree, read_text
from core.data.readers.views import best_view, left_aside, one_view_each, place_words
from core.data.readers.words import (
    IMAGE_WORDS,
    MASK_WORDS,
    VIEW_WORDS,
    inner_key,
    key_of,
    without_ending,
    words_of,
)
from core.data.splits import split_of
from core.errors import DataError

_MOST_LIST_BYTES = 20_000_000
_SHORT = 2
_MOST_PATTERNS = 8


@dataclass
class Pairs:
    """Masks by picture, each with the class that its name or folder tells where there is one a class.

    `lonely` are masks without a picture, `images` the pictures, `aside` what another picture stands for, and `notes`
    sentences on that.
    """

    masks: dict[Path, list[tuple[Path, str]]] = field(default_factory=lambda: defaultdict(list))
    lonely: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pair_up(tree: Tree, pictures: Sequence[Path], *, bands: int = 0) -> Pairs:
    """Images and their masks among these pictures of a tree; `bands` as in `Asked`.

    Raises `DataError` where the bands of pictures lie in files apart.
    """
    roles = roles_of(tree, pictures)
    every = [path for path in pictures if roles[path] == "image"]
    parts = FolderParts(tree)
    masks = [path for path in pictures if roles[path] == "mask"]
    found = Pairs(images=one_view_each(tree, every, masks, parts, bands))
    pairing = _Pairing(tree, found, masks, parts, bands)
    unmatched = pairing.by_name(masks)
    unmatched = pairing.by_class(unmatched) if unmatched else []
    unmatched = pairing.by_list(unmatched) if unmatched else []
    found.lonely = pairing.by_rest(unmatched) if unmatched and not found.masks else unmatched
    found.images = [path for path in found.images if path not in pairing.other_views]
    taken = set(found.images)
    found.aside = [
        path for path in pictures if roles[path] == "aside" or (roles[path] == "image" and path not in taken)
    ]
    found.notes += left_aside(tree, found.aside, found.images, alike=pairing.other_views)
    _name_folders(tree, found)
    return found


def only_folder(tree: Tree, masks: Sequence[Path]) -> str:
    """The name of the one folder that all these masks lie in, where it is in a folder of masks; else an empty text."""
    names = {tuple(tree.relative(path).split("/")[-3:-1]) for path in masks}
    above, last = next(iter(names)) if len(names) == 1 and len(next(iter(names))) == 2 else ("", "")
    told = (
        set(words_of(above)) & MASK_WORDS
        and not (set(words_of(last)) & (MASK_WORDS | IMAGE_WORDS))
        and not split_of(last)
    )
    return last if told and words_of(last) else ""


class _Pairing:
    """Gives masks their pictures, in one way after another; each gives the masks that it found none for."""

    def __init__(self, tree: Tree, found: Pairs, masks: Sequence[Path], parts: FolderParts, bands: int) -> None:
        self._tree, self._found, self._parts, self._bands = tree, found, parts, bands
        self._words = (IMAGE_WORDS | MASK_WORDS | VIEW_WORDS) - place_words(tree, masks)
        self.other_views: set[Path] = set()
        self._by_key: dict[str, list[Path]] = defaultdict(list)
        self._by_inner: dict[str, list[Path]] = defaultdict(list)
        for path in found.images:
            for key in {path.stem.lower(), key_of(path.stem)}:
                self._by_key[key].append(path)
            self._by_inner[inner_key(path.stem)].append(path)

    def by_name(self, masks: Sequence[Path]) -> list[Path]:
        """By the same name, without the words that say what a file is."""
        lonely = []
        for path in masks:
            if there := self._named(without_ending(path.stem)):
                self._give(path, there)
            else:
                lonely.append(path)
        return lonely

    def by_class(self, masks: Sequence[Path]) -> list[Path]:
        """Masks that are one a class: `a_road.png`, `road_a.png`, `a/road.png`."""
        lonely = []
        for path in masks:
            stem = without_ending(path.stem)
            if of_folder := self._by_key.get(path.parent.name.lower()) or self._by_key.get(key_of(path.parent.name)):
                self._give(path, of_folder, stem)
                continue
            cuts = [(match.start(), match.end()) for match in re.finditer(r"[ _.-]+", stem)]
            tries = [(stem[:start], stem[end:]) for start, end in reversed(cuts)]
            tries += [(stem[end:], stem[:start]) for start, end in cuts]
            for name, kind in tries:
                there = self._named(name) if name and kind else None
                if there:
                    words = [part for part in re.split(r"[ _.-]+", kind) if part.lower() not in MASK_WORDS]
                    told = " ".join(words) or kind
                    # `a_m` beside `a`: too short to name a class.
                    self._give(path, there, told if len(told) > _SHORT else "")
                    break
            else:
                lonely.append(path)
        return lonely

    def by_list(self, masks: Sequence[Path]) -> list[Path]:
        """By the lines of a text or CSV that name a picture and a mask."""
        wanted, images = set(masks), set(self._found.images)
        for path in self._tree.ending(".csv", ".txt", ".tsv", ".lst"):
            try:
                lines = read_text(path, _MOST_LIST_BYTES).splitlines()
            except DataError:
                continue
            for line in lines if wanted else ():
                cells = [cell for row in csv.reader([line]) for cell in row]
                cells = cells if len(cells) > 1 else re.split(r"[\t;]|\s+(?=\S+$)", line)
                named = [there for cell in cells[:50] if (there := self._tree.find(cell.strip())) is not None]
                mask, image = (next((each for each in named if each in among), None) for among in (wanted, images))
                if mask is not None and image is not None:
                    self._found.masks[image].append((mask, ""))
                    wanted.discard(mask)
        return [path for path in masks if path in wanted]

    def by_rest(self, masks: Sequence[Path]) -> list[Path]:
        """By what differs in the names of a kind of folder, where no name is that of a picture: `img_1` and `lab_1`."""
        index: dict[str, list[Path]] = defaultdict(list)
        for path, rest in _rests(self._found.images):
            index[rest].append(path)
        lonely = []
        for path, rest in _rests(masks):
            if rest and index.get(rest):
                self._give(path, index[rest])
            else:
                lonely.append(path)
        return lonely

    def _named(self, name: str) -> list[Path] | None:
        return self._by_key.get(name.lower()) or self._by_key.get(key_of(name)) or self._by_inner.get(inner_key(name))

    def _give(self, mask: Path, there: Sequence[Path], kind: str = "") -> None:
        """Of pictures with the name of a mask the one in the folder most like its own gets it."""
        alike = self._nearest(mask, there)
        taken = next((path for path in alike if path in self._found.masks), None) or best_view(
            self._tree, alike, self._bands
        )
        self.other_views |= {path for path in alike if path != taken}
        self._found.masks[taken].append((mask, kind))

    def _nearest(self, mask: Path, there: Sequence[Path]) -> list[Path]:
        """Those that are equally near to a mask, and nearer than all others."""
        if len(there) == 1:
            return list(there)
        own, part = self._place(mask), self._parts.of(mask)

        def likeness(path: Path) -> tuple[bool, bool, int]:
            other = self._place(path)
            apart = sum(((own - other) + (other - own)).values())
            exact = path.stem.lower() == without_ending(mask.stem).lower()
            return self._parts.of(path) == part, exact, -apart

        likely = {path: likeness(path) for path in there}
        best = max(likely.values())
        return [path for path in there if likely[path] == best]

    def _place(self, path: Path) -> Counter[str]:
        """The folders of a picture without the words that say what it is."""
        names = self._tree.relative(path).split("/")[:-1]
        bare = (
            "_".join(part for part in re.split(r"[ _-]", name.lower()) if part not in self._words) for name in names
        )
        return Counter(name for name in bare if name)


def _rests(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files with what is left of their names without what all in folders of that name begin and end with."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        kinds[path.parent.name.lower()].append(path)
    # A folder with a single file has nothing to compare: then all are taken together.
    groups = list(kinds.values()) if min(map(len, kinds.values())) > 1 else [list(paths)]
    groups = [part for group in groups for part in _by_pattern(group)]
    return [pair for group in groups for pair in zip(group, _bare([path.stem for path in group]), strict=True)]


def _by_pattern(paths: Sequence[Path]) -> list[list[Path]]:
    """Files apart whose names differ in more than numbers, as `a_GT_1` and `a_map_1` do; else all of them."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[re.sub(r"\d+", "0", path.stem.lower())].append(path)
    few = len(found) <= _MOST_PATTERNS and min(map(len, found.values()), default=0) > 1
    return list(found.values()) if few else [list(paths)]


def _bare(stems: Sequence[str]) -> list[str]:
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
            kinds = [max(names, key=lambda name: -_from_end(name, place), default="") for names, place in
                     zip(differ, places, strict=True)]  # fmt: skip
            if all(set(words_of(kind)) <= MASK_WORDS for kind in kinds):
                # `label`, `label1`: several masks, none of which a class is named after.
                continue
            found.masks[image] = [(mask, kind) for (mask, _), kind in zip(masks, kinds, strict=True)]


def _from_end(name: str, place: Sequence[str]) -> int:
    """How far from the end a folder stands in a path."""
    return len(place) - place.index(name)
