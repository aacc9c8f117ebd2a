"""TIFF and GeoTIFF, read window by window by GDAL's GTiff driver and by no other.

GDAL tells formats by content as well, and some of them read other files or connect out (VRT, WMS): hence one driver,
no neighbours on the disk (.ovr, .aux.xml, .tfw), no network.
"""

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from core import geo
from core.errors import ImageError
from core.imagery.bands import choose_bands, judge_alpha
from core.imagery.colours import Stretch, find_stretch, from_cmyk, full_range
from core.imagery.geodesy import metres_per_pixel
from core.imagery.labels import StoredMask, to_stored
from core.imagery.limits import Info, Limits
from core.imagery.pixels import Pixels
from core.imagery.place import read_place
from core.imagery.samples import take_sample
from core.imagery.tiffs import MIN_IS_WHITE, PALETTE, Layout, check_layout, read_layout

GDAL_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_NUM_THREADS": "1",
    "GDAL_HTTP_MAX_RETRY": "0",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_DRIVER_PATH": "disable",
    "PROJ_NETWORK": "OFF",
    "CPL_DEBUG": "OFF",
}
_Value = TypeVar("_Value", bound=np.generic)
# In bytes for rasterio, in MB for the environment of a process.
CACHE_MB = 64
_AT_ONCE = 25_000_000
"""Pixels of a picture that is read in one piece, so that some of them are what they are."""
DAMAGED = "cannot be read: the TIFF is damaged or of a kind that is not known."


class TiffPicture:
    """An open TIFF. Raises `ImageError` whose message is the end of a sentence."""

    def __init__(self, source: Path | bytes, layout: Layout, limits: Limits, asked: tuple[int, ...] | None) -> None:
        with geo.calls(DAMAGED, ImageError), settings(), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            self._memory = MemoryFile(source) if isinstance(source, bytes) else None
            self._file = open_tiff(self._memory or source)
            bands, alpha_full = judge_alpha(self._file, choose_bands(self._file, layout, asked))
            self._pixels = Pixels(self._file, bands, alpha_full=alpha_full)
            self._table = colour_table(self._file, bands.numbers[0], layout) if len(bands.numbers) == 1 else None
            self._stretch, notes = (None, []) if self._table is not None else _stretch(self._pixels, source)
            self.info = _info(self._pixels, layout, [*bands.notes, *notes])
            self._turn = turned(self._file, layout)
        self._inverted = layout.photometric == MIN_IS_WHITE
        if self._turn > 1 and self.info.pixels > limits.whole_pixels:
            raise ImageError("is stored lying on its side and is too large to be turned: save it upright.")
        if self._turn >= 5:
            self.info = Info.from_json({**self.info.__dict__, "width": self.info.height, "height": self.info.width})
        self._upright: tuple[NDArray[np.uint8], NDArray[np.bool_] | None] | None = None

    def read(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """A window inside the picture.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            Colours uint8 (H, W, 3), black where there is no data, and which pixels hold some, boolean (H, W) or None
            for all.

        Raises:
            ImageError: The file is damaged there.
        """
        if self._turn == 1:
            return self._window(Window(x, y, width, height))
        if self._upright is None:
            sides = (self.info.height, self.info.width) if self._turn >= 5 else (self.info.width, self.info.height)
            whole, lacking = self._window(Window(0, 0, *sides))
            self._upright = turn(whole, self._turn), None if lacking is None else turn(lacking, self._turn)
        rows, columns = slice(y, y + height), slice(x, x + width)
        rgb, valid = self._upright
        return rgb[rows, columns], None if valid is None else valid[rows, columns]

    def _window(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        with geo.calls(DAMAGED, ImageError), settings():
            values, valid = self._pixels.read(window, shape)
        rgb = self._to_rgb(np.moveaxis(values, 0, 2))
        if not self.info.may_lack_data:
            return rgb, None
        # What stands where no data is (-9999, or colours under a mask) must not be seen by a model.
        if not valid.all():
            rgb[~valid] = 0
        return rgb, valid

    def _to_rgb(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        if self._table is not None:
            return self._table[np.minimum(values[..., 0].astype(np.int64), len(self._table) - 1)]
        scaled = values.astype(np.uint8, order="C") if self._stretch is None else self._stretch(values)
        if self._inverted:
            scaled = 255 - scaled
        if self._pixels.bands.inks:
            return from_cmyk(scaled)
        return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled

    def thinned(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Some of its pixels, or what an overview of the file shows in their place.

        Args:
            rows: Which, (h,), evenly spread over all.
            columns: Which, (w,), the same.

        Returns:
            Colours uint8 (h, w, 3).

        Raises:
            ImageError: The file is damaged.
        """
        if self._turn > 1 or self.info.pixels <= _AT_ONCE:
            return np.ascontiguousarray(self.read(0, 0, self.info.height, self.info.width)[0][rows[:, None], columns])
        whole = Window(0, 0, self.info.width, self.info.height)
        return np.ascontiguousarray(self._window(whole, (len(rows), len(columns)))[0])

    @geo.calls(DAMAGED, ImageError)
    def stored(self, y: int, x: int, height: int, width: int) -> NDArray[np.generic]:
        """A window of all bands but transparency, as the file holds them.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            (H, W, C) in the type of the file.

        Raises:
            ImageError: The file is damaged there.
        """
        numbers = [number for number in self._file.indexes if number != self._pixels.bands.alpha]
        with settings():
            return np.moveaxis(self._file.read(numbers, window=Window(x, y, width, height)), 0, 2)

    @property
    def is_plain(self) -> bool:
        """Whether it lies as it is stored, in colours or other values, and says nowhere where it holds no data."""
        return self._turn == 1 and self._table is None and not self._inverted and not self._pixels.declared

    @property
    @geo.calls(DAMAGED, ImageError)
    def block_rows(self) -> int:
        """How many rows are decoded together, whichever of them is read."""
        return int(self._file.block_shapes[0][0]) if self._turn == 1 else self.info.height

    @property
    def was_turned(self) -> bool:
        """Whether it was turned upright, as its orientation says."""
        return self._turn > 1

    @geo.calls(DAMAGED, ImageError)
    def close(self) -> None:
        self._file.close()
        if self._memory is not None:
            self._memory.close()


def settings() -> rasterio.Env:
    """GDAL as it is to be, for as long as the block lasts."""
    return rasterio.Env(GDAL_CACHEMAX=CACHE_MB * 1024**2, **GDAL_SETTINGS)


@geo.calls(DAMAGED, ImageError)
def turned(file: DatasetReader, layout: Layout) -> int:
    """The orientation, 1 to 8, that a picture or mask is turned upright from. One that has a place lies as it lies."""
    placed = file.crs or not file.transform.is_identity or file.gcps[0]
    return layout.orientation if 2 <= layout.orientation <= 8 and not placed else 1


def turn(array: NDArray[_Value], orientation: int) -> NDArray[_Value]:
    """A picture turned upright.

    Args:
        array: (H, W, …) as it is stored.
        orientation: From 1 to 8, of TIFF or EXIF.

    Returns:
        (H, W, …), or (W, H, …) from 5 on.
    """
    if orientation >= 5:
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


@geo.calls(DAMAGED, ImageError)
def open_tiff(held: MemoryFile | Path | bytes) -> DatasetReader:
    """A TIFF and nothing else; a text would be searched for schemes such as http:// and zip://."""
    return held.open(driver="GTiff") if isinstance(held, MemoryFile) else rasterio.open(held, driver="GTiff")


def _stretch(pixels: Pixels, source: Path | bytes) -> tuple[Stretch | None, list[str]]:
    """How values become colours, and what is to be said of it.

    None for 8-bit values; of whole numbers with fewer bits, and of inks, the full range; percentiles for the rest.
    """
    bits = int(pixels.file.tags(pixels.bands.numbers[0], ns="IMAGE_STRUCTURE").get("NBITS", 0))
    if pixels.dtype == np.uint8:
        return (Stretch(0, 2**bits - 1) if 0 < bits < 8 else None), []
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stored:
        samples = take_sample(pixels, stored)
    if pixels.bands.inks:
        return full_range(samples.values), []
    stretch = find_stretch(samples.values, np.ones(samples.values.shape[1], np.bool_))
    if stretch.by_percentiles:
        said = (
            f"Values from {stretch.low:,.4g} to {stretch.high:,.4g} (2nd to 98th percentile of {stretch.seen:,} pixels)"
        )
        return stretch, [f"{said} are shown as 0 to 255."]
    if stretch.seen:
        return stretch, []
    where = "of its pixels" if samples.searched == 1 else f"of the pixels searched ({samples.searched:.0%} of it)"
    return stretch, [f"None {where} holds data: values from 0 to {stretch.high:,.4g} are shown as 0 to 255."]


@geo.calls(DAMAGED, ImageError)
def colour_table(file: DatasetReader, band: int, layout: Layout) -> NDArray[np.uint8] | None:
    """The colours of a palette band. GDAL makes up a palette for greys of which white is 0; that is none.

    Args:
        file: An open TIFF.
        band: From 1.
        layout: Its first directory.

    Returns:
        uint8 (N, 3) by value, or None.

    Raises:
        ImageError: The file is damaged.
    """
    if layout.photometric != PALETTE or file.colorinterp[band - 1] != ColorInterp.palette:
        return None
    entries = file.colormap(band)
    table = np.zeros((max(entries) + 1, 3), np.uint8)
    for index, colour in entries.items():
        table[index] = colour[:3]
    return table


def _info(pixels: Pixels, layout: Layout, said: list[str]) -> Info:
    file = pixels.file
    notes = [f"It has {layout.pages} pages; the first is used."] if layout.pages > 1 else []
    notes += said
    place = read_place(file)
    info = Info(
        kind="TIFF",
        width=file.width,
        height=file.height,
        notes=(*notes, *place.notes),
        crs=place.crs,
        transform=place.transform,
        control_points=place.control_points,
        may_lack_data=pixels.may_lack_data,
        bands=tuple(
            text or ("alpha" if number == pixels.bands.alpha else "")
            for number, text in enumerate(file.descriptions, start=1)
        ),
        depth=str(file.dtypes[0]),
    )
    return replace(info, metres_per_pixel=metres_per_pixel(info))


def read_tiff_mask(source: Path | bytes, limits: Limits, *, most: int = 255) -> StoredMask | None:
    """The values of a TIFF of one band up to `most`, which may have transparency beside it; None for colours.

    Raises `ImageError` whose message is the end of a sentence.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    with geo.calls(DAMAGED, ImageError), settings(), warnings.catch_warnings(), MemoryFile(data) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        layout = read_layout(memory, most_pages=limits.pages)
        check_layout(layout, limits, len(data))
        with open_tiff(memory) as file:
            return _values(file, layout, most)


def _values(file: DatasetReader, layout: Layout, most: int) -> StoredMask | None:
    bands, _ = judge_alpha(file, choose_bands(file, layout, None))
    if len(bands.numbers) > 1:
        if file.dtypes[0] != "uint8":
            raise ImageError("is deeper than 8 bits: save a colour mask as an 8-bit PNG.")
        return None
    found, valid = Pixels(file, bands, labels=True).read(Window(0, 0, file.width, file.height))
    orientation = turned(file, layout)
    palette = colour_table(file, bands.numbers[0], layout)
    return to_stored(turn(found[0], orientation), turn(valid, orientation), palette, most=most)
