"""Square metres of polygons are pixel counts times a pixel's true size, in whatever system a picture comes.

The true size is measured another way than the app measures it: the outline of the picture in an equal-area projection
around its middle.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
from numpy.typing import NDArray

from core.infer.outputs.mask_polygons import PolygonSettings
from core.infer.picture import Wanted, predict_picture
from core.infer.tiling import Tiling
from tests.unit.infer.rasters import Held
from tests.unit.infer.test_picture import blocks, expected, loaded

HEIGHT, WIDTH = 90, 130
FEET_OF_NEW_YORK, NAD83, WEB_MERCATOR, POLAR = "EPSG:2263", "EPSG:4269", "EPSG:3857", "EPSG:3413"


def transformed(source: str, target: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    with rasterio.Env(OGR_CT_FORCE_TRADITIONAL_GIS_ORDER="YES"):
        return np.array(rasterio.warp.transform(source, target, points[:, 0], points[:, 1])).T


def equal_area(degrees: NDArray[np.float64], middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes and latitudes of WGS 84 in metres, where areas are those on its ellipsoid."""
    around = f"+proj=laea +lat_0={middle[1]} +lon_0={middle[0]} +datum=WGS84 +units=m +no_defs"
    return transformed("EPSG:4326", around, degrees)


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("EPSG:4326", (4e-6, 0, 55.3, 0, -4e-6, 25.2)),
        ("EPSG:4326", (4e-6, 1e-6, 24.9, -1e-6, -4e-6, 65.2)),
        (NAD83, (4e-6, 2e-6, -117.7, 2e-6, -4e-6, 33.8)),
        (WEB_MERCATOR, (0.6, 0, 1_170_000, 0, -0.6, 8_400_000)),
        (WEB_MERCATOR, (0.5, 0.3, -13_100_000, 0.3, -0.5, -4_000_000)),
        (FEET_OF_NEW_YORK, (1, 0, 985_000, 0, -1, 195_000)),
        (FEET_OF_NEW_YORK, (0.8, 0.6, 985_000, 0.6, -0.8, 195_000)),
        ("EPSG:32640", (0.4, 0.3, 327_150, 0.25, -0.45, 2_783_400)),
        # The first row in the south.
        ("EPSG:32719", (0.5, 0, 400_000, 0, 0.5, 6_300_000)),
        ("EPSG:27700", (0.25, 0, 530_000, 0, -0.25, 180_000)),
        (POLAR, (5, 0, -200_000, 0, -5, -900_000)),
    ],
)
def test_polygons_say_pixel_counts_times_the_true_size(crs: str, place: tuple[float, ...], tmp_path: Path) -> None:
    held = Held(blocks(HEIGHT, WIDTH), None, tuple(map(float, place)), crs)
    predict_picture(
        held, tmp_path / "a", loaded(), Wanted(geojson=True), device="cpu", tiling=Tiling(64, 16),
        polygons=PolygonSettings(smallest_area=0, smooth=0),
    )  # fmt: skip
    a, b, c, d, e, f = place
    ring = shapely.get_coordinates(shapely.segmentize(shapely.box(0, 0, WIDTH, HEIGHT).exterior, 5))
    ground = np.stack([a * ring[:, 0] + b * ring[:, 1] + c, d * ring[:, 0] + e * ring[:, 1] + f], axis=1)
    outline = transformed(crs, "EPSG:4326", ground)
    middle = outline[:-1].mean(axis=0)
    pixel = shapely.Polygon(equal_area(outline, middle)).area / (HEIGHT * WIDTH)
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    counts = np.bincount(expected(held).ravel(), minlength=2)
    for index, count in enumerate(counts):
        own = [one for one in features if one["properties"]["class"] == index]
        assert sum(one["properties"]["area_px"] for one in own) == count
        assert sum(one["properties"]["area_m2"] for one in own) == pytest.approx(count * pixel, rel=2e-4)
        shapes = [shapely.geometry.shape(one["geometry"]) for one in own]
        drawn = [shapely.transform(shape, lambda at: equal_area(at, middle)).area for shape in shapes]
        assert sum(drawn) == pytest.approx(count * pixel, rel=2e-3)
