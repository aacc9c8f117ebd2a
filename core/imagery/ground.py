"""Areas on the ground: the WGS 84 ellipsoid, close up. Pure Python."""

import math
from collections.abc import Sequence

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
