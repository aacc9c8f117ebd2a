"""The one door for pictures from outside: a path or bytes in, uint8 arrays out, with every limit on them.

PNG, JPEG and TIFF are read, told apart by content and never by name. Pillow decodes them; what it cannot read of TIFF
(many bands, floats, 16-bit colour) goes to GDAL's GeoTIFF driver, from memory, and to no other driver.
"""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile

from core.errors import ImageError

MAX_PIXELS = 100_000_000
MAX_BYTES = 200 * 1024**2

# Pillow warns from this size on and refuses twice of it. Our own check is stricter than both and comes before decoding.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_FORMATS = ("PNG", "JPEG", "TIFF")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS_PER_SAMPLE = 258
# What Pillow raises on files that are cut short, damaged or made up.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def read_rgb(source: Path | bytes) -> NDArray[np.uint8]:
    """A picture as uint8 (H, W, 3), turned upright as its EXIF orientation says.

    Grey becomes three equal channels, palette and CMYK their colours; transparency is dropped. Deeper TIFF is scaled by
    `to_bytes`; of many bands those marked red, green and blue are taken, else the first three.
    Raises `ImageError` for anything but PNG, JPEG and TIFF, for damaged files, and over `MAX_BYTES` or `MAX_PIXELS`.
    """
    data, name = _load(source)
    picture = _open(data, name)
    if picture is None:
        values = to_bytes(_tiff_bands(data, name))
    elif picture.mode.startswith(("I", "F")):
        # A 16-bit grey PNG uses the whole range by definition.
        stored = np.asarray(picture)[..., None]
        values = np.round(stored / 257).astype(np.uint8) if picture.format == "PNG" else to_bytes(stored)
    else:
        values = np.array(picture.convert("RGB"), dtype=np.uint8)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def read_raw(source: Path | bytes) -> NDArray[np.uint8]:
    """A mask as it is stored: uint8 (H, W) when it holds grey values (class indices), (H, W, 3) when it holds colours.

    Palette pictures are given by their colours (see `read_palette` for the indices), RGBA without its alpha, 1-bit as
    0 and 1. Raises `ImageError` like `read_rgb`, and for values that no class index can be.
    """
    data, name = _load(source)
    picture = _open(data, name)
    if picture is not None and picture.mode not in ("1", "L", "LA") and not picture.mode.startswith(("I", "F")):
        return np.array(picture.convert("RGB"), dtype=np.uint8)
    if picture is None:
        values = _tiff_bands(data, name)
        if values.shape[2] != 1:
            raise ImageError(f"{name} is deeper than 8 bits: save a colour mask as an 8-bit PNG.")
        values = values[..., 0]
    else:
        values = np.asarray(picture.getchannel("L") if picture.mode == "LA" else picture)
    if values.dtype.kind not in "bui" or values.min() < 0 or values.max() > 255:
        raise ImageError(f"{name} holds values that are no class indices: a mask has whole numbers from 0 to 255.")
    return values.astype(np.uint8)


def read_palette(source: Path | bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Indices (H, W) and palette colours (N, 3) of a palette picture, both uint8; None for every other picture."""
    data, name = _load(source)
    picture = _open(data, name)
    if picture is None or picture.mode != "P":
        return None
    palette = np.frombuffer(bytes(picture.getpalette() or b""), dtype=np.uint8)
    return np.array(picture, dtype=np.uint8), palette.reshape(-1, 3)


def to_bytes(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Real numbers (H, W, C) as uint8, one scale for all of them; negative and missing (NaN) values become 0.

    Values up to 255 stay as they are, but floats up to 1 are taken for fractions. Above 255 the scale is the smallest
    depth (9 to 16 bits; sensors give 10 to 14) that holds the largest value. Raises `ImageError` for complex numbers.
    """
    if values.dtype.kind not in "buif":
        raise ImageError("A picture of complex numbers cannot be shown: export it with real values.")
    largest = float(np.max(values, where=np.isfinite(values), initial=0))
    if values.dtype.kind == "f" and largest <= 1:
        top = 1.0
    else:
        top = 255.0 if largest <= 255 else 2.0 ** np.ceil(np.log2(largest + 1)) - 1
    scaled = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, 2**22 // max(1, values[0].size))
    for row in range(0, len(values), rows):
        # In blocks: the wide floats of a whole large picture would take gigabytes.
        real = np.nan_to_num(values[row : row + rows].astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        scaled[row : row + rows] = np.round(np.clip(real, 0, None) * (255 / top))
    return scaled


def encode_png(array: NDArray[np.uint8]) -> bytes:
    """PNG bytes of a uint8 array (H, W), (H, W, 3) or (H, W, 4)."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


def encode_webp(array: NDArray[np.uint8], quality: int = 85) -> bytes:
    """WebP bytes of a uint8 array (H, W), (H, W, 3) or (H, W, 4); quality 1 to 100 (lossy)."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="WEBP", quality=quality)
    return buffer.getvalue()


def _load(source: Path | bytes) -> tuple[bytes, str]:
    """The bytes and a name for messages, refused before reading when they are too many."""
    name = source.name if isinstance(source, Path) else "This picture"
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        if size > MAX_BYTES:
            limit = f"at most {MAX_BYTES // 1024**2} MB are read: cut it into smaller pictures"
            raise ImageError(f"{name} is {size / 1024**2:.0f} MB; {limit}.")
        return (source.read_bytes() if isinstance(source, Path) else source), name
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(f"{name} cannot be opened ({reason}): check the path and its permissions.") from error


def _open(data: bytes, name: str) -> Image.Image | None:
    """The decoded, upright picture, or None for a TIFF that is left to GDAL."""
    tiff = data.startswith(_TIFF_STARTS)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_pixels(picture.width, picture.height, name)
            if tiff and max(getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, (1,))) > 8:
                return None
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            upright.format = picture.format
            return upright
    except _TOO_LARGE as error:
        raise ImageError(_too_large(name)) from error
    except _DAMAGE as error:
        if tiff:
            return None
        raise ImageError(f"{name} cannot be read: it is no PNG, JPEG or TIFF, or it is damaged.") from error


def _tiff_bands(data: bytes, name: str) -> NDArray[np.generic]:
    """Colour (H, W, 3) or grey (H, W, 1) of a TIFF in its own type; pixels without data are 0."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            # From memory there are no neighbours on disk (.ovr, .aux.xml) that a crafted file could pull in.
            with MemoryFile(data) as memory, memory.open(driver="GTiff") as picture:
                _check_pixels(picture.width, picture.height, name)
                bands = picture.read(_band_numbers(picture), masked=True).filled(0)
    except (RasterioError, ValueError, MemoryError) as error:
        raise ImageError(f"{name} cannot be read: the TIFF is damaged or of a kind that is not known.") from error
    values: NDArray[np.generic] = np.moveaxis(bands, 0, 2)
    return values


def _band_numbers(picture: DatasetReader) -> list[int]:
    meanings = list(picture.colorinterp)
    if all(colour in meanings for colour in _RGB):
        return [meanings.index(colour) + 1 for colour in _RGB]
    return [1, 2, 3] if picture.count >= 3 else [1]


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(name))


def _too_large(name: str) -> str:
    return f"{name} has more than {MAX_PIXELS // 10**6} million pixels: cut it into smaller pictures."
