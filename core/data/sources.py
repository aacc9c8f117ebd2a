"""Which scenes show the same ground: the same picture twice, or patches that were cut from one, as their names tell."""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.scene import Scene
from core.data.stored_array import Raster

# NAME_0_256, NAME (0, 256), NAME-r3-c12, 3_12: a place in a grid. NAME_patch_7: a patch without a place.
_IN_GRID = re.compile(r"^(.*?)[ _-]*\(?[a-z]{0,4}(\d+)[ _,x-]+[a-z]{0,4}(\d+)\)?$", re.IGNORECASE)
# NAME_x0_y256, NAME_r3_c12, NAME_row3_col12: the letters say what the numbers are, however few patches there are.
_PLACED = re.compile(
    r"^(.*?)[ _-]*(?:x[_-]?\d+[ _-]?y|y[_-]?\d+[ _-]?x|r(?:ow)?[_-]?\d+[ _-]?c(?:ol(?:umn)?)?)[_-]?\d+$", re.IGNORECASE
)
_PATCH = re.compile(r"^(.+?)[ _-](?:patch|crop|chip|tile)[ _-]?\d+$", re.IGNORECASE)
_DENSE = 0.5
"""The least share of a grid's places that are there; years and serial numbers make no such grid."""
_YEARS = range(1900, 2101)
_ROWS = 8
"""So many rows of a picture tell most of them apart."""


def related(scenes: Sequence[Scene]) -> list[list[int]]:
    """Positions of scenes that show the same ground, together; in order of the first of each group."""
    leader = list(range(len(scenes)))

    def first(at: int) -> int:
        while leader[at] != at:
            at = leader[at]
        return at

    for keys in (_digests(scenes), _sources(scenes)):
        known: dict[str, int] = {}
        for at, key in enumerate(keys):
            if key is not None:
                one, other = sorted((first(known.setdefault(key, at)), first(at)))
                leader[other] = one
    groups: dict[int, list[int]] = defaultdict(list)
    for at in range(len(scenes)):
        groups[first(at)].append(at)
    return list(groups.values())


def pictures_in_two_parts(parts: Sequence[Sequence[Scene]]) -> list[str]:
    """What lies in more than one part of a split, each in words: the same picture, or patches of one."""
    scenes = [scene for part in parts for scene in part]
    part_of = [number for number, part in enumerate(parts) for _ in part]
    found = []
    for keys, words in ((_digests(scenes), "are the same picture"), (_sources(scenes), "are patches of one picture")):
        groups: dict[str, list[int]] = defaultdict(list)
        for at, key in enumerate(keys):
            if key is not None:
                groups[key].append(at)
        for group in groups.values():
            other = next((at for at in group if part_of[at] != part_of[group[0]]), None)
            if other is not None:
                found.append(f"{scenes[group[0]].name} and {scenes[other].name} {words}")
    return found


def appearance(image: Raster) -> NDArray[np.float64]:
    """How a picture is seen from afar, for `shown_among`: whatever its size, file format, brightness and contrast.

    Args:
        image: (H, W, C).

    Returns:
        (H, W, C) of `_CELLS` rows and columns, of length 1; zeros where it is too small or too even to be known again.
    """
    pixels = np.asarray(image)
    if min(pixels.shape[:2]) < _CELLS:
        return np.zeros((_CELLS, _CELLS, pixels.shape[2]))
    edges = [np.arange(_CELLS) * side // _CELLS for side in pixels.shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(pixels, edges[0], axis=0, dtype=np.float64), edges[1], axis=1)
    areas = np.outer(*(np.diff([*each, side]) for each, side in zip(edges, pixels.shape[:2], strict=True)))
    found = sums / areas[:, :, None]
    found -= found.mean(axis=(0, 1))
    length = float(np.linalg.norm(found))
    # On average a value of each cell lies this far from the mean.
    spread = length / math.sqrt(found.size)
    even = not math.isfinite(length) or spread <= _LEAST_SPREAD * max(1.0, float(np.abs(pixels).max()))
    return np.zeros_like(found) if even else found / length


def shown_among(one: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> bool:
    """Whether one of `others` shows the same picture, mirrored and turned ones too.

    Args:
        one: (H, W, C) of `_CELLS` rows and columns, as `appearance` gives it.
        others: The same of others.
    """
    turned = [np.rot90(view, turns).ravel() for view in (one, one[:, ::-1]) for turns in range(4)]
    return bool(others) and float((np.stack(turned) @ np.stack([each.ravel() for each in others]).T).max()) >= _SAME


_CELLS = 16
_SAME, _LEAST_SPREAD = 0.995, 0.01
"""The least correlation of one picture saved twice; and the least contrast, of its largest value, that it takes."""


def _digests(scenes: Sequence[Scene]) -> list[str | None]:
    """Of the pixels: two files may hold one picture in two formats. Equal for scenes whose pixels are.

    All pixels are read only of scenes that some rows do not tell apart: those of a large dataset stay on the disk.
    """
    few = [_digest(scene, some=True) for scene in scenes]
    count = Counter(few)
    return [each if count[each] == 1 else _digest(scene) for scene, each in zip(scenes, few, strict=True)]


def _digest(scene: Scene, *, some: bool = False) -> str:
    height = scene.height
    rows = [slice(0, height)]
    if some:
        rows = [slice(top, top + 1) for top in sorted({at * height // _ROWS for at in range(_ROWS)})]
    found = hashlib.blake2b(repr((scene.image.shape, some)).encode(), digest_size=16)
    for part in rows:
        found.update(np.ascontiguousarray(scene.image[part, :]).tobytes())
    return found.hexdigest()


def _sources(scenes: Sequence[Scene]) -> list[str | None]:
    return named_sources([(scene.name, scene.tile) for scene in scenes])


def named_sources(names: Sequence[tuple[str, str]]) -> list[str | None]:
    """Which larger picture each was cut from, as far as the names tell; None where they do not.

    Args:
        names: of pictures, each with its tile, which may be empty.
    """
    stems = [name.rpartition("/")[2] for name, _ in names]
    grids: dict[str, list[tuple[int, int]]] = defaultdict(list)
    places: list[tuple[str, int, int] | None] = []
    for (_, tile), stem in zip(names, stems, strict=True):
        found = _IN_GRID.match(stem)
        place = None if found is None else (f"{tile}/{found[1]}".lower(), int(found[2]), int(found[3]))
        places.append(place)
        if place is not None:
            grids[place[0]].append(place[1:])
    whole = {name for name, cells in grids.items() if _is_grid(cells)}
    sources: list[str | None] = []
    for (_, tile), stem, place in zip(names, stems, places, strict=True):
        patch = _PLACED.match(stem) or _PATCH.match(stem)
        in_grid = place is not None and place[0] in whole
        sources.append(place[0] if in_grid and place else f"{tile}/{patch[1]}".lower() if patch else None)
    return sources


def _is_grid(cells: Sequence[tuple[int, int]]) -> bool:
    """Whether these pairs of numbers are places in a grid with several rows and columns, most of them there."""
    rows, columns = {row for row, _ in cells}, {column for _, column in cells}
    if min(len(rows), len(columns)) < 2 or all(row in _YEARS for row in rows):
        return False
    return len(set(cells)) >= _DENSE * len(rows) * len(columns) and len(cells) > max(len(rows), len(columns))
