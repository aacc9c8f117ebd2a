"""World files: six lines of numbers beside a picture (a.tfw, a.jgw, a.pgw, a.wld) that say where it lies.

They are read here and not by GDAL, which opens no neighbours of a file (`core.imagery.tiff_picture`).
"""

import math
from dataclasses import replace
from pathlib import Path

from core.imagery.limits import Info, Transform

ENDINGS = {
    "TIFF": ("tfw", "tifw", "tiffw", "wld"),
    "JPEG": ("jgw", "jpgw", "jpegw", "wld"),
    "PNG": ("pgw", "pngw", "wld"),
}
ALL_ENDINGS = tuple(sorted({ending for endings in ENDINGS.values() for ending in endings}))
MOST_BYTES = 1024


def with_world_file(info: Info, picture: Path, *, turned: bool) -> Info:
    """What is known of a picture, and its place by a world file beside it where it does not say one itself.

    `turned` says that the picture was turned upright, so that the file is not about the pixels that are shown.
    """
    if info.transform is not None or info.control_points or (found := _beside(picture, info.kind)) is None:
        return info
    what = f"the world file beside it (.{found.suffix.removeprefix('.').lower()})"
    if turned:
        return _told(info, f"It was turned upright, so {what} does not fit it and was ignored.")
    try:
        with found.open("rb") as file:
            transform = parse(file.read(MOST_BYTES + 1))
    except OSError:
        transform = None
    if transform is None:
        return _told(info, f"{what[0].upper()}{what[1:]} does not hold six numbers, so it was ignored.")
    text = f"Its place is read from {what}"
    if info.crs is None:
        text += ", which names no coordinate system: masks carry the place, areas are not worked out"
    return replace(_told(info, f"{text}."), transform=transform)


def parse(data: bytes) -> Transform | None:
    """The map (a, b, c, d, e, f) to the corner of the first pixel; a world file tells its middle. None for nonsense."""
    try:
        numbers = [float(word.replace(",", ".")) for word in data.decode("ascii").split()]
    except ValueError:
        return None
    if len(data) > MOST_BYTES or len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        return None
    a, d, b, e, x, y = numbers
    if a * e - b * d == 0:
        return None
    return a, b, x - (a + b) / 2, d, e, y - (d + e) / 2


def _beside(picture: Path, kind: str) -> Path | None:
    """The world file of a picture: of its name, with an ending of its kind in small or capital letters."""
    for ending in ENDINGS.get(kind, ()):
        for written in (ending, ending.upper()):
            path = picture.with_name(f"{picture.stem}.{written}") if picture.stem else picture
            try:
                if path != picture and path.is_file():
                    return path
            except OSError:
                return None
    return None


def _told(info: Info, note: str) -> Info:
    return replace(info, notes=(*info.notes, note))
