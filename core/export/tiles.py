"""Real pictures to check and calibrate an exported model on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.config import DataConfig
from core.data import open_split
from core.data.scene import Scene
from core.errors import DataError

TILE = 256


def training_tiles(data: DataConfig, *, count: int, side: int = TILE, seed: int = 0) -> list[NDArray[np.uint8]]:
    """`count` squares, uint8 (side, side, 3), drawn from the training pictures of a dataset; smaller where those are.

    Raises what `core.data.open_split` raises.
    """
    _, split = open_split(data)
    return cut(split.train, count=count, side=side, seed=seed)


def cut(scenes: Sequence[Scene], *, count: int, side: int = TILE, seed: int = 0) -> list[NDArray[np.uint8]]:
    """The same from these scenes, one after the other, each time from another place."""
    if not scenes:
        raise DataError("There are no pictures to take tiles from: choose another dataset.")
    draw = np.random.default_rng(seed)
    tiles = []
    for index in range(count):
        image = scenes[index % len(scenes)].image
        height, width = image.shape[:2]
        top, left = draw.integers(max(1, height - side + 1)), draw.integers(max(1, width - side + 1))
        tiles.append(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return tiles
