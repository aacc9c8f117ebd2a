"""From mask colours to class indices and back."""

import numpy as np
from numpy.typing import NDArray

from core.classes import ClassMap, Colour

FAR = 40
"""A colour further than this (Euclidean, 0..255 a channel) from every class colour is not trusted."""
WARN_SHARE = 0.01
"""More far pixels than this in a mask are worth a warning."""
REFUSE_SHARE = 0.25
"""With more far pixels than this, of those that are no void colour, a mask has other classes than ours."""


def to_indices(mask: NDArray[np.uint8], class_map: ClassMap) -> tuple[NDArray[np.uint8], int]:
    """The class indices of a mask.

    Args:
        mask: Colours uint8 (H, W, 3), which go to the nearest class colour, far or not (the lower index on a tie), or
            grey values (H, W), which are indices already: one beyond the last class counts as far and becomes the
            ignored class. A void colour of the class map becomes the ignored class, and is not far.
        class_map: The classes and their colours.

    Returns:
        Class indices uint8 (H, W), and how many pixels are far from every class.
    """
    if mask.ndim == 2:
        beyond = mask >= len(class_map.names)
        return np.where(beyond, np.uint8(class_map.ignore_index), mask), int(beyond.sum())
    codes = _codes(mask)
    indices = np.full(codes.shape, len(class_map.names), dtype=np.int16)
    for code in _codes(_as_array(class_map.void_colours)):
        indices[codes == code] = class_map.ignore_index
    # Backwards, so that the lower index wins where two classes share a colour.
    for index, code in reversed(list(enumerate(_codes(_colours(class_map))))):
        indices[codes == code] = index
    # Nearly every pixel has an exact colour; only the rest is worth a distance, and each colour only one.
    rest = indices == len(class_map.names)
    others, where, counts = np.unique(codes[rest], return_inverse=True, return_counts=True)
    nearest, far = _nearest(np.stack([others >> 16, others >> 8 & 255, others & 255], axis=-1), class_map)
    indices[rest] = nearest[where]
    return indices.astype(np.uint8), int(counts[far].sum())


def to_rgb(indices: NDArray[np.uint8], class_map: ClassMap) -> NDArray[np.uint8]:
    """A mask in the colours of its classes.

    Args:
        indices: Class indices (H, W).
        class_map: The classes and their colours.

    Returns:
        uint8 (H, W, 3).
    """
    return _colours(class_map)[indices]


def _nearest(colours: NDArray[np.int32], class_map: ClassMap) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """For colours (N, 3): the nearest class (N,), and whether even that is further than `FAR`."""
    nearest = np.zeros(len(colours), dtype=np.uint8)
    least = np.full(len(colours), np.iinfo(np.int32).max, dtype=np.int32)
    for index, colour in enumerate(_colours(class_map).astype(np.int32)):
        squared = ((colours - colour) ** 2).sum(axis=1, dtype=np.int32)
        closer = squared < least
        nearest[closer], least[closer] = index, squared[closer]
    return nearest, least > FAR**2


def _codes(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """One number for each colour (…, 3)."""
    wide = colours.astype(np.int32)
    codes: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return codes


def _colours(class_map: ClassMap) -> NDArray[np.uint8]:
    return _as_array(class_map.colours)


def _as_array(colours: tuple[Colour, ...]) -> NDArray[np.uint8]:
    return np.array(colours, dtype=np.uint8).reshape(-1, 3)
