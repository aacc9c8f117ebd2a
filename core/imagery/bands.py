"""Which bands of a TIFF are red, green and blue: as asked, else as the file says, else the first three.

And whether a band that is marked as transparency is one, and how many pixels it hides. GDAL and others mark the fourth
of four 8-bit bands as transparency by default, and in aerial pictures it is often near infrared. Transparency is mostly
at its largest value or at 0, or has few values; near infrared has many.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from core.errors import ImageError
from core.imagery.band_names import COLOURS, any_named, named_bands, other_than_alpha
from core.imagery.blocks import grid_windows, is_small
from core.imagery.colours import full_range
from core.imagery.flat import hidden_note
from core.imagery.tiffs import ASSOCIATED, Layout

_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_INKS = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black)
_FEW_VALUES = 16


@dataclass(frozen=True)
class Bands:
    """Band numbers (from 1): three colours, one grey or palette band, or four inks; and the alpha band, if any.

    `premultiplied`: the colours were multiplied by their alpha. `alpha_is_sure`: the file says of the alpha band what
    no writer says unasked; otherwise its values decide (`judge_alpha`).
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


def judge_alpha(file: DatasetReader, bands: Bands) -> tuple[Bands, float]:
    """The bands as they are to be read, with notes on transparency, and the alpha of an opaque pixel.

    Every pixel is seen of a picture of up to 4 megapixels, a sample of larger ones.
    """
    if bands.alpha is None:
        return bands, 1.0
    parts = [file.read(bands.alpha, window=window).reshape(-1) for window in grid_windows(file)]
    values = np.concatenate(parts)
    whole = is_small(file)
    if whole and not (values > 0).any():
        # Some exporters leave the alpha of every pixel at 0; nobody means an invisible picture.
        said = "Every pixel is marked as transparent; that was ignored."
        return replace(bands, alpha=None, premultiplied=False, notes=(*bands.notes, said)), 1.0
    if not bands.alpha_is_sure and _varies(values):
        said = f"Band {bands.alpha} is marked as transparency but varies like a colour: nothing is hidden by it."
        return replace(bands, alpha=None, premultiplied=False, notes=(*bands.notes, said)), 1.0
    hidden = int((~(values > 0)).sum())
    notes = (*bands.notes, *([hidden_note(hidden, values.size, whole=whole)] if hidden else []))
    return replace(bands, notes=notes), full_range(values).high


def _varies(values: NDArray[Any]) -> bool:
    """Whether the values are spread as those of a colour are: many, and seldom the largest."""
    shown = values[values > 0]
    return bool(np.unique(shown).size > _FEW_VALUES and (shown == shown.max()).mean() < 0.5)
