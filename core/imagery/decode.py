"""A file in this process: its kind by content, its limits before decoding, then windows of 8-bit colours.

Files of strangers come in by `core.imagery.confined_picture`, which does this in a child process.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ImageError
from core.files import size_text
from core.imagery.flat import FlatPicture
from core.imagery.limits import CUT, Limits
from core.imagery.sniff import FIRST_BYTES, picture_kind, why_not
from core.imagery.tiffs import Layout, check_layout, read_layout
from core.imagery.world import with_world_file

if TYPE_CHECKING:
    from core.imagery.tiff_picture import TiffPicture


def open_here(
    source: Path | bytes, *, limits: Limits | None = None, bands: tuple[int, ...] | None = None
) -> "FlatPicture | TiffPicture":
    """Open a PNG, JPEG or TIFF in this process.

    Args:
        source: A file, or its bytes.
        limits: On bytes, pixels, bands and pages. None: the usual ones.
        bands: Numbers of red, green and blue, or of one grey band, from 1. None: as the file says.

    Raises:
        ImageError: It is refused. The message is the end of a sentence that starts with the name of the file.
    """
    limits = limits or Limits()
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            first = file.read(FIRST_BYTES)
            if size > limits.bytes:
                raise ImageError(f"has {size_text(size)}; at most {size_text(limits.bytes)} are read. {CUT}")
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
    from core.imagery.tiff_picture import TiffPicture

    return TiffPicture(source, layout, limits, bands)
