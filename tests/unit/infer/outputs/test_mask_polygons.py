"""Polygons of masks: valid, without gaps or overlaps, none too small, and measured as the pixels they are made of."""

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from core.errors import ConfigError
from core.imagery.geodesy import PixelAreas
from core.imagery.limits import Info
from core.infer.outputs.mask_polygons import Ground, PolygonSettings, polygons, without_spots
from core.infer.tiling import NO_DATA

PLAIN = Info("TIFF", 60, 60, (), "EPSG:4326", (1, 0, 10, 0, -1, 70))
MAP = Info("TIFF", 60, 60, (), "EPSG:3857", (100_000, 0, 0, 0, -100_000, 9_000_000))


def noise(seed: int, classes: int = 4) -> NDArray[np.uint8]:
    """Fields of 1 to 3 pixels, with no data here and there."""
    random = np.random.default_rng(seed)
    mask = random.integers(0, classes, random.integers(1, 30, 2), dtype=np.uint8)
    mask[random.random(mask.shape) < 0.1] = NO_DATA
    side = int(random.integers(1, 4))
    return np.kron(mask, np.ones((side, side), np.uint8))


@pytest.mark.parametrize("smooth", [0, 0.5, 1.5, 6, 40])
def test_smoothed_or_not_polygons_cover_what_holds_data_once(smooth: float) -> None:
    for seed in range(40):
        mask = noise(seed)
        shapes = polygons(mask, PolygonSettings(smallest_area=1, smooth=smooth)).shapes
        assert shapely.is_valid(shapes).all()
        assert not shapely.is_empty(shapes).any()
        # Edges of neighbours are the same, corner by corner: no gap and no overlap at all.
        assert shapely.coverage_is_valid(shapes)
        assert shapely.area(shapes).sum() == pytest.approx((mask != NO_DATA).sum())


def test_smoothing_takes_corners_away() -> None:
    y, x = np.mgrid[:150, :150]
    mask = ((y > 75 + 30 * np.sin(x / 9)) + (x > 75 + 30 * np.cos(y / 7))).astype(np.uint8)
    corners = [
        int(shapely.get_num_coordinates(polygons(mask, PolygonSettings(smooth=smooth)).shapes).sum())
        for smooth in (0, 1.5, 8)
    ]
    assert corners[2] < corners[1] < corners[0]


def test_no_polygon_is_smaller_than_asked_for_and_none_is_lost() -> None:
    mask = np.random.default_rng(1).integers(0, 5, (200, 200), dtype=np.uint8)
    found = polygons(mask, PolygonSettings(smallest_area=50, smooth=0))
    assert len(found.shapes) > 20
    assert shapely.area(found.shapes).min() >= 50
    assert shapely.area(found.shapes).sum() == 200 * 200


def test_the_smallest_area_is_in_square_metres_where_the_ground_is_known() -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[2:4, 2:4] = 1
    mask[50:52, 50:52] = 2
    sizes = PixelAreas(Info("TIFF", 60, 60, (), "EPSG:32640", (10, 0, 330_000, 0, -10, 2_780_000)))
    kept = polygons(mask, PolygonSettings(smallest_area=399), Ground(sizes, 0, 0))
    joined = polygons(mask, PolygonSettings(smallest_area=402), Ground(sizes, 0, 0))
    assert sorted(kept.classes) == [0, 1, 2]
    assert sorted(joined.classes) == [0]


def test_spots_keep_out_of_pixels_without_data_and_islands_in_them_are_left_out_on_request() -> None:
    mask = np.full((40, 40), NO_DATA, np.uint8)
    mask[:20] = 0
    mask[5, 5] = NO_DATA
    mask[30, 30] = 1
    assert (without_spots(mask, 12) == mask).all()
    assert sorted(polygons(mask, PolygonSettings()).classes) == [0, 1]
    found = polygons(mask, PolygonSettings(smallest_area=12))
    assert found.classes.tolist() == [0]
    assert shapely.area(found.shapes).sum() == 20 * 40 - 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 3), (2, 6)])
def test_fewer_pixels_than_the_smallest_spot_are_one_polygon(shape: tuple[int, int]) -> None:
    found = polygons(np.ones(shape, np.uint8), PolygonSettings())
    assert found.classes.tolist() == [1]
    assert shapely.area(found.shapes).sum() == shape[0] * shape[1]


@pytest.mark.parametrize("info", [PLAIN, MAP])
def test_square_metres_are_those_of_the_pixels(info: Info) -> None:
    mask = np.kron(np.random.default_rng(3).integers(0, 3, (12, 12), dtype=np.uint8), np.ones((5, 5), np.uint8))
    mask[:5] = NO_DATA
    sizes = PixelAreas(info)
    found = polygons(mask, PolygonSettings(smallest_area=0, smooth=0), Ground(sizes, 0, 0))
    assert found.square_metres is not None
    expected = sizes.sums(0, mask, 256)
    for index in range(3):
        assert found.square_metres[found.classes == index].sum() == pytest.approx(expected[index], rel=1e-9)
    smooth = polygons(mask, PolygonSettings(smallest_area=0, smooth=2), Ground(sizes, 0, 0))
    assert smooth.square_metres is not None
    assert smooth.square_metres.sum() == pytest.approx(expected[:3].sum(), rel=0.01)


def test_square_metres_of_smoothed_polygons_in_degrees_are_exact() -> None:
    """All of the picture holds data, so that smoothing moves ground from one polygon to another and loses none."""
    mask = np.kron(np.random.default_rng(3).integers(0, 3, (12, 12), dtype=np.uint8), np.ones((5, 5), np.uint8))
    sizes = PixelAreas(PLAIN)
    found = polygons(mask, PolygonSettings(smooth=4), Ground(sizes, 0, 0))
    assert found.square_metres is not None
    assert found.square_metres.sum() == pytest.approx(sizes.sums(0, np.zeros_like(mask), 1)[0], rel=1e-4)


@pytest.mark.parametrize(
    "values", [{"smallest_area": -1}, {"smooth": -0.1}, {"smooth": float("nan")}, {"smallest_area": float("inf")}]
)
def test_settings_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        PolygonSettings(**values)
