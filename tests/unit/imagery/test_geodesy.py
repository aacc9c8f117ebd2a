"""Square metres of pixels, held against an equal-area projection of PROJ, which shares no line with ours."""

import math

import numpy as np
import pytest
import rasterio.warp
import shapely
from rasterio.crs import CRS

from core.errors import GeoError
from core.imagery.geodesy import PixelAreas, metres_per_pixel
from core.imagery.limits import Info

EARTH_KM2 = 510_065_622
PLACES = {
    "UTM": ("EPSG:32640", (30, 0, 200_000, 0, -30, 2_783_400), 4000, 5000),
    "UTM far beyond its zone": ("EPSG:32633", (100, 0, -400_000, 0, -100, 8_000_000), 9000, 5000),
    "UTM over the date line": ("EPSG:32601", (30, 0, 166_000, 0, -30, 6_000_000), 3000, 3000),
    "a web map at 60 degrees": ("EPSG:3857", (10, 0, 1e6, 0, -10, 8_399_738), 3000, 3000),
    "a web map of the world": ("EPSG:3857", (156_543.034, 0, -20_037_508.3, 0, -156_543.034, 20_037_508.3), 256, 256),
    "a web map in 64 pixels": ("EPSG:3857", (626_172.1, 0, -20_037_508.3, 0, -626_172.1, 20_037_508.3), 64, 64),
    "polar, pixels of 25 km": ("EPSG:3413", (25_000, 0, -3_850_000, 0, -25_000, 5_850_000), 304, 448),
    "polar, pixels of 1 km": ("EPSG:3413", (1000, 0, -3_850_000, 0, -1000, 5_850_000), 7600, 11_200),
    "feet": ("EPSG:2263", (1, 0, 980_000, 0, -1, 200_000), 5000, 5000),
    "rotated": ("EPSG:32640", (0.24, 0.18, 330_000, 0.18, -0.24, 2_780_000), 1000, 1000),
    "rotated degrees": ("EPSG:4326", (0.08, 0.06, 10, 0.06, -0.08, 50), 300, 300),
    "south up": ("EPSG:32640", (0.3, 0, 330_000, 0, 0.3, 2_780_000), 100, 100),
    "south up in degrees": ("EPSG:4326", (0.25, 0, -180, 0, 0.25, -60), 1440, 400),
    "degrees of 250 m": ("EPSG:4326", (0.00225, 0, 10, 0, -0.00225, 70), 4000, 9000),
    "another datum": ("EPSG:4267", (0.01, 0, -100, 0, -0.01, 50), 1000, 1000),
    "grads from Paris": ("EPSG:4807", (0.001, 0, 1, 0, -0.001, 50), 1000, 1000),
    "with heights": ("EPSG:3857+5773", (10, 0, 1e6, 0, -10, 8_399_738), 3000, 3000),
    "millimetres": ("EPSG:32640", (0.002, 0, 330_000, 0, -0.002, 2_780_000), 1000, 1000),
}


def info(crs: str, transform: tuple[float, ...], width: int, height: int) -> Info:
    return Info("TIFF", width, height, (), crs, transform)


def by_projection(crs: str, transform: tuple[float, ...], x: int, y: int) -> float:
    """A pixel whose edges have 200 points, in an equal-area projection around it."""
    a, b, c, d, e, f = transform
    along = np.linspace(0, 1, 50, endpoint=False)
    ring = [(along, 0 * along), (1 + 0 * along, along), (1 - along, 1 + 0 * along), (0 * along, 1 - along)]
    right, down = (np.concatenate(part) + at for part, at in zip(zip(*ring, strict=True), (x, y), strict=True))
    east, north = a * right + b * down + c, d * right + e * down + f
    degrees = rasterio.warp.transform(crs, "EPSG:4326", east.tolist(), north.tolist())
    around = f"+proj=laea +lat_0={degrees[1][0]} +lon_0={degrees[0][0]} +ellps=WGS84"
    return float(shapely.Polygon(np.stack(rasterio.warp.transform("EPSG:4326", around, *degrees[:2]), axis=1)).area)


@pytest.mark.parametrize("name", PLACES)
def test_a_pixel_is_measured_to_one_part_in_ten_thousand(name: str) -> None:
    crs, transform, width, height = PLACES[name]
    sizes = PixelAreas(info(crs, transform, width, height))
    random = np.random.default_rng(0)
    for _ in range(10):
        x, y = int(random.integers(width)), int(random.integers(height))
        expected = by_projection(crs, transform, x, y)
        assert sizes.rows(y, 1, x, 1)[0, 0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("step", [1.0, 0.25, 0.1])
def test_a_globe_in_degrees_is_the_earth(step: float) -> None:
    width, height = round(360 / step), round(180 / step)
    sizes = PixelAreas(info("EPSG:4326", (step, 0, -180, 0, -step, 90), width, height))
    found = sum(sizes.sums(y, np.zeros((1, width), np.uint8), 1)[0] for y in range(height))
    assert found / 1e6 == pytest.approx(EARTH_KM2, rel=1e-8)


def test_pixels_over_a_pole_have_the_scale_of_the_pole() -> None:
    sizes = PixelAreas(info("EPSG:3031", (10, 0, -2560, 0, -10, 2560), 512, 512))
    assert sizes.rows(0, 512) == pytest.approx(105.68, rel=1e-4)
    globe = PixelAreas(info("EPSG:4326", (0.001, 0, -180, 0, -0.001, 90), 360_000, 10))
    # The cap within a thousandth of a degree of a pole is flat.
    cap = math.pi * (0.001 * 111_693.98) ** 2
    assert globe.rows(0, 1)[0, 0] * 360_000 == pytest.approx(cap, rel=1e-4)


@pytest.mark.parametrize("name", ["a web map of the world", "polar, pixels of 25 km", "rotated degrees"])
def test_areas_do_not_depend_on_how_rows_are_cut(name: str) -> None:
    """On a part of each place, which all are wider and higher."""
    crs, transform, *size = PLACES[name]
    width, height = min(size[0], 150), min(size[1], 120)
    codes = np.random.default_rng(0).integers(0, 3, (height, width), dtype=np.uint8)
    at_once = PixelAreas(info(*PLACES[name])).sums(0, codes, 3)
    sizes = PixelAreas(info(crs, transform, *size))
    rows, columns = height // 4 + 1, width // 4 + 1
    by_parts = sum(sizes.sums(y, codes[y : y + rows], 3) for y in range(0, height, rows))
    by_columns = sum(sizes.sums(0, codes[:, x : x + columns], 3, x) for x in range(0, width, columns))
    assert by_parts == pytest.approx(at_once, rel=1e-9)
    assert by_columns == pytest.approx(at_once, rel=1e-9)


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ('LOCAL_CS["site",UNIT["metre",1],AXIS["E",EAST],AXIS["N",NORTH]]', (0.3, 0, 330_000, 0, -0.3, 2_780_000)),
        ("EPSG:5773", (1, 0, 0, 0, -1, 0)),
        ("ESRI:104905", (0.1, 0, 0, 0, -0.1, 0)),
        ("EPSG:4978", (1, 0, 0, 0, -1, 0)),
        (CRS.from_proj4("+proj=geos +h=35785831").to_wkt(), (2000, 0, -5.5e6, 0, -2000, 5.5e6)),
        ("no system", (1, 0, 0, 0, -1, 0)),
        ("EPSG:32640", (0, 0, 0, 0, 0, 0)),
    ],
)
def test_where_there_are_no_degrees_there_are_no_areas(crs: str, place: tuple[float, ...]) -> None:
    with pytest.raises(GeoError, match=r"^[A-Z].*\.$"):
        PixelAreas(info(crs, place, 20, 20)).rows(0, 20)
    assert metres_per_pixel(info(crs, place, 20, 20)) is None


def test_metres_a_pixel_are_those_in_the_middle() -> None:
    assert metres_per_pixel(info(*PLACES["UTM"])) == pytest.approx(30, rel=1e-3)
    assert metres_per_pixel(info(*PLACES["feet"])) == pytest.approx(0.3048, rel=1e-3)
    assert metres_per_pixel(info("EPSG:3857", (10, 0, 1e6, 0, -10, 8_399_738), 3, 3)) == pytest.approx(5, rel=0.01)
    assert metres_per_pixel(Info("PNG", 9, 9)) is None
