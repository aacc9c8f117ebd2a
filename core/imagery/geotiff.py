"""TIFF and GeoTIFF, read window by window by GDAL's GTiff driver and by no other.

GDAL tells formats by content as well, and some of them read other files or connect out (VRT, WMS): hence one driver,
no neighbours on the disk (.ovr, .aux.xml, .tfw), no network.
"""

import math
import warnings
from pathlib import Path
from typing import TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.warp import transform as reproject
from rasterio.windows import Window

from core.errors import ImageError
from core.imagery.bands import Bands, choose_bands
from core.imagery.colours import Stretch, divide_by_alpha, find_stretch, from_cmyk
from core.imagery.ground import parallelogram
from core.imagery.limits import Info, Limits
from core.imagery.tiffs import MIN_IS_WHITE, Layout

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
_SAMPLE_SIDE, _SAMPLE_GRID, _SMALL = 128, 8, 4_000_000
# In bytes for rasterio, in MB for the environment of a process.
CACHE_MB = 64
_DAMAGED = "cannot be read: the TIFF is damaged or of a kind that is not known."


class TiffPicture:
    """An open TIFF. Raises `ImageError` whose message is the end of a sentence."""

    def __init__(self, source: Path | bytes, layout: Layout, limits: Limits, asked: tuple[int, ...] | None) -> None:
        self._memory = MemoryFile(source) if isinstance(source, bytes) else None
        try:
            with settings(), warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._file = _open(self._memory, source)
                self._bands = choose_bands(self._file, asked, premultiplied=layout.premultiplied)
                self._stretch = _stretch(self._file, self._bands)
                self._table = (
                    colour_table(self._file, self._bands.numbers[0]) if len(self._bands.numbers) == 1 else None
                )
                self.info = _info(self._file, self._bands, layout, self._stretch)
        except (RasterioError, ValueError, IndexError, OSError) as error:
            raise ImageError(_DAMAGED) from error
        self._inverted = layout.photometric == MIN_IS_WHITE and self._table is None
        self._turn = layout.orientation if 2 <= layout.orientation <= 8 and self.info.crs is None else 1
        if self._turn > 1 and self.info.pixels > limits.whole_pixels:
            raise ImageError("is stored lying on its side and is too large to be turned: save it upright.")
        if self._turn >= 5:
            self.info = Info.from_json({**self.info.__dict__, "width": self.info.height, "height": self.info.width})
        self._upright: tuple[NDArray[np.uint8], NDArray[np.bool_] | None] | None = None

    def read(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Colours (h, w, 3) of a window, and which pixels hold data (None: all)."""
        if self._turn == 1:
            return self._window(Window(x, y, width, height))
        if self._upright is None:
            whole, lacking = self._window(Window(0, 0, self._file.width, self._file.height))
            self._upright = turn(whole, self._turn), None if lacking is None else turn(lacking, self._turn)
        rows, columns = slice(y, y + height), slice(x, x + width)
        rgb, valid = self._upright
        return rgb[rows, columns], None if valid is None else valid[rows, columns]

    def _window(self, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        try:
            with settings():
                values = np.moveaxis(self._file.read(self._bands.numbers, window=window), 0, 2)
                valid = _valid(self._file, values, window) if self.info.may_lack_data else None
                rgb = self._to_rgb(values)
                if self._bands.premultiplied and self._bands.alpha:
                    rgb = divide_by_alpha(rgb, self._file.read(self._bands.alpha, window=window).astype(np.uint8))
        except (RasterioError, ValueError) as error:
            raise ImageError(_DAMAGED) from error
        return rgb, valid

    def _to_rgb(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        if self._table is not None:
            return self._table[np.minimum(values[..., 0].astype(np.int64), len(self._table) - 1)]
        scaled = values.astype(np.uint8, copy=False) if self._stretch is None else self._stretch(values)
        if self._inverted:
            scaled = 255 - scaled
        if self._bands.inks:
            return from_cmyk(scaled)
        return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled

    def close(self) -> None:
        self._file.close()
        if self._memory is not None:
            self._memory.close()


def settings() -> rasterio.Env:
    """GDAL as it is to be, for as long as the block lasts."""
    return rasterio.Env(GDAL_CACHEMAX=CACHE_MB * 1024**2, **GDAL_SETTINGS)


def turn(array: NDArray[_Value], orientation: int) -> NDArray[_Value]:
    """A picture (H, W, …) turned upright from the TIFF or EXIF orientation 1 to 8 that it was stored in."""
    if orientation >= 5:
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _open(memory: MemoryFile | None, source: Path | bytes) -> DatasetReader:
    # A Path is taken as it is; a text would be searched for schemes such as http:// and zip://.
    return rasterio.open(source, driver="GTiff") if memory is None else memory.open(driver="GTiff")


def _stretch(file: DatasetReader, bands: Bands) -> Stretch | None:
    """None for 8-bit values; of whole numbers with fewer bits the full range; percentiles for everything else."""
    kind = file.dtypes[bands.numbers[0] - 1]
    bits = int(file.tags(bands.numbers[0], ns="IMAGE_STRUCTURE").get("NBITS", 0))
    if kind == "uint8":
        return Stretch(0, 2**bits - 1) if 0 < bits < 8 else None
    windows = _sample_windows(file)
    parts = []
    for window in windows:
        values = file.read(bands.numbers, window=window)
        valid = _valid(file, np.moveaxis(values, 0, 2), window)
        parts.append(values[:, valid])
    samples = np.concatenate(parts, axis=1)
    return find_stretch(samples, np.ones(samples.shape[1], np.bool_))


def _sample_windows(file: DatasetReader) -> list[Window]:
    """Small pictures whole, of large ones a grid of small windows: the same file always gives the same."""
    if file.width * file.height <= _SMALL:
        return [Window(0, 0, file.width, file.height)]
    tall, wide = min(_SAMPLE_SIDE, file.height), min(_SAMPLE_SIDE, file.width)
    rows = {round(at * (file.height - tall) / (_SAMPLE_GRID - 1)) for at in range(_SAMPLE_GRID)}
    columns = {round(at * (file.width - wide) / (_SAMPLE_GRID - 1)) for at in range(_SAMPLE_GRID)}
    return [Window(x, y, wide, tall) for y in sorted(rows) for x in sorted(columns)]


def _valid(file: DatasetReader, values: NDArray[np.generic], window: Window) -> NDArray[np.bool_]:
    """(h, w): no nodata value, not masked, not fully transparent, and a number in every band."""
    valid: NDArray[np.bool_] = file.dataset_mask(window=window) > 0
    if values.dtype.kind == "f":
        valid &= np.isfinite(values).all(axis=2)
    return valid


def colour_table(file: DatasetReader, band: int) -> NDArray[np.uint8] | None:
    """Colours (N, 3) of a palette band by value, or None."""
    if file.colorinterp[band - 1] != ColorInterp.palette:
        return None
    entries = file.colormap(band)
    table = np.zeros((max(entries) + 1, 3), np.uint8)
    for index, colour in entries.items():
        table[index] = colour[:3]
    return table


def _info(file: DatasetReader, bands: Bands, layout: Layout, stretch: Stretch | None) -> Info:
    notes = [f"It has {layout.pages} pages; the first is used."] if layout.pages > 1 else []
    notes += bands.notes
    if stretch is not None and stretch.by_percentiles:
        notes.append(
            f"Values from {stretch.low:,.4g} to {stretch.high:,.4g} (2nd to 98th percentile) are shown as 0 to 255."
        )
    known = file.crs is not None and bool(file.crs)
    placed = not file.transform.is_identity
    return Info(
        kind="TIFF",
        width=file.width,
        height=file.height,
        notes=tuple(notes),
        crs=file.crs.to_wkt() if known else None,
        transform=tuple(file.transform)[:6] if placed else None,
        metres_per_pixel=_metres_per_pixel(file) if known and placed else None,
        may_lack_data=_may_lack_data(file, bands),
    )


def _may_lack_data(file: DatasetReader, bands: Bands) -> bool:
    kinds = {flag.name for flags in file.mask_flag_enums for flag in flags}
    return kinds != {"all_valid"} or file.dtypes[bands.numbers[0] - 1].startswith("float")


def _metres_per_pixel(file: DatasetReader) -> float | None:
    """The side of a pixel on the ground, at the centre of the picture, by the WGS 84 ellipsoid."""
    a, b, c, d, e, f = tuple(file.transform)[:6]
    x, y = c + (a * file.width + b * file.height) / 2, f + (d * file.width + e * file.height) / 2
    try:
        longitudes, latitudes = reproject(file.crs, "EPSG:4326", [x, x + a, x + b], [y, y + d, y + e])
    except RasterioError:
        return None
    if not all(map(math.isfinite, [*longitudes, *latitudes])):
        return None
    return math.sqrt(parallelogram(longitudes, latitudes)) or None
