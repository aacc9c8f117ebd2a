"""A file in this process: its kind by content, its limits before decoding, then windows of 8-bit colours.

Files of strangers come in by `core.imagery.door`, which does this in a child process.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ImageError
from core.files import size_text
from core.imagery.flat import FlatPicture
from core.imagery.limits import Limits, check_density, check_size
from core.imagery.sniff import FIRST_BYTES, picture_kind, why_not
from core.imagery.tiffs import UNCOMPRESSED, Layout, read_layout
from core.imagery.world import with_world_file

if TYPE_CHECKING:
    from core.imagery.geotiff import TiffPicture

_CUT = "Cut it into parts, or allow it on the command line (predict --huge)."
_EMPTY = "Cut out the part that holds data, or allow it on the command line (predict --huge)."


def open_here(
    source: Path | bytes, *, limits: Limits | None = None, bands: tuple[int, ...] | None = None
) -> "FlatPicture | TiffPicture":
    """Open a PNG, JPEG or TIFF. `bands` are the numbers of red, green and blue, or of one grey band, from 1.

    Raises `ImageError` whose message is the end of a sentence that starts with the name of the file.
    """
    limits = limits or Limits()
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            first = file.read(FIRST_BYTES)
            if size > limits.bytes:
                raise ImageError(f"has {size_text(size)}; at most {size_text(limits.bytes)} are read. {_CUT}")
            kind = picture_kind(first)
            if kind is None:
                raise ImageError(why_not(first))
            layout = read_layout(file, most_pages=limits.pages) if kind == "TIFF" else None
    except OSError as error:
        raise ImageError(f"cannot be opened ({error.strerror or error}): check the path and its rights.") from error
    picture: FlatPicture | TiffPicture
    picture = FlatPicture(source, kind, limits) if layout is None else _tiff(source, layout, size, limits, bands)
    if isinstance(source, Path):
        picture.info = with_world_file(picture.info, source, turned=picture.was_turned)
    return picture


def _tiff(
    source: Path | bytes, layout: Layout, size: int, limits: Limits, bands: tuple[int, ...] | None
) -> "TiffPicture":
    check_layout(layout, limits, size)
    # GDAL takes as long to import as all the rest; PNG and JPEG do without.
    from core.imagery.geotiff import TiffPicture

    return TiffPicture(source, layout, limits, bands)


def check_layout(layout: Layout, limits: Limits, size: int) -> None:
    """Raises `ImageError` when a TIFF of `size` bytes is over a limit or of a kind that is not read."""
    wrong = check_size(layout.width, layout.height, limits.pixels, advice=_CUT)
    if wrong is None:
        wrong = check_density(layout.width * layout.height, size, limits.pixels_per_byte, advice=_EMPTY)
    if wrong is None and max(layout.width, layout.height) > limits.side:
        wrong = f"is {max(layout.width, layout.height):,} pixels long; at most {limits.side:,} are read. {_CUT}"
    if wrong is None and layout.samples > limits.bands:
        wrong = f"has {layout.samples} bands; at most {limits.bands} are read: keep red, green and blue."
    if wrong is None and layout.unknown_colours:
        wrong = f"holds {layout.unknown_colours} colours, which are not read: save it as RGB."
    # GDAL reads uncompressed strips row by row, and every other block in one piece.
    if wrong is None and layout.compression != UNCOMPRESSED and layout.block_bytes > limits.block_bytes:
        wrong = "is stored in pieces too large to be read: save it with tiles (gdal_translate -co TILED=YES)."
    if wrong is not None:
        raise ImageError(wrong)
