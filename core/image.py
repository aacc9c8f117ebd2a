"""The one door for pictures from outside: a path or bytes in, uint8 arrays out, with every limit on them.

PNG, JPEG and TIFF are read, told apart by content and never by name. Pillow decodes them; what it cannot read of TIFF
(many bands, floats, 16-bit colour) goes to GDAL's GeoTIFF driver and to no other driver.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import ImageError
from core.tiff import read_tiff, to_bytes

MAX_PIXELS = 100_000_000
MAX_BYTES = 200 * 1024**2

# Pillow warns from this size on and refuses twice of it. Our own check is stricter than both and comes before decoding.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_FORMATS = ("PNG", "JPEG", "TIFF")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS_PER_SAMPLE = 258
# What Pillow raises on files that are cut short, damaged or made up.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, struct.error, zlib.error)
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_rgb(source: Path | bytes) -> NDArray[np.uint8]:
    """A picture as uint8 (H, W, 3), turned upright as its EXIF orientation says.

    Grey becomes three equal channels, palette and CMYK their colours; transparency is dropped. 16-bit TIFF and float values are
    scaled to 0..255 by the depth that they use. Raises `ImageError` for anything but PNG, JPEG and TIFF, for damaged
    files, and over `MAX_BYTES` or `MAX_PIXELS`.
    """
    data, name = _load(source)
    picture = _open(data, name)
    if picture is None:
        return read_tiff(data, name, max_pixels=MAX_PIXELS)
    if picture.mode.startswith(("I", "F")):
        # A 16-bit grey PNG uses the whole range by definition.
        values = np.asarray(picture)
        grey = np.round(values / 257).astype(np.uint8) if picture.format == "PNG" else to_bytes(values)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def read_raw(source: Path | bytes) -> NDArray[np.uint8]:
    """A mask as it is stored: uint8 (H, W) when it holds grey values (class indices), (H, W, 3) when it holds colours.

    Palette pictures are given by their colours (see `read_palette` for the indices), RGBA without its alpha, 1-bit as
    0 and 1. Raises `ImageError` like `read_rgb`, and for values above 255, which no class index can be.
    """
    data, name = _load(source)
    picture = _open(data, name)
    if picture is None:
        raise ImageError(f"{name} is no mask that can be read: save it as an 8-bit PNG.")
    if picture.mode in ("1", "L") or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 255:
            raise ImageError(f"{name} holds values from {values.min()} to {values.max()}: a mask has 0 to 255.")
        return values.astype(np.uint8)
    if picture.mode == "LA":
        return np.array(picture.getchannel("L"), dtype=np.uint8)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def read_palette(source: Path | bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Indices (H, W) and palette colours (N, 3) of a palette picture, both uint8; None for every other picture."""
    data, name = _load(source)
    picture = _open(data, name)
    if picture is None or picture.mode != "P":
        return None
    palette = np.frombuffer(bytes(picture.getpalette() or b""), dtype=np.uint8)
    return np.array(picture, dtype=np.uint8), palette.reshape(-1, 3)


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
            raise ImageError(
                f"{name} is {size / 1024**2:.0f} MB; at most {MAX_BYTES // 1024**2} MB are read. Cut it smaller."
            )
        return (source.read_bytes() if isinstance(source, Path) else source), name
    except OSError as error:
        raise ImageError(
            f"{name} cannot be opened ({error.strerror or error}): check the path and its permissions."
        ) from error


def _open(data: bytes, name: str) -> Image.Image | None:
    """The decoded, upright picture, or None for a TIFF that is left to `read_tiff`."""
    tiff = data.startswith(_TIFF_STARTS)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_pixels(picture.width, picture.height, name)
            if tiff and set(getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))) - {1, 8}:
                return None
            picture.load()
            form = picture.format
            upright = ImageOps.exif_transpose(picture)
            upright.format = form
            return upright
    except _TOO_LARGE as error:
        raise ImageError(_too_large(name)) from error
    except _DAMAGE as error:
        if tiff:
            return None
        raise ImageError(f"{name} cannot be read: it is no PNG, JPEG or TIFF, or it is damaged.") from error


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(name))


def _too_large(name: str) -> str:
    return f"{name} has more than {MAX_PIXELS // 10**6} million pixels: cut it into smaller pictures."
