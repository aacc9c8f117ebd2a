"""What a label mask may hold: whole numbers, one for each class, and pixels that nobody labelled. NumPy only."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import ImageError

UNLABELLED = 255
"""What stands in `StoredMask.values` where nobody labelled. No class of a model has this index."""
# Written for no data by GIS tools, in whatever type the mask was then stored; none of them can be a class index.
_NO_DATA = (
    -1, -9999, -99999, -32768, 32767, 65535, -(2**31), 2**31 - 1, 2**32 - 1, -(2**63), 2**63 - 1, 2**64 - 1,
)  # fmt: skip
_ROUNDING = 1e-4


@dataclass(frozen=True)
class StoredMask:
    """A label mask as it is stored.

    `values` is uint8: class indices or places in the palette (H, W), or colours (H, W, 3). `palette` holds the colours
    (N, 3) by value. `labelled` (H, W) is False where the file says that there is no data; None: it says so nowhere.
    """

    values: NDArray[np.uint8]
    palette: NDArray[np.uint8] | None = None
    labelled: NDArray[np.bool_] | None = None


def to_stored(
    values: NDArray[np.generic],
    labelled: NDArray[np.bool_] | None = None,
    palette: NDArray[np.uint8] | None = None,
    *,
    most: int = 255,
) -> StoredMask:
    """A mask of whole numbers, floats among them as long as they are whole.

    -1, -9999 and the other values that tools write for no data are unlabelled, and so is what is no number.

    Args:
        values: (H, W) of any type.
        labelled: Boolean (H, W): False where the file says that there is no data. None: it says so nowhere.
        palette: Colours uint8 (N, 3) by value.
        most: The largest number that is read. Above 255: of masks whose numbers are codes that a person maps.

    Returns:
        Indices (H, W); int32 where one is above 255.

    Raises:
        ImageError: There are fractions, or values that no class index can be.
    """
    known = np.ones(values.shape, np.bool_) if labelled is None else labelled.copy()
    if values.dtype.kind == "f":
        known &= np.abs(values) < 1e30
    if values.dtype.kind == "c":
        raise ImageError("holds complex numbers, which are no class indices: a mask has whole numbers from 0 to 255.")
    if values.dtype.kind != "b" and values.dtype != np.uint8:
        known &= ~_is_no_data(values)
    whole = _rounded(values, known)
    if known.any():
        least, largest = whole[known].min(), whole[known].max()
        if least < 0 or largest > most:
            raise ImageError(
                f"holds values that are no class indices ({least:,} to {largest:,}): a mask has whole numbers from 0 "
                "to 255, and a no-data value where nobody labelled."
            )
    stored: Any = np.where(known, whole, UNLABELLED)
    stored = stored.astype(np.int32 if stored.max(initial=0) > 255 else np.uint8)
    return StoredMask(stored, palette, None if known.all() else known)


def _is_no_data(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Which of the values are among those of `_NO_DATA` that their type can hold."""
    found = np.zeros(values.shape, np.bool_)
    limits: Any = None if values.dtype.kind == "f" else np.iinfo(cast(Any, values.dtype))
    for told in (-1, -128, 127) if values.dtype == np.int8 else _NO_DATA:
        if limits is None or limits.min <= told <= limits.max:
            found |= values == values.dtype.type(told)
    return found


def _rounded(values: NDArray[np.generic], known: NDArray[np.bool_]) -> NDArray[np.generic]:
    """Whole numbers where `known`. Raises `ImageError` for fractions."""
    if values.dtype.kind != "f":
        return values
    real = np.where(known, values, 0).astype(np.float64)
    whole = np.round(real)
    wrong = np.abs(real - whole) > _ROUNDING
    if wrong.any():
        raise ImageError(
            f"holds fractions such as {real[wrong][0]:.4g}, which are no class indices: export the mask again with "
            "whole numbers, one for each class."
        )
    # Beyond int64 there is no class either; it is refused by its size.
    return np.clip(whole, -(2.0**62), 2.0**62).astype(np.int64)
