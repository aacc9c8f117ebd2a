"""What a file is, by its first bytes; its name is never looked at."""

from typing import Literal

Kind = Literal["PNG", "JPEG", "TIFF"]

FIRST_BYTES = 32
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
