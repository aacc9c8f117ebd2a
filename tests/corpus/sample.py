"""What a file of the corpus is: its bytes, and what is expected of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 96


@dataclass(frozen=True)
class Sample:
    """`name` ends as a person's file would, whatever is in it. `truth` RGB (H, W, 3) is what must be seen; None where
    the file must be refused, or (`either`) may be read or refused as long as it is said in a sentence."""

    name: str
    data: bytes
    truth: NDArray[np.uint8] | None = None
    either: bool = False
    note: str | None = None


def ground(seed: int = 0, height: int = SIDE, width: int = SIDE + 24) -> NDArray[np.uint8]:
    """Fields, a road and roofs: edges and flat parts, as in a picture from above."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    fields = [60 + 50 * np.sin(y / 15 + k) + 45 * np.cos(x / 19 + 2 * k) for k in range(3)]
    picture = np.stack(fields, axis=2) + 70
    picture[np.abs(y - x * 0.5 - 20) < 5] = (120, 118, 115)
    for _ in range(6):
        top, left = rng.integers(0, height - 14), rng.integers(0, width - 18)
        picture[top : top + 12, left : left + 16] = rng.integers(90, 240, 3)
    return np.clip(picture, 0, 255).astype(np.uint8)
