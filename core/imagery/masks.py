"""Masks that are stored as TIFF: the values themselves instead of colours to look at."""

import warnings
from pathlib import Path

from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from core import geo
from core.errors import ImageError
from core.imagery.alpha import judge_alpha
from core.imagery.bands import choose_bands
from core.imagery.decode import check_layout
from core.imagery.geotiff import DAMAGED, colour_table, open_tiff, settings, turn, turned
from core.imagery.labels import StoredMask, to_stored
from core.imagery.limits import Limits
from core.imagery.pixels import Pixels
from core.imagery.tiffs import Layout, read_layout


def read_tiff_mask(source: Path | bytes, limits: Limits) -> StoredMask | None:
    """The values of a TIFF of one band, which may have transparency beside it; None for colours.

    Raises `ImageError` whose message is the end of a sentence.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    with geo.calls(DAMAGED, ImageError), settings(), warnings.catch_warnings(), MemoryFile(data) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        layout = read_layout(memory, most_pages=limits.pages)
        check_layout(layout, limits, len(data))
        with open_tiff(memory) as file:
            return _values(file, layout)


def _values(file: DatasetReader, layout: Layout) -> StoredMask | None:
    bands, _ = judge_alpha(file, choose_bands(file, layout, None))
    if len(bands.numbers) > 1:
        if file.dtypes[0] != "uint8":
            raise ImageError("is deeper than 8 bits: save a colour mask as an 8-bit PNG.")
        return None
    found, valid = Pixels(file, bands, labels=True).read(Window(0, 0, file.width, file.height))
    orientation = turned(file, layout)
    palette = colour_table(file, bands.numbers[0], layout)
    return to_stored(turn(found[0], orientation), turn(valid, orientation), palette)
