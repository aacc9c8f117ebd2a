"""Which parts of a large TIFF are looked at before it is read: the same file always gives the same parts."""

from rasterio.io import DatasetReader
from rasterio.windows import Window

SIDE, GRID, SMALL = 128, 8, 4_000_000
"""Side of a window in pixels, windows along a side of the picture, and pixels up to which a picture is read whole."""


def is_small(file: DatasetReader) -> bool:
    return bool(file.width * file.height <= SMALL)


def grid_windows(file: DatasetReader) -> list[Window]:
    """Small pictures whole, of large ones a grid of small windows."""
    if is_small(file):
        return [Window(0, 0, file.width, file.height)]
    tall, wide = min(SIDE, file.height), min(SIDE, file.width)
    rows = {round(at * (file.height - tall) / (GRID - 1)) for at in range(GRID)}
    columns = {round(at * (file.width - wide) / (GRID - 1)) for at in range(GRID)}
    return [Window(x, y, wide, tall) for y in sorted(rows) for x in sorted(columns)]
