"""How many pixels a picture says it has, from its first directory or header alone: no decoder sees the file."""

import struct
from pathlib import Path
from typing import BinaryIO

from core.errors import ImageError
from core.imagery.sniff import FIRST_BYTES, picture_kind
from core.imagery.tiffs import read_layout

_MOST_SEGMENTS = 4096
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The start-of-frame markers of JPEG (ITU-T T.81, table B.1)."""


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
