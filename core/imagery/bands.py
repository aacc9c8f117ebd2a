"""Which bands of a TIFF are red, green and blue: as asked, else as the file says, else the first three."""

from dataclasses import dataclass

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from core.errors import ImageError
from core.imagery.names import COLOURS, any_named, named_bands, other_than_alpha
from core.imagery.tiffs import ASSOCIATED, Layout

_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_INKS = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black)


@dataclass(frozen=True)
class Bands:
    """Band numbers (from 1): three colours, one grey or palette band, or four inks; and the alpha band, if any.

    `premultiplied`: the colours were multiplied by their alpha. `alpha_is_sure`: the file says of the alpha band what
    no writer says unasked; otherwise its values must bear it out (`core.imagery.alpha`).
    """

    numbers: list[int]
    alpha: int | None = None
    premultiplied: bool = False
    alpha_is_sure: bool = False
    inks: bool = False
    notes: tuple[str, ...] = ()


def choose_bands(file: DatasetReader, layout: Layout, asked: tuple[int, ...] | None) -> Bands:
    """See above. Raises `ImageError` whose message is the end of a sentence."""
    if asked is not None and not all(1 <= number <= file.count for number in asked):
        raise ImageError(f"has {file.count} bands: name bands from 1 to {file.count}.")
    meanings = list(file.colorinterp)
    named = named_bands(file.descriptions)
    alpha = _alpha(file, named, asked or ())
    premultiplied = alpha is not None and _extra(layout, alpha) == ASSOCIATED
    sure = premultiplied or (alpha is not None and named.get("alpha") == alpha)
    if asked is not None:
        return Bands(list(asked), alpha, premultiplied, sure)
    if all(colour in named for colour in COLOURS):
        described = [named[colour] for colour in COLOURS]
        said = f"Bands {described[0]}, {described[1]} and {described[2]} are red, green and blue, as their names say."
        return Bands(described, alpha, premultiplied, sure, notes=() if described == [1, 2, 3] else (said,))
    if all(colour in meanings for colour in _RGB):
        return Bands([meanings.index(colour) + 1 for colour in _RGB], alpha, premultiplied, sure)
    if all(ink in meanings for ink in _INKS):
        return Bands([meanings.index(ink) + 1 for ink in _INKS], alpha, premultiplied, sure, inks=True)
    colours = [number for number in range(1, file.count + 1) if number != alpha]
    if not colours:
        raise ImageError("holds nothing but transparency: export it with its colours.")
    if len(colours) < 3:
        return Bands(colours[:1], alpha, premultiplied, sure)
    return Bands(colours[:3], alpha, premultiplied, sure, notes=(_first_three(file, colours),))


def _alpha(file: DatasetReader, named: dict[str, int], asked: tuple[int, ...]) -> int | None:
    """The band that its name, or the file, calls transparency; never one that was asked for as a colour."""
    meanings = list(file.colorinterp)
    found = named.get("alpha")
    if found is None and ColorInterp.alpha in meanings:
        found = meanings.index(ColorInterp.alpha) + 1
        # Libraries mark the fourth of four bands so by default, whatever is in it.
        if other_than_alpha(file.descriptions[found - 1]):
            return None
    return None if found in asked else found


def _extra(layout: Layout, band: int) -> int | None:
    """What the ExtraSamples tag says of a band: `ASSOCIATED`, 2 for unassociated alpha, 0 for nothing; or None."""
    at = band - 1 - (layout.samples - len(layout.extras))
    return layout.extras[at] if 0 <= at < len(layout.extras) else None


def _first_three(file: DatasetReader, colours: list[int]) -> str:
    taken = f"bands {colours[0]}, {colours[1]} and {colours[2]} are taken for red, green and blue."
    if not any_named(file.descriptions):
        return f"None of its {file.count} bands is named: {taken}"
    return f"The names of its {file.count} bands do not tell red, green and blue apart: {taken}"
