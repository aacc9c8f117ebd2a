"""Polygons in degrees as RFC 7946 wants them: within ±180 and ±90, valid, cut at the date line, none over another."""

import numpy as np
import pytest
import shapely
from rasterio.crs import CRS

from core.errors import GeoError
from core.imagery.geodesy import PixelAreas, to_degrees
from core.imagery.ground import zone
from core.imagery.limits import Info
from core.infer.outputs.globe import Globe, ToGlobe
from core.infer.outputs.mask_polygons import PolygonSettings, polygons

GEOSTATIONARY = CRS.from_proj4("+proj=geos +h=35785831 +lon_0=0 +sweep=y").to_wkt()
WORLD = 20_037_508.342789244
# What the polygons of each cover together, in square degrees; None where a formula would say no more than the code.
PLACES = {
    "a globe": ("EPSG:4326", (1, 0, -180, 0, -1, 90), 360, 180, 64_800),
    "a globe from 0 to 360": ("EPSG:4326", (1, 0, 0, 0, -1, 90), 360, 180, 64_800),
    "a globe from south to north": ("EPSG:4326", (1, 0, -180, 0, 1, -90), 360, 180, 64_800),
    "pixels centred on the poles": ("EPSG:4326", (1, 0, -180, 0, -1, 90.5), 360, 181, 64_800),
    "degrees over the date line": ("EPSG:4326", (0.1, 0, 175, 0, -0.1, 5), 100, 100, 100),
    "a web map of the world": ("EPSG:3857", (WORLD / 64, 0, -WORLD, 0, -WORLD / 64, WORLD), 128, 128, 360 * 170.102258),
    "a web map over the date line": ("EPSG:3857", (1000, 0, WORLD - 50_000, 0, -1000, 50_000), 100, 100, None),
    "UTM over the date line": ("EPSG:32601", (1000, 0, 250_000, 0, -1000, 6_000_000), 100, 100, None),
    "the south pole between pixels": ("EPSG:3031", (10, 0, -1000, 0, -10, 1000), 200, 200, None),
    "the north pole inside a pixel": ("EPSG:3413", (10, 0, -1005, 0, -10, 1005), 201, 201, None),
    "the north pole askew": ("EPSG:3413", (7, 2, -1003, 2, -7, 998), 200, 200, None),
    "a hemisphere": ("EPSG:3413", (25_000, 0, -3_850_000, 0, -25_000, 5_850_000), 304, 448, None),
    "rotated": ("EPSG:32640", (0.4, 0.3, 330_000, 0.3, -0.4, 2_780_000), 60, 40, None),
}


def placed(name: str, seed: int = 0) -> tuple[Globe, Info]:
    crs, transform, width, height, _ = PLACES[name]
    cells = np.random.default_rng(seed).integers(0, 3, (-(-height // 12), -(-width // 12)), dtype=np.uint8)
    mask = np.kron(cells, np.ones((12, 12), np.uint8))[:height, :width]
    info = Info("TIFF", width, height, (), crs, transform)
    return ToGlobe(info)(polygons(mask, PolygonSettings(smooth=1.5)).shapes), info


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("seed", range(3))
def test_polygons_lie_on_the_map_of_the_world_and_none_over_another(name: str, seed: int) -> None:
    found, _ = placed(name, seed)
    assert found.lost == 0
    assert shapely.is_valid(found.shapes).all()
    west, south, east, north = shapely.total_bounds(found.shapes)
    assert west >= -180
    assert east <= 180
    assert south >= -90
    assert north <= 90
    parts = shapely.get_parts(found.shapes)
    assert shapely.is_ccw(shapely.get_exterior_ring(parts)).all()
    together = shapely.area(shapely.union_all(found.shapes))
    if name != "pixels centred on the poles":
        assert shapely.area(found.shapes).sum() == pytest.approx(together, rel=1e-5)
    covered = PLACES[name][-1]
    if covered is not None:
        assert together == pytest.approx(covered, rel=1e-5)


@pytest.mark.parametrize(
    "name", ["degrees over the date line", "a web map over the date line", "UTM over the date line"]
)
def test_what_crosses_the_date_line_has_a_part_on_either_side(name: str) -> None:
    found, _ = placed(name)
    west, _, east, _ = shapely.bounds(found.shapes).T
    crossing = shapely.get_num_geometries(found.shapes) > 1
    assert crossing.any()
    assert (west[crossing] == -180).all()
    assert (east[crossing] == 180).all()
    # None runs around the earth: each part is as wide as the picture at most.
    parts = shapely.bounds(shapely.get_parts(found.shapes))
    assert (parts[:, 2] - parts[:, 0]).max() < 11


@pytest.mark.parametrize(
    "name", ["the south pole between pixels", "the north pole inside a pixel", "the north pole askew"]
)
def test_a_cap_over_a_pole_is_closed(name: str) -> None:
    found, _ = placed(name)
    pole = -90 if "south" in name else 90
    cap = shapely.box(-180, min(pole, pole * 0.99999), 180, max(pole, pole * 0.99999))
    covered = shapely.area(shapely.intersection(shapely.union_all(found.shapes), cap))
    assert covered == pytest.approx(cap.area, rel=1e-3)


@pytest.mark.parametrize(
    ("crs", "y"), [("EPSG:3995", 0), ("EPSG:3413", 0), ("EPSG:3031", 40_000), ("EPSG:3995", -30_000)]
)
def test_long_edges_beside_a_pole_are_off_by_no_more_than_a_part_of_a_pixel(crs: str, y: float) -> None:
    """Strips of one row: their square metres, by the formula of parallels, are those of their pixels."""
    info = Info("TIFF", 50, 50, (), CRS.from_user_input(crs).to_wkt(), (1000, 0, 0, 0, -1000, y))
    strips = np.array([shapely.box(0, top, 50, top + 1) for top in range(50)], object)
    found = ToGlobe(info)(strips)
    fine = shapely.segmentize(found.shapes, 0.05)
    flat = shapely.transform(fine, lambda p: np.stack([np.radians(p[:, 0]), zone(p[:, 1])], axis=1))
    expected = np.broadcast_to(PixelAreas(info).rows(0, 50), (50, 50)).sum(axis=1)
    np.testing.assert_allclose(shapely.area(flat), expected, rtol=0.02)


def test_a_rotated_picture_lies_where_all_six_terms_of_its_map_say() -> None:
    found, info = placed("rotated")
    corners = shapely.get_coordinates(shapely.union_all(found.shapes))
    a, b, c, d, e, f = info.transform or ()
    for x, y in ((0, 0), (60, 0), (0, 40), (60, 40)):
        expected = to_degrees("EPSG:32640", np.array([(a * x + b * y + c, d * x + e * y + f)]))[0]
        assert np.abs(corners - expected).max(axis=1).min() < 1e-8


def test_what_lies_beside_the_earth_is_left_out_and_counted() -> None:
    info = Info("TIFF", 100, 100, (), GEOSTATIONARY, (110_000, 0, -5.5e6, 0, -110_000, 5.5e6))
    mask = np.kron(np.arange(100, dtype=np.uint8).reshape(10, 10) % 3, np.ones((10, 10), np.uint8))
    shapes = polygons(mask, PolygonSettings()).shapes
    found = ToGlobe(info)(shapes)
    assert 0 < found.lost < len(shapes)
    assert len(found.shapes) + found.lost == len(shapes)
    assert shapely.is_valid(found.shapes).all()


@pytest.mark.parametrize("crs", ['LOCAL_CS["site",UNIT["metre",1]]', "EPSG:5773", "EPSG:4978", "ESRI:104905", None])
def test_where_there_are_no_degrees_that_is_said(crs: str | None) -> None:
    with pytest.raises(GeoError):
        ToGlobe(Info("TIFF", 9, 9, (), crs, (1, 0, 0, 0, -1, 0)))
