"""One picture as many: cut into blocks that train, validate and test, with margins between them that no part sees.

For an orthophoto that is all there is: a split needs several pictures. Blocks lie side by side along the longer side,
and each is cut into tiles that fit into memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.readers.source import Labels, Part, SourcePicture
from core.errors import ImageError
from core.image import encode_png
from core.imagery.decode import open_here
from core.imagery.limits import Limits

BETWEEN, LARGEST_SIDE = 256, 2048
LEAST_SIDE = 96
"""Of a picture that can be cut."""
_SHARES: tuple[tuple[Part, float], ...] = (("train", 0.7), ("validate", 0.15), ("test", 0.15))
_MOST_BETWEEN = 0.05


@dataclass(frozen=True)
class Block:
    """A tile of a block, in pixels of the picture; `number` counts those of one part from 1."""

    part: Part
    number: int
    top: int
    left: int
    height: int
    width: int


def blocks_of(height: int, width: int) -> list[Block]:
    """The tiles of a picture of this size.

    Between two parts a margin is left out: `BETWEEN` pixels, as wide as the usual crop, or a twentieth of the longer
    side where that is less.
    """
    upright = height > width
    whole = max(height, width)
    margin = min(BETWEEN, round(_MOST_BETWEEN * whole))
    left, start = whole - 2 * margin, 0
    found: list[Block] = []
    for part, share in _SHARES:
        length = round(share * left) if part != "test" else whole - start
        sides = (length, width) if upright else (height, length)
        corner = (start, 0) if upright else (0, start)
        found += _tiles(part, *corner, *sides)
        start += length + margin
    return found


def _tiles(part: Part, top: int, left: int, height: int, width: int) -> list[Block]:
    rows, columns = (_cuts(side) for side in (height, width))
    places = [(y, x, h, w) for y, h in rows for x, w in columns]
    return [Block(part, at, top + y, left + x, h, w) for at, (y, x, h, w) in enumerate(places, start=1)]


def _cuts(side: int) -> list[tuple[int, int]]:
    """Where tiles of about one length begin, and their lengths."""
    count = -(-side // LARGEST_SIDE)
    edges = [side * at // count for at in range(count + 1)]
    return [(start, end - start) for start, end in pairwise(edges)]


def write_blocks(
    picture: SourcePicture, size: tuple[int, int], labels: Labels, folder: Path, table: Mapping[int, int]
) -> list[tuple[str, Part]]:
    """Write the tiles of a picture and their masks into `images/` and `masks/`. Gives their stems and parts.

    Args:
        picture: it has 8 bits a colour afterwards, stretched as it is shown.
        size: its height and width.
        labels: its codes, of any size.
        folder: of the dataset.
        table: the class index of each code.

    Raises:
        ImageError: it cannot be read.
    """
    # rasterio takes longer to import than all the rest, and who asks for places alone needs none of it.
    from core.data.mask_files import write_mask

    content = picture.path if picture.path is not None else picture.content() if picture.content is not None else None
    if content is None:
        raise ImageError(f"{picture.stem} is not there: bring it again.")
    opened = open_here(content, limits=Limits().huge())
    written: list[tuple[str, Part]] = []
    try:
        for block in blocks_of(*size):
            stem = f"{picture.stem}-{block.part}-{block.number}"
            rgb, _ = opened.read(block.top, block.left, block.height, block.width)
            (folder / "images" / f"{stem}.png").write_bytes(encode_png(np.ascontiguousarray(rgb)))
            write_mask(folder / "masks" / stem, _within(labels, size, block), (block.height, block.width), table)
            written.append((stem, block.part))
    finally:
        opened.close()
    return written


def _within(labels: Labels, size: tuple[int, int], block: Block) -> Labels:
    """The labels of a tile, resampled (nearest) where they are not of the picture's size."""
    columns = _nearest(block.left, block.width, size[1], labels.width)

    def rows(top: int, bottom: int) -> NDArray[np.int32]:
        wanted = _nearest(block.top + top, bottom - top, size[0], labels.height)
        codes = labels.rows(int(wanted[0]), int(wanted[-1]) + 1)
        return np.ascontiguousarray(codes[wanted - wanted[0]][:, columns])

    return Labels(block.height, block.width, rows)


def _nearest(start: int, count: int, side: int, own: int) -> NDArray[np.int64]:
    at = ((start + np.arange(count) + 0.5) * own / side).astype(np.int64)
    return np.minimum(at, own - 1)
