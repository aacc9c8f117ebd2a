"""Lists of names that say what pictures are for: `train.txt`, `val.txt` and `test.txt`, as ImageSets has them."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from core.data.readers.source import Part
from core.data.readers.tree import Tree, read_text
from core.data.splits import split_of
from core.errors import DataError

_PARTS: dict[str, Part] = {"train": "train", "val": "validate", "test": "test"}
_HALF = 0.5


def listed_parts(tree: Tree, pictures: Sequence[Path]) -> dict[Path, Part]:
    """What pictures are for, by the lists among the files; empty where there are none of such names.

    A list counts where at least half of its lines name a picture; a line names one by its stem, its name or its path.
    Of a picture on two lists the one it is trained by does not count: what is scored must not be trained on.
    """
    by_stem: dict[str, list[Path]] = {}
    for path in pictures:
        by_stem.setdefault(path.stem.lower(), []).append(path)
    found: dict[Path, Part] = {}
    for path in tree.ending(".txt"):
        part = _PARTS.get(split_of(path.stem))
        if part is None:
            continue
        try:
            lines = [line.split()[0] for line in read_text(path, 20_000_000).splitlines() if line.strip()]
        except DataError:
            continue
        named = [there for line in lines if (there := _named(line, by_stem))]
        if lines and len(named) >= _HALF * len(lines):
            for there in named:
                for picture in there:
                    if found.get(picture) in (None, "train"):
                        found[picture] = part
    return found


def _named(line: str, by_stem: dict[str, list[Path]]) -> list[Path]:
    """Pictures of a line: of those with its stem the ones in the folder that it names, where it names one."""
    path = PurePosixPath(line.replace("\\", "/"))
    there = by_stem.get(path.name.lower()) or by_stem.get(path.stem.lower()) or []
    parent = path.parent.name.lower()
    nearer = [picture for picture in there if picture.parent.name.lower() == parent]
    return nearer or list(there)
