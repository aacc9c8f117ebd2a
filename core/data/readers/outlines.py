"""Labels from outlines and packed masks, painted one over the other on a picture's pixels.

A pixel belongs to an outline where its middle lies inside. Coordinates are in pixels; (0, 0) is the corner of the first
one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from core import geo
from core.data.readers.source import OUTSIDE, Labels
from core.errors import DataError
from core.imagery.tiff_picture import settings

MOST_POINTS = 2_000_000
_FARTHEST = 1e7
_MOST_PIXELS = 100_000_000
Ring = NDArray[np.float64]
"""Corners (N, 2), x and y."""


@dataclass(frozen=True)
class Layer:
    """One labelled thing: the code of its class, and its outlines or its mask (H, W) of the whole picture."""

    code: int
    rings: tuple[Ring, ...] = ()
    mask: NDArray[np.bool_] | None = None

    @property
    def area(self) -> float:
        """In pixels."""
        if self.mask is not None:
            return float(self.mask.sum())
        return sum(abs(_signed_area(ring)) for ring in self.rings)


def painted(layers: Sequence[Layer], height: int, width: int, *, smallest_on_top: bool) -> Labels:
    """Codes of a picture; `OUTSIDE` where no layer is.

    Args:
        layers: in the order of the file.
        height: of the picture in pixels.
        width: the same.
        smallest_on_top: whether the smaller of two that overlap is seen; else the last one of the file.

    Raises:
        DataError: a mask has another size, or the picture too many pixels.
    """
    if not (height > 0 and width > 0 and height * width <= _MOST_PIXELS):
        raise DataError(
            f"has labels for {width} x {height} pixels: at most {_MOST_PIXELS // 10**6} megapixels are read"
        )
    found = np.full((height, width), OUTSIDE, np.int32)
    ordered = sorted(layers, key=lambda layer: -layer.area) if smallest_on_top else list(layers)
    waiting: list[tuple[dict[str, Any], int]] = []
    for layer in ordered:
        if layer.mask is None:
            waiting += [({"type": "Polygon", "coordinates": [ring.tolist()]}, layer.code) for ring in layer.rings]
            continue
        if layer.mask.shape != found.shape:
            raise DataError("a mask has another size than its picture: export it again")
        _burn(found, waiting)
        waiting = []
        found[layer.mask] = layer.code
    _burn(found, waiting)
    return Labels.of(found)


def ring_of(values: Any, *, scale: tuple[float, float] = (1.0, 1.0)) -> Ring:
    """Corners from a flat list of numbers or a list of pairs; x and y are multiplied by `scale`.

    Raises `DataError` for anything but at least three corners that are numbers.
    """
    try:
        points: Ring = np.asarray(values, np.float64).reshape(-1, 2) * np.array(scale)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError("an outline is no list of pairs of numbers: export it again") from error
    if len(points) < 3 or len(points) > MOST_POINTS:
        raise DataError(f"an outline has {len(points):,} corners: 3 to {MOST_POINTS:,} are read")
    if not np.isfinite(points).all() or np.abs(points).max() > _FARTHEST:
        raise DataError("an outline lies far outside of its picture: export it again")
    return points


def box_ring(x: float, y: float, width: float, height: float, *, turned: float = 0.0) -> Ring:
    """The corners of a box from its first one, turned about that by degrees clockwise."""
    angle = math.radians(turned)
    across, down = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    start = np.array([x, y])
    return ring_of([start, start + width * across, start + width * across + height * down, start + height * down])


def ellipse_ring(x: float, y: float, across: float, down: float, *, turned: float = 0.0) -> Ring:
    """An ellipse about its middle, as 72 corners."""
    angle, steps = math.radians(turned), np.linspace(0, 2 * math.pi, 72, endpoint=False)
    flat = np.stack([across * np.cos(steps), down * np.sin(steps)], axis=1)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], np.float64)
    return ring_of(flat @ turn + np.array([x, y]))


@geo.calls("its outlines cannot be painted: export it again", DataError)
def _burn(found: NDArray[np.int32], shapes: list[tuple[dict[str, Any], int]]) -> None:
    if shapes:
        with settings():
            rasterize(shapes, out=found)


def _signed_area(ring: Ring) -> float:
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
