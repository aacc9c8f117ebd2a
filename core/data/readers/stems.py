"""Names of pictures in a dataset: those of their files, with as much of their folders as tells equal ones apart."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.data.readers.tree import Tree

_LONGEST = 150


def unique_stems(tree: Tree, pictures: Sequence[Path]) -> dict[Path, str]:
    """A name for each picture, no two of which differ in nothing but the case of their letters."""
    parts = {path: [*tree.relative(path).split("/")[:-1], path.stem] for path in pictures}
    found = {path: safe_stem(names[-1]) for path, names in parts.items()}
    for depth in range(2, max((len(names) for names in parts.values()), default=0) + 1):
        taken = Counter(name.lower() for name in found.values())
        for path, names in parts.items():
            if taken[found[path].lower()] > 1:
                found[path] = safe_stem("_".join(_telling(parts, names, depth)))
    return numbered(found)


def numbered(found: dict[Path, str]) -> dict[Path, str]:
    """The same with a number behind a name that another one has."""
    taken: set[str] = set()
    for path, name in found.items():
        candidate, number = name, 2
        while candidate.lower() in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate.lower())
        found[path] = candidate
    return found


def safe_stem(name: str) -> str:
    """A name from outside as the name of a file: no slash, no control character, not hidden, not too long."""
    plain = re.sub(r'[\\/:*?"<>|]', "_", "".join(letter if letter.isprintable() else "_" for letter in name))
    return plain.encode()[:_LONGEST].decode(errors="ignore").strip(" .") or "picture"


def _telling(parts: dict[Path, list[str]], names: list[str], depth: int) -> list[str]:
    """The last `depth` folders and the name, without folders that every picture lies in (`images`)."""
    everywhere = set.intersection(*(set(each[:-1]) for each in parts.values()))
    return [*(name for name in names[:-1][-(depth - 1) :] if name not in everywhere), names[-1]]
