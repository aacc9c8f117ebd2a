"""What pixels cover on the ground: areas on the WGS 84 ellipsoid, and one resolution beside another. Pure Python."""

import math
from collections.abc import Sequence

from core.errors import ConfigError
from core.imagery.limits import Info

_MAJOR_AXIS_M = 6_378_137.0
_ECCENTRICITY_SQUARED = 6.694_379_990_14e-3


def parallelogram(longitudes: Sequence[float], latitudes: Sequence[float]) -> float:
    """Square metres of a small parallelogram, from a corner and its two neighbours in degrees (WGS 84).

    Degrees are turned into metres by the radii of curvature at the corner, so it must be small beside the earth.
    """
    latitude = math.radians(latitudes[0])
    stretch: float = 1 - _ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
    north = math.radians(1) * _MAJOR_AXIS_M * (1 - _ECCENTRICITY_SQUARED) / stretch**1.5
    east = math.radians(1) * _MAJOR_AXIS_M * math.cos(latitude) / math.sqrt(stretch)
    first, second = (
        (east * _turn(longitudes[at] - longitudes[0]), north * (latitudes[at] - latitudes[0])) for at in (1, 2)
    )
    return float(abs(first[0] * second[1] - first[1] * second[0]))


def _turn(degrees: float) -> float:
    """The short way round across the date line."""
    return (degrees + 180) % 360 - 180


def ground_ratio(info: Info, trained_at: float | None) -> float:
    """How many pixels of a picture are one of what a model was trained on, in metres a pixel.

    1 where a resolution is unknown, or they differ by less than a tenth. Raises `ConfigError` beyond 16 times.
    """
    if trained_at is None or info.metres_per_pixel is None:
        return 1.0
    ratio = trained_at / info.metres_per_pixel
    if not 1 / 16 <= ratio <= 16:
        raise ConfigError(
            f"A pixel of this picture is {info.metres_per_pixel:.3g} m wide, and the model was trained on "
            f"{trained_at:.3g} m: that is too far apart. Resample the picture, or choose another model."
        )
    return 1.0 if 0.9 <= ratio <= 1.1 else ratio
