"""What a file is by its first bytes, and how many pixels its header tells of. Its name does not count."""

import struct
from pathlib import Path
from typing import BinaryIO, Literal

from core.errors import ImageError
from core.imagery.limits import Limits
from core.imagery.tiffs import read_layout

Kind = Literal["PNG", "JPEG", "TIFF"]

FIRST_BYTES = 32
WHOLE_PIXELS = 25_000_000
"""A label mask of more pixels is read in parts."""
_WHOLE_BYTES = 200_000_000
_KINDS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
# Only so that the refusal can say what the file is instead of what it is not.
_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip"),
    (b"<VRTDataset", "a GDAL virtual raster"),
    (b"<GDAL_WMS", "the description of a map server"),
    (b"<svg", "an SVG"),
    (b"<?xml", "an XML text"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\x89HDF", "an HDF5 file"),
    (b"CDF", "a NetCDF file"),
    (b"8BPS", "a Photoshop file"),
    (b"%!PS", "a PostScript file"),
    (b"\0\0\1\0", "an icon"),
)
_MOST_SEGMENTS = 4096
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The start-of-frame markers of JPEG (ITU-T T.81, table B.1)."""


def picture_kind(first: bytes) -> Kind | None:
    """PNG, JPEG or TIFF by the first bytes of a file, else None."""
    return next((kind for start, kind in _KINDS if first.startswith(start)), None)


def why_not(first: bytes) -> str:
    """Why a file that is none of the three is refused, as the end of a sentence that starts with its name."""
    if not first:
        return "is empty: choose another file."
    if first[:4] == b"RIFF" and first[8:12] == b"WEBP":
        return "is a WebP picture: save it as PNG, JPEG or TIFF."
    if first[4:8] == b"ftyp":
        return "is a HEIC, AVIF or video file: save it as JPEG."
    kind = next((words for start, words in _REFUSED if first.lstrip().startswith(start)), None)
    if kind is None:
        return "is no PNG, JPEG or TIFF, or it is damaged: save it as one of these."
    return f"is {kind}: save it as PNG, JPEG or TIFF."


def pixels_of(path: Path) -> int:
    """Width times height, or 0 for what is no picture or too damaged to say: that is refused when it is read."""
    try:
        with path.open("rb") as file:
            kind = picture_kind(file.read(FIRST_BYTES))
            if kind == "TIFF":
                layout = read_layout(file, most_pages=1000)
                return layout.width * layout.height
            width, height = _png(file) if kind == "PNG" else _jpeg(file) if kind == "JPEG" else (0, 0)
            return width * height
    except (ImageError, OSError, ValueError, struct.error, OverflowError):
        return 0


def _png(file: BinaryIO) -> tuple[int, int]:
    file.seek(16)
    width, height = struct.unpack(">II", file.read(8))
    return width, height


def _jpeg(file: BinaryIO) -> tuple[int, int]:
    file.seek(2)
    for _ in range(_MOST_SEGMENTS):
        mark = file.read(1)
        while mark == b"\xff":
            mark = file.read(1)
        (length,) = struct.unpack(">H", file.read(2))
        if mark and mark[0] in _SIZE_MARKERS:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(max(length - 2, 0), 1)
        if file.read(1) != b"\xff":
            break
    return 0, 0


_MOST_COLOURS = 3


def is_large_tiff(path: Path) -> bool:
    """Whether this is a TIFF that is not to be read whole. Raises `ImageError` for a damaged one."""
    try:
        with path.open("rb") as file:
            if picture_kind(file.read(FIRST_BYTES)) != "TIFF":
                return False
            layout = read_layout(file, most_pages=Limits().pages)
            return layout.width * layout.height > WHOLE_PIXELS or file.seek(0, 2) > _WHOLE_BYTES
    except OSError as error:
        raise ImageError(f"cannot be opened ({error.strerror or error}): check the path and its rights.") from error


def check_one_mask(path: Path) -> None:
    """Raises `ImageError` for a TIFF that holds more than one mask, of which the rest would be lost in silence."""
    try:
        with path.open("rb") as file:
            if picture_kind(file.read(FIRST_BYTES)) != "TIFF":
                return
            layout = read_layout(file, most_pages=Limits().pages)
    except OSError as error:
        raise ImageError(f"cannot be opened ({error.strerror or error}): check the path and its rights.") from error
    if layout.pages > 1:
        raise ImageError(
            f"has {layout.pages} pages: save the number of the class at each pixel in one page, or each class in a "
            "file of its own."
        )
    if layout.samples - sum(meaning in (1, 2) for meaning in layout.extras) > _MOST_COLOURS:
        raise ImageError(f"has {layout.samples} bands: save the number of the class at each pixel in one.")
