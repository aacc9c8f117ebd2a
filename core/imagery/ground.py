"""The WGS 84 ellipsoid by formula, and one ground resolution beside another. NumPy only: see `core.imagery.geodesy`."""

import math

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.imagery.limits import Info

MAJOR_AXIS_M = 6_378_137.0
ECCENTRICITY_SQUARED = 6.694_379_990_14e-3


def zone(latitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ellipsoid from the equator to a latitude, for one radian of longitude.

    Args:
        latitudes: (N,) in degrees, -90 to 90, or of any other shape.

    Returns:
        Square metres (N,), negative to the south.

    Reference:
        Snyder 1987, Map Projections: A Working Manual, 3-12 (the exact formula of the authalic latitude).
    """
    sine, e = np.sin(np.radians(latitudes)), math.sqrt(ECCENTRICITY_SQUARED)
    share = sine / (1 - ECCENTRICITY_SQUARED * sine**2) + np.arctanh(e * sine) / e
    found: NDArray[np.float64] = MAJOR_AXIS_M**2 * (1 - ECCENTRICITY_SQUARED) / 2 * share
    return found


def geocentric(longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on the ellipsoid in metres from the centre of the earth: without date line or poles.

    Args:
        longitudes: (N,) in degrees.
        latitudes: (N,) in degrees, -90 to 90.

    Returns:
        (N, 3) in metres.
    """
    east, north = np.radians(longitudes), np.radians(latitudes)
    across = MAJOR_AXIS_M / np.sqrt(1 - ECCENTRICITY_SQUARED * np.sin(north) ** 2)
    flat = across * np.cos(north)
    up = across * (1 - ECCENTRICITY_SQUARED) * np.sin(north)
    return np.stack([flat * np.cos(east), flat * np.sin(east), up], axis=-1)


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
