"""Whether a file that GDAL wrote is whole: when a disk is full as GDAL closes a file, it says nothing."""

from pathlib import Path

import rasterio
from rasterio.io import DatasetReader

from core import geo
from core.geo import disk_full

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


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
