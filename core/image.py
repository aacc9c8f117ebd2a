"""Pictures as arrays: colours for models and people, indices of masks, PNG and WebP for the way out.

What is read is decided by content (`core.imagery`), here in this process: for the pictures of datasets, whose owner
trains on them. Files of strangers come in by `core.imagery.door`, by the same rules, in a process of its own.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import ImageError
from core.files import size_text
from core.imagery.decode import open_here
from core.imagery.flat import DAMAGE, FORMATS
from core.imagery.limits import MEGABYTE, Limits, check_size
from core.imagery.sniff import FIRST_BYTES, picture_kind, why_not

MAX_PIXELS = 100_000_000
MAX_BYTES = 200 * MEGABYTE
_ADVICE = "Cut it into smaller pictures."


def read_rgb(source: Path | bytes) -> NDArray[np.uint8]:
    """A picture as uint8 (H, W, 3), turned upright as its orientation says.

    Grey becomes three equal channels, palette and CMYK their colours; transparency is dropped, and pixels of a TIFF
    without data are black. Deeper TIFF is stretched (`core.imagery.colours`); which bands are red, green and blue:
    `core.imagery.bands`.
    Raises `ImageError` for anything but PNG, JPEG and TIFF, for damaged files, and over `MAX_BYTES` or `MAX_PIXELS`.
    """
    try:
        picture = open_here(source, limits=_limits())
        try:
            rgb, valid = picture.read(0, 0, picture.info.height, picture.info.width)
        finally:
            picture.close()
    except (ImageError, MemoryError) as error:
        raise _named(source, error) from error
    if valid is not None and picture.info.kind == "TIFF":
        rgb = np.where(valid[..., None], rgb, np.uint8(0))
    return np.ascontiguousarray(rgb)


def read_raw(source: Path | bytes) -> NDArray[np.uint8]:
    """A mask as it is stored: uint8 (H, W) when it holds grey values (class indices), (H, W, 3) when it holds colours.

    Palette pictures are given by their colours (see `read_palette` for the indices), RGBA without its alpha, 1-bit as
    0 and 1. Raises `ImageError` like `read_rgb`, and for values that no class index can be.
    """
    values, table = _mask(source)
    if values is None or table is not None:
        return read_rgb(source)
    if values.dtype.kind not in "bui" or values.min() < 0 or values.max() > 255:
        raise _named(source, "holds values that are no class indices: a mask has whole numbers from 0 to 255.")
    return values.astype(np.uint8)


def read_palette(source: Path | bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Indices (H, W) and palette colours (N, 3) of a palette picture, both uint8; None for every other picture."""
    values, table = _mask(source)
    return None if values is None or table is None else (values.astype(np.uint8), table)


def encode_png(array: NDArray[np.uint8], level: int = 6) -> bytes:
    """PNG bytes of a uint8 array (H, W), (H, W, 3) or (H, W, 4); `level` 1 (quick) to 9 (small)."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG", compress_level=level)
    return buffer.getvalue()


def encode_webp(array: NDArray[np.uint8], quality: int = 85) -> bytes:
    """WebP bytes of a uint8 array (H, W), (H, W, 3) or (H, W, 4); quality 1 to 100 (lossy)."""
    buffer = io.BytesIO()
    # Method 2 takes half the time of Pillow's 4, for one per cent more bytes.
    Image.fromarray(array).save(buffer, format="WEBP", quality=quality, method=2)
    return buffer.getvalue()


def _mask(source: Path | bytes) -> tuple[NDArray[np.generic] | None, NDArray[np.uint8] | None]:
    """Values (H, W) of a picture of one band, and its colours by value (N, 3) if it has a palette; None for colours."""
    try:
        if _kind(source) == "TIFF":
            # GDAL takes longer to import than all the rest.
            from core.imagery.masks import read_tiff_mask

            return read_tiff_mask(source, _limits())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _flat_mask(source)
    except (ImageError, Image.DecompressionBombError) as error:
        raise _named(source, error) from error
    except DAMAGE as error:
        raise _named(source, "cannot be read: it is damaged or cut short.") from error


def _flat_mask(source: Path | bytes) -> tuple[NDArray[np.generic] | None, NDArray[np.uint8] | None]:
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as stored:
        if wrong := check_size(*stored.size, MAX_PIXELS, advice=_ADVICE):
            raise ImageError(wrong)
        stored.load()
        picture = ImageOps.exif_transpose(stored)
    if picture.mode == "P":
        table = np.frombuffer(bytes(picture.getpalette() or b""), dtype=np.uint8)
        return np.array(picture, dtype=np.uint8), table.reshape(-1, 3)
    if picture.mode not in ("1", "L", "LA") and not picture.mode.startswith("I"):
        return None, None
    return np.asarray(picture.getchannel("L") if picture.mode == "LA" else picture), None


def _limits() -> Limits:
    return Limits(bytes=MAX_BYTES, pixels=MAX_PIXELS, whole_pixels=MAX_PIXELS)


def _kind(source: Path | bytes) -> str:
    """PNG, JPEG or TIFF by content, refused when it is neither or has too many bytes. Raises `ImageError`."""
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        if size > MAX_BYTES:
            raise ImageError(f"has {size_text(size)}; at most {size_text(MAX_BYTES)} are read. {_ADVICE}")
        if isinstance(source, Path):
            with source.open("rb") as file:
                first = file.read(FIRST_BYTES)
        else:
            first = source[:FIRST_BYTES]
    except OSError as error:
        raise ImageError(f"cannot be opened ({error.strerror or error}): check the path and its rights.") from error
    if (kind := picture_kind(first)) is None:
        raise ImageError(why_not(first))
    return kind


def _named(source: Path | bytes, reason: object) -> ImageError:
    """A refusal that starts with the name of the picture."""
    text = "needs more memory than there is: crop it." if isinstance(reason, MemoryError) else str(reason)
    return ImageError(f"{source.name if isinstance(source, Path) else 'This picture'} {text}")
