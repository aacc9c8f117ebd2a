"""Colours of masks that were saved as JPEG: around those of the classes lie thousands of others."""

from collections.abc import Mapping

import numpy as np

_MOST_PEAKS, _MOST_COLOURS = 40, 50_000
_AROUND, _CLOSE = 48, 20
"""How far the colours of a class may lie from its own, and those that lie close to it."""
_PEAK_SHARE, _PEAKED = 0.02, 0.7
"""Of the pixels: how many lie close to a colour that is a class, and to any of them."""


def summed(present: Mapping[int, int], near: Mapping[int, int]) -> dict[int, int]:
    """Counts by code, those in `near` among those of the code that they count as."""
    found: dict[int, int] = {}
    for code, count in present.items():
        found[near.get(code, code)] = found.get(near.get(code, code), 0) + count
    return found


def colour_peaks(present: Mapping[int, int]) -> set[int]:
    """Colours around which most of the pixels lie, as in masks that were saved as JPEG; empty where they do not.

    Args:
        present: pixels of each colour, as 0xRRGGBB.
    """
    order = sorted(present, key=lambda code: -present[code])[:_MOST_COLOURS]
    codes, counts = np.array(order, np.int64), np.array([present[code] for code in order], np.int64)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    whole, free = sum(present.values()), np.ones(len(codes), np.bool_)
    peaks: list[int] = []
    for _ in range(_MOST_PEAKS):
        if not free.any():
            break
        at = int(free.argmax())
        apart = np.square(colours - colours[at]).sum(axis=1)
        free &= apart > _AROUND**2
        if counts[apart <= _CLOSE**2].sum() >= _PEAK_SHARE * whole:
            peaks.append(at)
    close = [np.square(colours - colours[at]).sum(axis=1) <= _CLOSE**2 for at in peaks]
    if not peaks or counts[np.any(close, axis=0)].sum() < _PEAKED * whole:
        return set()
    return {order[at] for at in peaks}
