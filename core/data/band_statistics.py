"""Mean and standard deviation of each band over training pictures: what a model's input is normalised with."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.scene import Scene
from core.errors import DataError

_SIDE = 512
_MOST_WINDOWS = 64
"""Of one picture: a larger one is measured on this many windows, spread evenly."""


def band_statistics(scenes: Sequence[Scene]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each band, in the units of the pictures.

    Pixels that are 0 in all bands hold no data and do not count. A band without any spread gets the deviation 1.

    Args:
        scenes: At least one; all of the same bands.

    Returns:
        C means and C deviations above 0.

    Raises:
        DataError: No pixel holds data.
    """
    bands = len(scenes[0].bands) if scenes else 0
    count, sums, squares = 0, np.zeros(bands), np.zeros(bands)
    shift: NDArray[Any] | None = None
    for scene in scenes:
        for window in _windows(scene):
            values = window.reshape(-1, bands).astype(np.float64)
            values = values[values.any(axis=1)]
            if not len(values):
                continue
            # Sums of squares around a first guess of the mean: around 0 they would lose what matters.
            shift = values.mean(axis=0) if shift is None else shift
            values -= shift
            count += len(values)
            sums += values.sum(axis=0)
            squares += np.square(values).sum(axis=0)
    if shift is None:
        raise DataError("The training pictures hold no data: every pixel is 0. Check their files.")
    mean = sums / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    whole = np.where(deviation > 0, deviation, 1.0)
    return tuple(map(float, shift + mean)), tuple(map(float, whole))


def _windows(scene: Scene) -> Iterator[NDArray[Any]]:
    places = [
        (slice(y, y + _SIDE), slice(x, x + _SIDE))
        for y in range(0, scene.height, _SIDE)
        for x in range(0, scene.width, _SIDE)
    ]
    few = min(len(places), _MOST_WINDOWS)
    yield from (scene.image[places[at * len(places) // few]] for at in range(few))
