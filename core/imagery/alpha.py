"""Whether a band that is marked as transparency is one, and how many pixels it hides.

GDAL and others mark the fourth of four 8-bit bands as transparency by default, and in aerial pictures it is often near
infrared. Transparency is mostly at its largest value or at 0, or has few values; near infrared has many.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from core.imagery.bands import Bands
from core.imagery.colours import full_range
from core.imagery.flat import hidden_note
from core.imagery.windows import grid_windows, is_small

_FEW_VALUES = 16


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
