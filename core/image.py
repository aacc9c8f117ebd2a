"""Pictures as arrays: colours for models and people, indices of masks, PNG and WebP for the way out.

What is read is decided by content (`core.imagery`), here in this process: for the pictures of datasets, whose owner
trains on them. Files of strangers come in by
`core.imagery.confined_picture`, by the same rules, in a process of its own.
"""

import io
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.band_set import BandSet
from core.errors import ImageError
from core.files import size_text
from core.imagery.decode import open_here
from core.imagery.flat import DAMAGE, FORMATS, grey_spread, png_depth, upright
from core.imagery.labels import StoredMask, to_stored
from core.imagery.limits import MEGABYTE, Limits, check_size
from core.imagery.sniff import FIRST_BYTES, picture_kind, why_not
from core.out_of_memory import lacking, out_of_memory_as

MAX_PIXELS = 100_000_000
MAX_BYTES = 200 * MEGABYTE
_HIGHEST_NUMBER = 64
"""Above it the greys of a mask are rather colours than the numbers of its classes."""
_ADVICE = "Cut it into smaller pictures."


def read_rgb(source: Path | bytes) -> NDArray[np.uint8]:
    """A picture in colours, turned upright as its orientation says.

    Grey becomes three equal channels, palette and CMYK their colours; pixels without data are black, fully transparent
    ones among them. Deeper TIFF is stretched (`core.imagery.colours`); which bands are red, green and blue:
    `core.imagery.bands`.

    Args:
        source: A file, or its bytes.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ImageError: It is no PNG, JPEG or TIFF, it is damaged, or over `MAX_BYTES` or `MAX_PIXELS`.
    """
    return _colours(source)[0]


def read_bands(source: Path | bytes, bands: BandSet) -> NDArray[Any]:
    """A picture as the numbers of its bands; as `read_rgb` gives it where these are colours.

    Args:
        source: A file, or its bytes.
        bands: Which bands, and of which type.

    Returns:
        (H, W, C) in the type of `bands`; 0 where there is no data.

    Raises:
        ImageError: It cannot be read, is over a limit, or has other bands or another type.
    """
    if bands.is_colours:
        return read_rgb(source)
    # GDAL takes longer to import than all the rest.
    from core.imagery import band_files

    try:
        with out_of_memory_as(ImageError(lacking("picture"))):
            return band_files.read_bands(source, bands, limits=_limits())
    except ImageError as error:
        raise _named(source, error) from error


def read_mask(source: Path | bytes, *, most: int = 255) -> StoredMask:
    """A label mask as it is stored, and where the file says that nobody labelled.

    That is: a no-data value, a mask inside the file, full transparency, -9999 and the like (`core.imagery.labels`).
    RGBA comes without its alpha, 1-bit as 0 and 1. Numbers up to `most` are read, as int32 where one is above 255.
    Raises `ImageError` like `read_rgb`, and for values that no class index can be.
    """
    try:
        if _kind(source) == "TIFF":
            # GDAL takes longer to import than all the rest.
            from core.imagery.tiff_picture import read_tiff_mask

            found = read_tiff_mask(source, _limits(), most=most)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = _flat_mask(source, most)
    except (ImageError, Image.DecompressionBombError) as error:
        raise _named(source, error) from error
    except DAMAGE as error:
        raise _named(source, "cannot be read: it is damaged or cut short.") from error
    found = found or _colour_mask(source)
    if _kind(source) == "JPEG" and _are_numbers(found.values):
        raise _named(source, "is a JPEG, which changes class numbers as it packs them: save the mask as PNG or TIFF.")
    return found


def read_raw(source: Path | bytes) -> NDArray[np.uint8]:
    """`read_mask` as one array; palette pictures by their colours.

    Args:
        source: A file, or its bytes.

    Returns:
        Indices uint8 (H, W), 255 where nobody labelled, or colours (H, W, 3), black there.

    Raises:
        ImageError: As for `read_mask`.
    """
    found = read_mask(source)
    if found.palette is None:
        return found.values
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(found.palette)] = found.palette[:256]
    shown = colours[found.values]
    if found.labelled is not None:
        shown[~found.labelled] = 0
    return shown


def encode_png(array: NDArray[np.uint8], level: int = 6) -> bytes:
    """A picture as PNG.

    Args:
        array: uint8 (H, W), (H, W, 3) or (H, W, 4).
        level: From 1 (quick) to 9 (small).
    """
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG", compress_level=level)
    return buffer.getvalue()


def encode_webp(array: NDArray[np.uint8], quality: int = 85) -> bytes:
    """A picture as WebP, with loss.

    Args:
        array: uint8 (H, W), (H, W, 3) or (H, W, 4).
        quality: From 1 to 100.
    """
    buffer = io.BytesIO()
    # Method 2 takes half the time of Pillow's 4, for one per cent more bytes.
    Image.fromarray(array).save(buffer, format="WEBP", quality=quality, method=2)
    return buffer.getvalue()


def _colours(source: Path | bytes) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Colours (H, W, 3) of a whole picture, and which pixels hold data (None: all)."""
    try:
        with out_of_memory_as(ImageError(lacking("picture"))), closing(open_here(source, limits=_limits())) as picture:
            rgb, valid = picture.read(0, 0, picture.info.height, picture.info.width)
    except ImageError as error:
        raise _named(source, error) from error
    return np.ascontiguousarray(rgb), valid


def _colour_mask(source: Path | bytes) -> StoredMask:
    rgb, valid = _colours(source)
    return StoredMask(rgb, labelled=valid)


def _flat_mask(source: Path | bytes, most: int) -> StoredMask | None:
    """The mask in a PNG or JPEG of one channel; None for colours."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as stored:
        if wrong := check_size(*stored.size, MAX_PIXELS, advice=_ADVICE):
            raise ImageError(wrong)
        picture = upright(source, stored)
    if png_depth(source) == (16, 4):
        # Pillow gives the upper half of each value alone: 0 for every class.
        raise ImageError("has 16 bits beside transparency, which is not read: save the mask as an 8-bit PNG.")
    if picture.mode == "P":
        table = np.frombuffer(bytes(picture.getpalette() or b""), dtype=np.uint8).reshape(-1, 3)
        return to_stored(np.array(picture, dtype=np.uint8), _opaque(picture), table)
    if picture.mode not in ("1", "L", "LA") and not picture.mode.startswith("I"):
        return None
    values = np.asarray(picture.getchannel("L") if picture.mode == "LA" else picture)
    whole = values // grey_spread(source) if picture.mode == "L" else values
    return to_stored(whole, _opaque(picture), most=most)


def _are_numbers(values: NDArray[np.uint8]) -> bool:
    """Whether a mask holds greys too dark for colours and more than one of them: classes, and no binary mask."""
    grey = values.ndim == 2 or bool((values == values[..., :1]).all())
    return grey and 0 < values.max(initial=0) <= _HIGHEST_NUMBER and values.min(initial=255) != values.max(initial=0)


def _opaque(picture: Image.Image) -> NDArray[np.bool_] | None:
    """Pixels (H, W) that are not fully transparent; None where all are, or none is, which nobody means."""
    key = picture.info.get("transparency")
    if picture.mode == "LA":
        opaque = np.asarray(picture.getchannel("A")) > 0
    elif key is None:
        return None
    elif picture.mode == "P":
        opaque = np.asarray(picture.convert("RGBA").getchannel("A")) > 0
    else:
        # A mask of one bit is true or false, and its key 0 or 255.
        opaque = np.asarray(picture) != (key > 0 if picture.mode == "1" else key)
    return opaque if opaque.any() and not opaque.all() else None


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
    return ImageError(f"{source.name if isinstance(source, Path) else 'This picture'} {reason}")
