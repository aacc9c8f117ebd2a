"""The Dubai pictures by tile and part, and folders of links to just some of them."""

from collections.abc import Sequence
from pathlib import Path

Part = tuple[int, int]
"""Tile and part of a Dubai picture: (2, 8) is `Tile 2/image_part_008`."""

TILES = range(1, 9)
CHOOSES = 8
"""The part that chooses the weights of every run. Part 9 is seen by nobody here."""


def parts(tiles: Sequence[int], numbers: Sequence[int]) -> frozenset[Part]:
    """Each of these parts of each of these tiles."""
    return frozenset((tile, number) for tile in tiles for number in numbers)


def link_folder(folder: Path, source: Path, pictures: frozenset[Part], *, labels: bool = True) -> Path:
    """A dataset folder with links to just these pictures, and to their masks where `labels`."""
    for tile, part in sorted(pictures):
        for kind in ("images", "masks") if labels else ("images",):
            (file,) = (source / f"Tile {tile}" / kind).glob(f"image_part_{part:03d}.*")
            place = folder / f"Tile {tile}" / kind / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.symlink_to(file.resolve())
    return folder
