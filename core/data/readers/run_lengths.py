"""Masks packed as run lengths: those of COCO, compressed or not, and those of Label Studio's brush. NumPy only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError

MOST_PIXELS = 100_000_000
_DAMAGED = "its run lengths do not fill its picture: export it again"


def coco_mask(counts: str | Sequence[Any], height: int, width: int) -> NDArray[np.bool_]:
    """The mask of a `segmentation` with `counts`, which run down the columns, unset pixels first.

    Args:
        counts: Run lengths, or the text that packs them.
        height: H, in pixels.
        width: W, in pixels.

    Returns:
        Boolean (H, W).

    Raises:
        DataError: They do not fill the picture.
    """
    _check_size(height, width)
    lengths = _coco_counts(counts) if isinstance(counts, str) else [_length(count) for count in counts]
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise DataError(_DAMAGED)
    values = np.arange(len(lengths)) % 2 == 1
    flat: NDArray[np.bool_] = np.repeat(values, lengths)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def pairs_mask(text: str, height: int, width: int) -> NDArray[np.bool_]:
    """The mask in pairs of a first pixel, from 1, and a length, which run down the columns.

    Args:
        text: The numbers, with spaces between them.
        height: H, in pixels.
        width: W, in pixels.

    Returns:
        Boolean (H, W).

    Raises:
        DataError: They are no pairs of numbers, or reach beyond the picture.
    """
    _check_size(height, width)
    try:
        pairs = np.array(text.split(), np.int64).reshape(-1, 2)
    except (ValueError, OverflowError) as error:
        raise DataError(_DAMAGED) from error
    ends = pairs.sum(axis=1) - 1
    if (pairs < 1).any() or (ends > height * width).any():
        raise DataError(_DAMAGED)
    steps = np.zeros(height * width + 1, np.int32)
    np.add.at(steps, pairs[:, 0] - 1, 1)
    np.add.at(steps, ends, -1)
    return np.ascontiguousarray((steps[:-1].cumsum() > 0).reshape(width, height).T)


def brush_mask(packed: Sequence[Any], height: int, width: int) -> NDArray[np.bool_]:
    """The mask of a `rle` of Label Studio: RGBA bytes of which the alpha is the mask.

    A stream of bits: how many bytes (32), the bits of a byte less one (5), four widths less one (4 each); then runs:
    whether one value is repeated (1), which of the widths (2), the length less one in so many bits, then its values.

    Args:
        packed: The bytes, 0 to 255.
        height: H, in pixels.
        width: W, in pixels.

    Returns:
        Boolean (H, W).

    Raises:
        DataError: It does not fill the picture.
    """
    _check_size(height, width)
    try:
        bits = np.unpackbits(np.array(packed, np.uint8))
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(_DAMAGED) from error
    stream = _Bits(bits)
    whole, word = stream.number(32), stream.number(5) + 1
    widths = [stream.number(4) + 1 for _ in range(4)]
    if whole != 4 * height * width or word != 8:
        raise DataError(_DAMAGED)
    found = np.zeros(whole, np.uint8)
    at = 0
    while at < whole:
        repeated = stream.number(1)
        end = at + 1 + stream.number(widths[stream.number(2)])
        if end > whole:
            raise DataError(_DAMAGED)
        found[at:end] = stream.number(8) if repeated else stream.bytes(end - at)
        at = end
    return np.ascontiguousarray(found[3::4].reshape(height, width) > 0)


class _Bits:
    """Numbers out of an array of bits. Raises `DataError` at its end."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits, self._at = bits, 0

    def number(self, count: int) -> int:
        value = 0
        for bit in self._take(count).tolist():
            value = value << 1 | bit
        return value

    def bytes(self, count: int) -> NDArray[np.uint8]:
        return np.packbits(self._take(8 * count))

    def _take(self, count: int) -> NDArray[np.uint8]:
        part = self._bits[self._at : self._at + count]
        if len(part) < count:
            raise DataError(_DAMAGED)
        self._at += count
        return part


def _coco_counts(text: str) -> list[int]:
    """Five bits a character from `0`, a sixth for more, the last one's fifth for the sign.

    From the third number on the difference to the one before the last.
    """
    found: list[int] = []
    value, shift = 0, 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 60:
            raise DataError(_DAMAGED)
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= 1 << shift if code & 16 else 0
            found.append(value + found[-2] if len(found) > 2 else value)
            value, shift = 0, 0
    if shift:
        raise DataError(_DAMAGED)
    return found


def _length(count: Any) -> int:
    if isinstance(count, bool) or not isinstance(count, int | float) or count != int(count):
        raise DataError(_DAMAGED)
    return int(count)


def _check_size(height: int, width: int) -> None:
    if not (height > 0 and width > 0 and height * width <= MOST_PIXELS):
        raise DataError(f"its labels are for {width} x {height} pixels, which no picture here has: export it again")
