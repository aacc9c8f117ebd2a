"""The blocks of a picture, written as GeoTIFF: with their place, their bands and the type of their values.

The picture is read strip by strip, each part of it once, and every tile gets its rows of a strip. What is written is
not packed, so that training reads windows of it straight from the disk (`core.data.stored_array`).
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning

from core import geo
from core.band_set import BandSet
from core.data.cut_blocks import Block
from core.data.mask_files import UNLABELLED, class_rows
from core.data.readers.source import Labels, Part, SourcePicture
from core.data.stored_array import StoredArray, stored_mask, stored_picture
from core.errors import DataError, ImageError
from core.files import speaking_plainly
from core.imagery.band_files import BandFile
from core.imagery.decode import open_here
from core.imagery.limits import Info, Limits
from core.imagery.tiff_picture import settings

_STRIP_BYTES = 48 * 1024**2


def write_blocks(
    picture: SourcePicture,
    labels: Labels | None,
    size: tuple[int, int],
    blocks: Sequence[Block],
    folder: Path,
    table: Mapping[int, int],
    *,
    bands: BandSet,
    on_share: Callable[[float], None] | None = None,
) -> dict[str, Part | None]:
    """Write the tiles of a picture and their masks into `images/` and `masks/`. Gives by stem what each is for.

    Args:
        picture: as colours it is stretched as it is shown.
        labels: its codes, of any size: another one is resampled (nearest). None: it has none, and tiles no masks.
        size: height and width of the picture.
        blocks: which tiles.
        folder: of the dataset.
        table: the class index of each code. Where the picture holds no data, nothing is labelled.
        bands: what is written of it.
        on_share: told how much is done, from 0 to 1.

    Raises:
        ImageError: it cannot be read.
        DataError: its labels cannot.
        DiskFullError: there is no space for it.
    """
    classes = None if labels is None else class_rows(labels, size, table)
    with closing(_Picture(picture, bands)) as opened:
        order = sorted(blocks, key=lambda block: (block.top, block.height))
        for (top, height), members in groupby(order, key=lambda block: (block.top, block.height)):
            tiles = [_Tile(block, f"{picture.stem}-{block.name}") for block in members]
            for tile in tiles:
                tile.make(folder, bands, opened.info, labelled=labels is not None)
            for start, stop in _strips(top, top + height, opened.block_rows, size[1] * opened.pixel_bytes):
                pixels, valid = opened.read(start, 0, stop - start, size[1])
                numbers = None if classes is None else classes(start, stop)
                if numbers is not None and valid is not None:
                    numbers[~valid] = UNLABELLED
                for tile in tiles:
                    tile.write(start, pixels, numbers)
                if on_share is not None:
                    on_share(stop / size[0])
    return {f"{picture.stem}-{block.name}": block.part for block in blocks}


class _Picture:
    """An open picture, as colours or as its bands."""

    def __init__(self, picture: SourcePicture, bands: BandSet) -> None:
        content = picture.path
        source: Path | bytes | None = content if content is not None else picture.content and picture.content()
        if source is None:
            raise ImageError(f"{picture.stem} is not there: bring it again.")
        try:
            self._colours = open_here(source, limits=Limits().huge())
            self._bands = None if bands.is_colours else BandFile(source, bands, limits=Limits().huge())
            if self._bands is not None and self._bands.orientation != 1:
                raise ImageError("is stored lying on its side: save it upright.")
        except ImageError as error:
            raise ImageError(f"{picture.stem} {error}") from error
        self._stem = picture.stem
        self.info: Info = self._colours.info
        self.block_rows = self._colours.block_rows
        self.pixel_bytes = bands.pixel_bytes

    def read(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """A window: values (H, W, C), and where it holds data. Raises `ImageError`."""
        try:
            if self._bands is None:
                return self._colours.read(y, x, height, width)
            return self._bands.read_known(y, x, height, width)
        except ImageError as error:
            raise ImageError(f"{self._stem} {error}") from error

    def close(self) -> None:
        if self._bands is not None:
            self._bands.close()
        self._colours.close()


class _Tile:
    """A tile and its mask on the disk, which get their rows strip by strip."""

    def __init__(self, block: Block, stem: str) -> None:
        self._block, self._stem = block, stem
        self._files: list[StoredArray] = []

    def make(self, folder: Path, bands: BandSet, info: Info, *, labelled: bool) -> None:
        image, mask = (folder / name / f"{self._stem}.tif" for name in ("images", "masks"))
        _make_file(image, self._block, len(bands), bands.depth, info, colours=bands.is_colours)
        made = [stored_picture(image, bands)]
        if labelled:
            _make_file(mask, self._block, 1, "uint8", info)
            made.append(stored_mask(mask))
        self._files = [each for each in made if each is not None]
        if len(self._files) < len(made):
            raise DataError(f"The tile {self._stem} was not written as it should be: check the disk.")

    def write(self, top: int, pixels: NDArray[Any], numbers: NDArray[np.uint8] | None) -> None:
        """The rows of the picture from `top` on, of which the tile holds all; in all their width."""
        block = self._block
        columns = slice(block.left, block.left + block.width)
        for file, values in zip(self._files, (pixels, numbers), strict=False):
            assert values is not None
            cut = np.ascontiguousarray(values[:, columns], file.kind)
            with speaking_plainly(file.path), file.path.open("r+b") as written:
                written.seek(file.offset + (top - block.top) * cut[0].nbytes)
                written.write(cut.data)


def _make_file(path: Path, block: Block, count: int, kind: str, info: Info, *, colours: bool = False) -> None:
    """A GeoTIFF of 0 in one strip, not packed."""
    profile: dict[str, Any] = {"driver": "GTiff", "count": count, "dtype": kind}
    profile |= {"width": block.width, "height": block.height, "blockysize": block.height, "interleave": "pixel"}
    profile |= {"photometric": "RGB" if colours else "MINISBLACK", "alpha": "NO"}
    if info.transform is not None:
        a, b, c, d, e, f = info.transform
        profile["transform"] = Affine(
            a, b, a * block.left + b * block.top + c, d, e, d * block.left + e * block.top + f
        )
        profile |= {"crs": info.crs} if info.crs else {}
    needs = block.height * block.width * count * np.dtype(kind).itemsize
    with (
        geo.calls(f"The tile {path.name} could not be written: check the disk.", target=path, needs=needs),
        settings(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        rasterio.open(path, "w", **profile).close()


def _strips(top: int, bottom: int, block_rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Rows that are read at once: whole rows of the picture's own strips or tiles, where these are not too many."""
    most = max(1, _STRIP_BYTES // max(1, row_bytes))
    step = block_rows * (most // block_rows) if most >= block_rows else most
    start = top
    while start < bottom:
        stop = min(bottom, start - start % step + step)
        yield start, stop
        start = stop
