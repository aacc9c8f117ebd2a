"""How much of a picture is labelled, with what, and where: read once from top to bottom."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.data.cut_blocks import Box, united
from core.data.readers.source import UNLABELLED, Labels, SourcePicture
from core.data.readers.tree import PictureInfo
from core.errors import DataError, ImageError
from core.imagery.decode import open_here
from core.imagery.limits import Limits

_STRIP_PIXELS = 4_000_000


@dataclass(frozen=True)
class LabelCount:
    """The labels of a picture, counted: pixels of each code, and the smallest box of the picture that holds them."""

    counts: Mapping[int, int] = field(default_factory=dict)
    boxes: Mapping[int, Box] = field(default_factory=dict)


def labels_of(picture: SourcePicture, info: PictureInfo) -> Labels:
    """The labels of a picture that has some; none in the border that `info` names. Raises `DataError`."""
    assert picture.labels is not None
    labels, border = picture.labels(), info.border
    if border is None:
        return labels
    across = _places(labels.width, info.width)

    def rows(top: int, bottom: int) -> NDArray[np.int32]:
        down = _places(labels.height, info.height, top, bottom)
        return np.where(border.covers(down, across), np.int32(UNLABELLED), labels.rows(top, bottom))

    return Labels(labels.height, labels.width, rows)


def _places(length: int, side: int, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
    """Where the middles of some pixels of labels lie in a picture of `side` pixels."""
    middles = np.arange(start, length if stop is None else stop) + 0.5
    return np.minimum((middles * side / length).astype(np.int64), side - 1)


def known_labels(picture: SourcePicture, info: PictureInfo) -> Labels:
    """The labels of a picture that has some; where the picture holds no data, there are none. Raises `DataError`."""
    labels = labels_of(picture, info)
    if not info.may_lack_data or (labels.height, labels.width) != (info.height, info.width):
        return labels
    source = picture.path if picture.path is not None else picture.content and picture.content()
    if source is None:
        return labels
    try:
        opened = open_here(source, limits=Limits().huge())
    except ImageError as error:
        raise DataError(f"its picture {error}") from error

    def rows(top: int, bottom: int) -> NDArray[np.int32]:
        codes = labels.rows(top, bottom)
        try:
            _, valid = opened.read(top, 0, bottom - top, info.width)
        except ImageError as error:
            raise DataError(f"its picture {error}") from error
        return codes if valid is None else np.where(valid, codes, np.int32(UNLABELLED))

    return Labels(labels.height, labels.width, rows)


def count_labels(labels: Labels, size: tuple[int, int], on_share: Callable[[float], None] | None = None) -> LabelCount:
    """Count labels, which are those of a picture of this height and width, strip by strip.

    Args:
        labels: of any size; the boxes are in pixels of the picture.
        size: its height and width.
        on_share: told how much is done, from 0 to 1.

    Raises:
        DataError: they cannot be read.
    """
    counts: Counter[int] = Counter()
    boxes: dict[int, Box] = {}
    step = max(1, _STRIP_PIXELS // max(1, labels.width))
    for top in range(0, labels.height, step):
        bottom = min(labels.height, top + step)
        for code, (count, box) in _counted(labels.rows(top, bottom), top).items():
            counts[code] += count
            boxes[code] = united([box, boxes[code]]) or box if code in boxes else box
        if on_share is not None:
            on_share(bottom / labels.height)
    scale = (size[0] / max(1, labels.height), size[1] / max(1, labels.width))
    return LabelCount(dict(counts), {code: _scaled(box, size, scale) for code, box in boxes.items()})


def _counted(codes: NDArray[np.int32], first: int) -> dict[int, tuple[int, Box]]:
    """The pixels of each code and its box, of rows (H, W) from the `first` on. Equal neighbours are counted together,
    which is most of a mask."""
    width = codes.shape[1]
    change = np.ones(codes.shape, np.bool_)
    np.not_equal(codes[:, 1:], codes[:, :-1], out=change[:, 1:])
    starts = np.flatnonzero(change)
    lengths = np.diff(np.append(starts, codes.size))
    values, where = np.unique(codes.reshape(-1)[starts], return_inverse=True)
    sums = np.bincount(where, weights=lengths, minlength=len(values))
    rows, columns = np.divmod(starts, width)
    least, most = (np.full((2, len(values)), edge, np.int64) for edge in (np.iinfo(np.int64).max, -1))
    for at, (low, high) in enumerate(((rows, rows + 1), (columns, columns + lengths))):
        np.minimum.at(least[at], where, low)
        np.maximum.at(most[at], where, high)
    return {
        int(code): (
            int(sums[at]),
            Box(first + int(least[0, at]), int(least[1, at]), *(most[:, at] - least[:, at]).tolist()),
        )
        for at, code in enumerate(values)
    }


def _scaled(box: Box, size: tuple[int, int], scale: tuple[float, float]) -> Box:
    """In pixels of a picture of this size, `scale` of which lie in one of the labels."""
    top, left = int(box.top * scale[0]), int(box.left * scale[1])
    bottom = min(size[0], math.ceil((box.top + box.height) * scale[0]))
    right = min(size[1], math.ceil((box.left + box.width) * scale[1]))
    return Box(top, left, bottom - top, right - left)
