"""One picture as many: cut into blocks that train, validate and test, with margins between them that no part sees.

For an orthophoto that is all there is: a split needs several pictures. Blocks lie side by side along the longer side of
what is labelled, and each is cut into tiles that fit into memory. `core.data.block_files` writes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

from core.data.readers.source import Part
from core.errors import ConfigError

BETWEEN, LARGEST_SIDE = 256, 2048
"""The margin between two parts, as wide as the usual crop, and the longest side of a tile, in pixels."""
LEAST_SIDE = 96
"""Of a picture that can be cut."""
_SHARES: tuple[tuple[Part, float], ...] = (("train", 0.7), ("validate", 0.15), ("test", 0.15))
_MOST_BETWEEN, _MOST_ASKED = 0.1, 0.25
_TILE_BYTES = 64 * 1024**2
_UNUSED = 255
"""The class index of what counts as not labelled."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of a picture."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Block(Box):
    """A tile of a picture.

    `part` is what it is for, where it is known; `number` counts those of one part from 1, and `name` tells it from the
    other tiles of its picture.
    """

    part: Part | None
    number: int
    name: str


def labelled_box(boxes: Mapping[int, Box], indices: Mapping[int, int]) -> Box | None:
    """The smallest box with all labels of a picture that count; None where none does.

    Args:
        boxes: the smallest one that holds a code, for each.
        indices: the class index of each code, 255 where it counts as not labelled, as one does that is not there.
    """
    return united([box for code, box in boxes.items() if indices.get(code, _UNUSED) != _UNUSED])


def united(boxes: Sequence[Box]) -> Box | None:
    """The smallest box that holds all of these; None where there are none."""
    if not boxes:
        return None
    top, left = min(box.top for box in boxes), min(box.left for box in boxes)
    bottom, right = max(box.top + box.height for box in boxes), max(box.left + box.width for box in boxes)
    return Box(top, left, bottom - top, right - left)


def margin_of(box: Box, asked: int | None = None) -> int:
    """Pixels between two parts of a box: `BETWEEN`, or a tenth of the longer side where that is less.

    Args:
        box: what is cut.
        asked: what a person says; at most a quarter of the longer side. None: nothing.

    Raises:
        ConfigError: so wide a margin leaves too little.
    """
    whole, most = max(box.height, box.width), most_margin(box)
    if asked is None:
        return min(BETWEEN, round(_MOST_BETWEEN * whole))
    if not 0 <= asked <= most:
        raise ConfigError(f"A margin of {asked:,} pixels leaves too little of {whole:,}: choose {most:,} at most.")
    return asked


def most_margin(box: Box) -> int:
    """The widest margin, in pixels, that a person can ask for between two parts of a box."""
    return int(_MOST_ASKED * max(box.height, box.width))


def blocks_of(box: Box, *, margin: int | None = None, pixel_bytes: int = 3) -> list[Block]:
    """The tiles of a picture that is labelled within a box.

    Args:
        box: what is cut.
        margin: pixels that are left out between two parts, as `margin_of` takes it.
        pixel_bytes: of the picture; a tile has `LARGEST_SIDE` pixels a side and 64 MB at most.

    Raises:
        ConfigError: so wide a margin leaves too little.
    """
    upright = box.height > box.width
    whole = max(box.height, box.width)
    between = margin_of(box, margin)
    left, start = whole - 2 * between, 0
    side = _side(pixel_bytes)
    found: list[Block] = []
    for part, share in _SHARES:
        length = round(share * left) if part != "test" else whole - start
        sides = (length, box.width) if upright else (box.height, length)
        top, first = (start, 0) if upright else (0, start)
        found += _tiles(part, Box(box.top + top, box.left + first, *sides), side)
        start += length + between
    return found


def tiles_of(box: Box, part: Part | None, *, pixel_bytes: int = 3) -> list[Block]:
    """The tiles of a picture that is for one part as a whole; their names say that they are of one picture.

    Args:
        box: what is cut.
        part: what the picture is for.
        pixel_bytes: as for `blocks_of`.
    """
    rows, columns = (_cuts(length, _side(pixel_bytes)) for length in (box.height, box.width))
    places = [(row, column, *y, *x) for row, y in enumerate(rows, 1) for column, x in enumerate(columns, 1)]
    return [
        Block(box.top + y, box.left + x, h, w, part, at, f"r{row}-c{column}")
        for at, (row, column, y, h, x, w) in enumerate(places, start=1)
    ]


def _side(pixel_bytes: int) -> int:
    return min(LARGEST_SIDE, isqrt(_TILE_BYTES // pixel_bytes))


def _tiles(part: Part, box: Box, side: int) -> list[Block]:
    rows, columns = (_cuts(length, side) for length in (box.height, box.width))
    places = [(y, x, h, w) for y, h in rows for x, w in columns]
    return [
        Block(box.top + y, box.left + x, h, w, part, at, f"{part}-{at}")
        for at, (y, x, h, w) in enumerate(places, start=1)
    ]


def _cuts(length: int, side: int) -> list[tuple[int, int]]:
    """Where tiles of about one length begin, and their lengths."""
    count = -(-length // side)
    edges = [length * at // count for at in range(count + 1)]
    return [(start, end - start) for start, end in pairwise(edges)]
