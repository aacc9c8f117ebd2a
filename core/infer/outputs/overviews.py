"""Overviews of a mask, made while it is written: each pixel the class that most of its four have.

GDAL makes the same from the finished file, in several times the time, when nothing else can be done meanwhile. And
whether a file that GDAL wrote is whole: when a disk is full as GDAL closes a file, it says nothing.
"""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from core import geo
from core.geo import disk_full
from core.imagery.limits import Info

BLOCK = 512
Mask = NDArray[Any]
"""Values uint8, or uint16 where `no_data_of` needs them."""
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


class Smaller:
    """Takes the rows of a mask from top to bottom, and writes PLAIN.1, PLAIN.2 …, each of half the side of the last."""

    def __init__(self, plain: Path, info: Info, kind: str = "uint8") -> None:
        self._levels: list[_Level] = []
        height, width, number = info.height, info.width, 0
        while max(height, width) > BLOCK:
            height, width, number = -(-height // 2), -(-width // 2), number + 1
            self._levels.append(_Level(_place(plain, number), height, width, kind))

    def write(self, mask: Mask) -> None:
        """Take the next rows.

        Args:
            mask: Class indices (h, W).
        """
        for level in self._levels:
            mask = level.write(mask)
            if not len(mask):
                return

    def close(self) -> None:
        """Write what is left where a height was odd."""
        left: Mask | None = None
        for level in self._levels:
            left = level.close(left)


class _Level:
    """One overview: pairs of rows in, single rows out. A row without a partner waits for the next."""

    def __init__(self, path: Path, height: int, width: int, kind: str) -> None:
        layout = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "PACKBITS"}
        shape = {"height": height, "width": width, "count": 1, "dtype": kind}
        self._path = path
        with geo.calls(f"{path.name} cannot be written.", target=path):
            self._file = rasterio.open(path, "w", driver="GTiff", BIGTIFF="IF_SAFER", **shape, **layout)
        self._at = 0
        self._waiting: Mask | None = None

    def write(self, rows: Mask) -> Mask:
        """Rows of the mask twice as large → the rows of this one that are ready, for the next."""
        if self._waiting is not None:
            rows = np.concatenate([self._waiting, rows])
        paired = len(rows) // 2 * 2
        self._waiting = rows[paired:].copy() if paired < len(rows) else None
        found = most_of_four(rows[:paired])
        if paired:
            with geo.calls(f"{self._path.name} cannot be written.", target=self._path):
                self._file.write(found, 1, window=Window(0, self._at, found.shape[1], len(found)))
            self._at += len(found)
        return found

    def close(self, left: Mask | None) -> Mask | None:
        """`left` are last rows from above; what comes of them and of a row that waits."""
        found = [] if left is None else [self.write(left)]
        if self._waiting is not None:
            found.append(self.write(self._waiting))
        with geo.calls(f"{self._path.name} cannot be written.", target=self._path):
            self._file.close()
        check_whole(self._path, self._path)
        return np.concatenate(found) if found else None


def most_of_four(mask: Mask) -> Mask:
    """The commonest of each 2 x 2 pixels; of two pairs that of the first pixel.

    Args:
        mask: Class indices (2 h, W).

    Returns:
        (h, W/2), W/2 rounded up.
    """
    if mask.shape[1] % 2:
        mask = np.concatenate([mask, mask[:, -1:]], axis=1)
    one, two, three, four = (np.ascontiguousarray(mask[y::2, x::2]) for y in (0, 1) for x in (0, 1))
    alone = (one != two) & (one != three) & (one != four)
    np.copyto(one, three, where=alone & (three == four))
    np.copyto(one, two, where=alone & ((two == three) | (two == four)))
    return one


def with_overviews(plain: Path) -> Path:
    """`plain` itself, or, where it has overviews beside it, a virtual file that holds them together."""
    levels: list[Path] = []
    while _place(plain, len(levels) + 1).exists():
        levels.append(_place(plain, len(levels) + 1))
    if not levels:
        return plain
    virtual = plain.with_name(plain.name + ".vrt")
    with geo.calls(f"The overviews of {plain.name} cannot be written.", target=virtual):
        rasterio.shutil.copy(plain, virtual, driver="VRT")
    text = virtual.read_text(encoding="utf-8")
    virtual.write_text(text.replace("</VRTRasterBand>", "".join(map(_entry, levels)) + "</VRTRasterBand>"), "utf-8")
    return virtual


def _place(plain: Path, number: int) -> Path:
    return plain.with_name(f"{plain.name}.{number}")


def _entry(level: Path) -> str:
    name = f'<SourceFilename relativeToVRT="1">{level.name}</SourceFilename>'
    return f"<Overview>{name}<SourceBand>1</SourceBand></Overview>"


def check_whole(path: Path, target: Path) -> None:
    """Look up where each block of a TIFF and of its overviews lies, without decoding any.

    Raises `DiskFullError` for `target` when a block is missing or lies beyond the end of the file.
    """
    with geo.calls(f"{target.name} cannot be read back: write it to another disk.", target=target):
        size = path.stat().st_size
        with rasterio.open(path, driver="GTiff") as file:
            levels = len(file.overviews(1))
            whole = _has_all(file, size)
        for level in range(levels):
            with rasterio.open(path, driver="GTiff", overview_level=level) as file:
                whole = whole and _has_all(file, size)
    if not whole:
        raise disk_full(target)


def _has_all(file: DatasetReader, size: int) -> bool:
    rows, columns = (-(-side // block) for side, block in zip(file.shape, file.block_shapes[0], strict=True))
    bands = file.indexes if file.interleaving and file.interleaving.name == "band" else file.indexes[:1]
    return all(
        _lies_within(file, f"{column}_{row}", band, size)
        for band in bands
        for row in range(rows)
        for column in range(columns)
    )


def _lies_within(file: DatasetReader, place: str, band: int, size: int) -> bool:
    start, long = (file.get_tag_item(f"BLOCK_{what}_{place}", "TIFF", bidx=band) for what in ("OFFSET", "SIZE"))
    return start is not None and long is not None and int(long) > 0 and int(start) + int(long) <= size


def check_whole_png(path: Path, target: Path) -> None:
    """Raises `DiskFullError` for `target` when the last chunk of a PNG is missing."""
    with path.open("rb") as png:
        png.seek(max(0, png.seek(0, 2) - len(_PNG_END)))
        if png.read() != _PNG_END:
            raise disk_full(target)
