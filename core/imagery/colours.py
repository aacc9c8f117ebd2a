"""Numbers of any depth → 8-bit colours. NumPy only.

Eight-bit pictures stay as they are, and so do whole numbers from 0 to 255 in wider types. Everything else is stretched:
the 2nd percentile of the pixels that hold data becomes 0 and the 98th 255, one scale for all three bands, so that the
colours keep their balance. (QGIS draws rasters with the same two percentiles.)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ImageError

LOW_PERCENT, HIGH_PERCENT = 2.0, 98.0
_BLOCK = 2**20


@dataclass(frozen=True)
class Stretch:
    """`low` becomes 0 and `high` 255; what lies outside is cut off.

    `by_percentiles`: the picture chose them. `seen` is of how many pixels with data.
    """

    low: float
    high: float
    by_percentiles: bool = False
    seen: int = 0

    def __call__(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """(…) of any real type → uint8 of the same shape; what is no number becomes 0."""
        flat = values.reshape(-1)
        scaled = np.empty(flat.shape, np.uint8)
        # In blocks: the wide floats of a whole large picture would take gigabytes.
        for start in range(0, flat.size, _BLOCK):
            real = flat[start : start + _BLOCK].astype(np.float64)
            share = np.nan_to_num((real - self.low) / (self.high - self.low), nan=0.0, posinf=1.0, neginf=0.0)
            scaled[start : start + _BLOCK] = np.round(np.clip(share, 0, 1) * 255)
        return scaled.reshape(values.shape)


def find_stretch(samples: NDArray[np.generic], valid: NDArray[np.bool_]) -> Stretch:
    """How values become 8-bit colours.

    Args:
        samples: (C, N) of N pixels, of any real type.
        valid: Boolean (N,): those that hold data.

    Raises:
        ImageError: They are complex numbers.
    """
    if samples.dtype.kind not in "buif":
        raise ImageError("holds complex numbers, which cannot be shown: export it with real values.")
    real = samples[:, valid].astype(np.float64)
    seen = real.shape[1]
    real = real[np.isfinite(real)]
    if not real.size:
        return full_range(samples)
    if real.min() >= 0 and 1 < real.max() <= 255 and not (real % 1).any():
        return Stretch(0.0, 255.0, seen=seen)
    low, high = np.percentile(real, [LOW_PERCENT, HIGH_PERCENT])
    if high <= low:
        # Most of it is one value: the extremes, and where these are one too, the number as it is.
        low, high = float(real.min()), float(real.max())
    # One value only: it becomes black.
    return Stretch(float(low), float(high if high > low else low + 1), by_percentiles=True, seen=seen)


def from_cmyk(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Inks as light.

    Args:
        inks: Cyan, magenta, yellow and black, uint8 (H, W, 4), 255 for full ink.

    Returns:
        RGB uint8 (H, W, 3).
    """
    light = 255 - inks.astype(np.uint16)
    rgb: NDArray[np.uint8] = ((light[..., :3] * light[..., 3:] + 127) // 255).astype(np.uint8)
    return rgb


def full_range(values: NDArray[Any]) -> Stretch:
    """From 0 to the largest number that values of this kind can be: of inks, of alpha, and where nothing is known.

    1 or 255 where no value is larger, in wider types too; else what the type holds, and what a float shows.

    Args:
        values: Of any shape (…) and real type.
    """
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    largest = float(known.max()) if known.size else 0.0
    if values.dtype.kind == "f":
        full = next((full for full in (1.0, 255.0, 65535.0) if largest <= full), largest)
    else:
        holds = float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1.0
        full = next((full for full in (1.0, 255.0) if 0 < largest <= full <= holds), holds)
    return Stretch(0.0, full)


def unmultiply(values: NDArray[Any], alpha: NDArray[Any], full: float) -> NDArray[Any]:
    """Colours that were multiplied by their alpha, as they were before.

    Args:
        values: (C, H, W) of any real type.
        alpha: (H, W), `full` where opaque.
        full: Above 0.

    Returns:
        (C, H, W) in the type of `values`, rounded and cut off at its ends if it holds whole numbers; where alpha is 0
        they stay.
    """
    found = np.empty_like(values)
    # In bands of rows, as in `Stretch`: the wide floats of a whole large picture would take gigabytes.
    rows = max(1, _BLOCK // max(1, alpha.shape[1]))
    for top in range(0, len(alpha), rows):
        part = slice(top, top + rows)
        plain = values[:, part] * (full / np.where(alpha[part] > 0, alpha[part], full).astype(np.float64))
        if values.dtype.kind in "iu":
            limits = np.iinfo(values.dtype)
            plain = np.clip(np.round(plain), limits.min, limits.max)
        found[:, part] = plain
    return found
