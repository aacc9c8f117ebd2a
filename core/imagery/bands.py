"""Which bands of a TIFF are red, green and blue: as asked, else as the file says, else the first three."""

import re
from dataclasses import dataclass

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from core.errors import ImageError

_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_INKS = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black)
# Words of band descriptions; B2 to B4 are blue, green and red on Sentinel-2 and on Landsat 8 and 9.
_WORDS = ({"red", "r", "b4", "b04"}, {"green", "g", "b3", "b03"}, {"blue", "b", "b2", "b02"})


@dataclass(frozen=True)
class Bands:
    """Band numbers (from 1): three colours, one grey or palette band, or four inks; and the alpha band, if any."""

    numbers: list[int]
    alpha: int | None = None
    premultiplied: bool = False
    inks: bool = False
    notes: tuple[str, ...] = ()


def choose_bands(file: DatasetReader, asked: tuple[int, ...] | None, *, premultiplied: bool) -> Bands:
    """See above. Raises `ImageError` whose message is the end of a sentence."""
    meanings = list(file.colorinterp)
    alpha = meanings.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in meanings else None
    premultiplied = premultiplied and alpha is not None
    if asked is not None:
        if not all(1 <= number <= file.count for number in asked):
            raise ImageError(f"has {file.count} bands: name bands from 1 to {file.count}.")
        return Bands(list(asked), alpha, premultiplied)
    described = _by_description(file)
    if described:
        said = f"Bands {described[0]}, {described[1]} and {described[2]} are red, green and blue, as their names say."
        return Bands(described, alpha, premultiplied, notes=() if described == [1, 2, 3] else (said,))
    if all(colour in meanings for colour in _RGB):
        return Bands([meanings.index(colour) + 1 for colour in _RGB], alpha, premultiplied)
    if all(ink in meanings for ink in _INKS):
        return Bands([meanings.index(ink) + 1 for ink in _INKS], alpha, inks=True)
    colours = [number for number in range(1, file.count + 1) if number != alpha]
    if not colours:
        raise ImageError("holds nothing but transparency: export it with its colours.")
    if len(colours) < 3:
        return Bands(colours[:1], alpha, premultiplied)
    said = f"None of its {file.count} bands is named: the first three are taken for red, green and blue."
    return Bands(colours[:3], alpha, premultiplied, notes=(said,))


def _by_description(file: DatasetReader) -> list[int] | None:
    """Bands whose descriptions name the colours; None unless each colour is named by exactly one band."""
    words = [set(re.findall(r"[a-z]+\d*", (text or "").lower())) for text in file.descriptions]
    found = [[number for number, spoken in enumerate(words, start=1) if spoken & wanted] for wanted in _WORDS]
    if any(len(numbers) != 1 for numbers in found):
        return None
    numbers = [numbers[0] for numbers in found]
    return numbers if len(set(numbers)) == 3 else None
