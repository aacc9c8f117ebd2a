"""One picture with its mask, in memory."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TEACHABLE = 256
"""In training labels: nobody labelled this pixel, because its picture has no mask; a teacher may speak about it.

No class has this number, of which there are 255 at most, and neither has the ignored one."""


def digest(image: NDArray[np.uint8]) -> str:
    """What tells a picture by its size and pixels, whatever its file is called.

    Args:
        image: uint8 (H, W, C).

    Returns:
        12 hexadecimal digits.
    """
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()[:12]


@dataclass(frozen=True)
class Scene:
    """`image` uint8 (H, W, 3); `mask` uint8 class indices (H, W), or None where nobody labelled.

    `tile` and `part` say which larger picture it was cut from: neighbours share a tile. `split` is `train`, `val` or
    `test` where the dataset's own folders say so, else empty.
    """

    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    tile: str = ""
    part: int | None = None
    split: str = ""

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])
