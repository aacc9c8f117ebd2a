"""What pictures are for: as their folders say, or lists such as `train.txt`, `val.txt` and `test.txt`."""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from core.data.readers.source import Part
from core.data.readers.tree import Tree, read_text
from core.data.readers.words import direct_part
from core.data.splits import split_of
from core.errors import DataError

PARTS: dict[str, Part] = {"train": "train", "val": "validate", "test": "test"}
_HALF = 0.5
_CUT = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")


class FolderParts:
    """What pictures of a tree are for, by their folders: `train`, `val_images`, `images/test`; the last counts.

    A name of several words, such as `uavid_train`, counts where a folder beside it is called the same for another part.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def of(self, path: Path) -> Part | None:
        names = self._tree.relative(path).split("/")[:-1]
        for depth in range(len(names), 0, -1):
            found = direct_part(names[depth - 1]) or self._beside.get("/".join(names[:depth]))
            if found:
                return PARTS[found]
        return None

    @cached_property
    def _beside(self) -> dict[str, str]:
        """Folders whose name is that of a folder beside them but for the word of a part."""
        places = {parent.as_posix() for path in self._tree.files for parent in self._parents(path)}
        alike: dict[tuple[str, tuple[str, ...]], dict[str, str]] = defaultdict(dict)
        for place in places:
            above, _, name = place.rpartition("/")
            words = [word.lower() for word in _CUT.split(name) if word]
            for at in {0, len(words) - 1} if len(words) > 1 else ():
                if found := split_of(words[at]):
                    alike[above, (*words[:at], "*", *words[at + 1 :])][place] = found
        return {place: part for same in alike.values() if len(set(same.values())) > 1 for place, part in same.items()}

    def _parents(self, path: Path) -> Sequence[PurePosixPath]:
        return list(PurePosixPath(self._tree.relative(path)).parents)[:-1]


def parts_of(tree: Tree, pictures: Sequence[Path], notes: list[str]) -> dict[Path, Part]:
    """What pictures are for, by the lists among the files, else by their folders. A list that is none is noted."""
    folders = FolderParts(tree)
    found = {path: part for path in pictures if (part := folders.of(path)) is not None}
    return found | listed_parts(tree, pictures, notes)


def listed_parts(tree: Tree, pictures: Sequence[Path], notes: list[str]) -> dict[Path, Part]:
    """What the lists say; empty where there are none of such names.

    A list counts where at least half of its lines name a picture; a line names one by its stem, its name or its path.
    Of a picture on two lists the one it is trained by does not count: what is scored must not be trained on.
    """
    by_stem: dict[str, list[Path]] = {}
    for path in pictures:
        by_stem.setdefault(path.stem.lower(), []).append(path)
    found: dict[Path, Part] = {}
    unused: list[tuple[str, str]] = []
    for path in tree.ending(".txt"):
        part = PARTS.get(split_of(path.stem))
        if part is None:
            continue
        try:
            lines = [line.split()[0] for line in read_text(path, 20_000_000).splitlines() if line.strip()]
        except DataError:
            continue
        named = [there for line in lines if (there := _named(line, by_stem))]
        if lines and len(named) < _HALF * len(lines):
            unused.append((path.name, next(line for line in lines if not _named(line, by_stem))))
        for there in named if lines and len(named) >= _HALF * len(lines) else ():
            for picture in there:
                if found.get(picture) in (None, "train"):
                    found[picture] = part
    if unused:
        name, line = unused[0]
        notes.append(
            f"{name} names {line[:60]} and others that are no pictures here, so it is no split: where a script of the "
            "dataset cuts its pictures into pieces, run it first, or leave the split to be drawn."
        )
    return found


def _named(line: str, by_stem: dict[str, list[Path]]) -> list[Path]:
    """Pictures of a line: of those with its stem the ones in the folder that it names, where it names one."""
    path = PurePosixPath(line.replace("\\", "/"))
    there = by_stem.get(path.name.lower()) or by_stem.get(path.stem.lower()) or []
    parent = path.parent.name.lower()
    nearer = [picture for picture in there if picture.parent.name.lower() == parent]
    return nearer or list(there)
