"""A file of polygons for each picture, as SpaceNet has them: which is whose, and what their names say of the class."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.readers.tree import Tree
from core.data.readers.words import MASK_WORDS, inner_key

_CUT = re.compile(r"[ _.-]+")
_PLAIN = frozenset(("geojson", "geo", "json", "vector", "vectors", "polygon", "polygons", "shp", "shapes", "outlines"))
_UNNAMED = "Object"


@dataclass(frozen=True)
class TileVectors:
    """`of` gives the files of a picture, `kinds` what is left of a file's name without that of its picture."""

    of: Mapping[Path, tuple[Path, ...]]
    kinds: Mapping[Path, str]


def tile_vectors(tree: Tree, pictures: Sequence[Path], files: Sequence[Path]) -> TileVectors:
    """The files that are named after a picture; none where fewer than two, or fewer than half of them, are."""
    by_key: dict[str, list[Path]] = {}
    for path in pictures:
        for key in {_plain(path.stem), _plain(inner_key(path.stem))}:
            by_key.setdefault(key, []).append(path)
    found: dict[Path, tuple[Path, ...]] = {}
    kinds: dict[Path, str] = {}
    for file in files:
        words = _plain(file.stem).split("_")
        cuts = [(words[at:], words[:at]) for at in range(len(words))] + [
            (words[:-at], words[-at:]) for at in range(1, len(words))
        ]
        for name, rest in cuts:
            if there := by_key.get("_".join(name)):
                near = max(there, key=lambda path: _shared_folders(path, file))
                found[near] = (*found.get(near, ()), file)
                kinds[file] = _kind(tree, file, rest)
                break
    if len(kinds) < 2 or 2 * len(kinds) < len(files):
        return TileVectors({}, {})
    return TileVectors(found, kinds)


def _plain(stem: str) -> str:
    return "_".join(part for part in _CUT.split(stem.lower()) if part)


def _kind(tree: Tree, file: Path, rest: Sequence[str]) -> str:
    """`buildings` of buildings_img1.geojson; else the folder's name where it tells more than that it holds polygons."""
    told = [word for word in rest if word not in MASK_WORDS | _PLAIN]
    if told:
        return " ".join(told)
    above = tree.relative(file).split("/")[:-1]
    folder = above[-1] if above else ""
    own = {*_CUT.split(file.stem.lower())}
    # `ca041a-labels/ca041a.geojson`: a folder of one picture tells no class either.
    words = [word for word in _CUT.split(folder.lower()) if word and word not in MASK_WORDS | _PLAIN | own]
    return " ".join(words) if words and not any(word.isdigit() for word in words) else _UNNAMED


def _shared_folders(path: Path, other: Path) -> int:
    return sum(one == two for one, two in zip(path.parts, other.parts, strict=False))
