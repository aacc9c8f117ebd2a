"""One picture with its mask, in memory, or on disk and read by windows."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.band_set import COLOURS, BandSet
from core.data.stored_array import Raster, StoredArray
from core.imagery.colours import find_stretch

TEACHABLE = 256
"""In training labels: nobody labelled this pixel, because its picture has no mask; a teacher may speak about it.

No class has this number, of which there are 255 at most, and neither has the ignored one."""
_SAMPLED = 1_000_000
"""Of how many pixels the stretch of what is shown is taken."""


def digest(image: Raster) -> str:
    """What tells a picture by its size and pixels, whatever its file is called.

    Args:
        image: (H, W, C).

    Returns:
        12 hexadecimal digits.
    """
    return hashlib.sha256(repr(image.shape).encode() + np.asarray(image).tobytes()).hexdigest()[:12]


@dataclass(frozen=True)
class Scene:
    """`image` (H, W, C) of the bands `bands`; `mask` uint8 class indices (H, W), or None where nobody labelled.

    Both are arrays, or stay on the disk: then a slice of rows and columns reads that window, `np.asarray` all of it.
    Colours are uint8 (H, W, 3). `tile` and `part` say which larger picture it was cut from: neighbours share a tile.
    `split` is `train`, `val` or `test` where the dataset's own folders say so, else empty.
    """

    name: str
    image: Raster
    mask: Raster | None
    tile: str = ""
    part: int | None = None
    split: str = ""
    bands: BandSet = COLOURS

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def truth(self) -> NDArray[np.uint8] | None:
        """All of its mask as an array.

        Returns:
            Class indices uint8 (H, W); None where nobody labelled.
        """
        return None if self.mask is None else np.asarray(self.mask)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """What a person sees of it.

        Returns:
            uint8 (H, W, 3): the bands that are shown; deeper values from their 2nd to their 98th percentile.
        """
        whole = np.asarray(self.image)
        if self.bands.is_colours:
            return whole
        shown = whole[..., list(self.bands.colours)]
        if shown.dtype != np.uint8:
            flat = shown.reshape(-1, shown.shape[2])
            sample = flat[:: max(1, len(flat) // _SAMPLED)].T
            shown = find_stretch(sample, np.any(sample != 0, axis=0).reshape(-1))(shown)
        return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))

    def only(self, names: tuple[str, ...]) -> "Scene":
        """The same with some of its bands, in this order. Raises `ConfigError` for one that it has not."""
        wanted = self.bands.only(names)
        if wanted == self.bands:
            return self
        places = self.bands.places_of(wanted) or tuple(range(len(wanted)))
        if isinstance(self.image, StoredArray):
            return replace(self, image=self.image.only(places), bands=wanted)
        return replace(self, image=np.ascontiguousarray(self.image[..., list(places)]), bands=wanted)
