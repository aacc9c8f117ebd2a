"""Shapes that are hard to outline, in several systems: polygons that are valid, cover once, and measure true.

Each is written and read back, so that the laws hold for the file and not only for what it was made from.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from numpy.typing import NDArray

from core.imagery.geodesy import PixelAreas
from core.imagery.limits import Info
from core.infer.outputs import mask_polygons
from core.infer.outputs.geotiff import MaskWriter, gdal
from core.infer.outputs.mask_polygons import PolygonSettings, regions, without_spots
from core.infer.outputs.qgis_style import ClassColours
from core.infer.outputs.vectors import write_geojson, write_gpkg
from core.infer.tiling import NO_DATA

SIDE = 24
LEGEND = ClassColours(("A", "B", "C", "D"), ((1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)))
Mask = NDArray[np.uint8]


def empty() -> Mask:
    return np.zeros((SIDE, SIDE), np.uint8)


def nested_holes() -> Mask:
    """Rings within rings, the innermost of no data."""
    y, x = np.mgrid[:SIDE, :SIDE]
    rings = np.minimum(np.minimum(y, x), np.minimum(SIDE - 1 - y, SIDE - 1 - x)) // 3
    return np.where(rings == 3, NO_DATA, rings % 3).astype(np.uint8)


def touching_corners() -> Mask:
    """A chessboard: every field meets four others in its corners."""
    return np.kron(np.indices((6, 6)).sum(axis=0) % 2, np.ones((4, 4), int)).astype(np.uint8)


def touching_pixels() -> Mask:
    return (np.indices((SIDE, SIDE)).sum(axis=0) % 2).astype(np.uint8)


def hole_that_touches_its_border() -> Mask:
    mask = np.full((SIDE, SIDE), NO_DATA, np.uint8)
    mask[4:16, 4:16] = 1
    mask[4:8, 8:12] = NO_DATA
    mask[8:12, 12:16] = 2
    return mask


def single_pixels() -> Mask:
    mask = empty()
    mask[2, 2], mask[2, 3], mask[9, 9], mask[0, 0], mask[SIDE - 1, SIDE - 1] = 1, 2, 3, 1, NO_DATA
    return mask


def at_the_edge() -> Mask:
    """Strips of one pixel along the border of the picture."""
    mask = empty()
    mask[0], mask[-1], mask[:, 0], mask[:, -1] = 1, 2, 3, NO_DATA
    return mask


def diagonal() -> Mask:
    mask = empty()
    np.fill_diagonal(mask, 1)
    np.fill_diagonal(mask[:, ::-1], 2)
    return mask


def nothing() -> Mask:
    return np.full((SIDE, SIDE), NO_DATA, np.uint8)


def islands() -> Mask:
    """Land in no data, one pixel of it too."""
    mask = nothing()
    mask[3:9, 3:9], mask[5:7, 5:7], mask[20, 20] = 1, 2, 3
    return mask


SHAPES = (
    nested_holes, touching_corners, touching_pixels, hole_that_touches_its_border, single_pixels, at_the_edge, diagonal,
    nothing, islands,
)  # fmt: skip
PLACES = {
    "UTM": ("EPSG:32640", (0.5, 0, 330_000, 0, -0.5, 2_780_000)),
    "degrees": ("EPSG:4326", (1e-4, 0, 55.3, 0, -1e-4, 25.2)),
    "Web Mercator": ("EPSG:3857", (2, 0, 6_156_000, 0, -2, 8_000_000)),
    "south up": ("EPSG:32640", (0.5, 0, 330_000, 0, 0.5, 2_780_000)),
    "turned": ("EPSG:32640", (0.4, 0.3, 330_000, 0.3, -0.4, 2_780_000)),
}
SETTINGS = (PolygonSettings(0, 0), PolygonSettings(0, 1.5), PolygonSettings(None, 3), PolygonSettings(None, 0))


def on_disk(path: Path, mask: Mask, info: Info) -> Path:
    with gdal():
        writer = MaskWriter(path, info, LEGEND.names, LEGEND.colours)
        writer.write(0, mask)
        writer.close()
    return path


@pytest.mark.parametrize(
    "place", [place if place in ("UTM", "degrees") else pytest.param(place, marks=pytest.mark.slow) for place in PLACES]
)
def test_what_holds_data_is_covered_once_by_valid_polygons_of_its_true_size(place: str, tmp_path: Path) -> None:
    info = Info("TIFF", SIDE, SIDE, (), *PLACES[place])
    sizes = PixelAreas(info)
    for shape in SHAPES:
        mask = shape()
        path = on_disk(tmp_path / f"{shape.__name__}.tif", mask, info)
        for at, settings in enumerate(SETTINGS):
            target = tmp_path / f"{shape.__name__}-{at}.gpkg"
            write_gpkg(path, target, info, LEGEND, settings)
            _, _, wkb, (classes, _, _, pixels, metres, *_) = pyogrio.raw.read(target, layer="classes")
            shapes, told = shapely.from_wkb(wkb), f"{shape.__name__}, {settings}"
            assert shapely.is_valid(shapes).all(), told
            assert (shapely.area(shapes) > 0).all(), told
            assert shapely.coverage_is_valid(shapes), told
            # Of each class as many pixels as the mask has once small spots have joined their neighbours.
            expected = without_spots(mask, mask_polygons.SMALLEST_PX if settings.smallest_area is None else 0)
            assert pixels.sum() == pytest.approx((mask != NO_DATA).sum(), abs=0.06 * max(1, len(pixels)))
            truth = sizes.sums(0, expected, 256)
            # The file holds square metres with four decimals.
            rounding = 1e-4 * len(pixels)
            assert metres.sum() == pytest.approx(truth[:4].sum(), rel=1e-5, abs=rounding), told
            for index in range(4) if not settings.smooth else ():
                assert pixels[classes == index].sum() == (expected == index).sum(), told
                assert metres[classes == index].sum() == pytest.approx(truth[index], rel=1e-6, abs=rounding), told


def test_polygons_in_degrees_are_valid_and_no_two_cover_the_same_ground(tmp_path: Path) -> None:
    for place, (crs, transform) in PLACES.items():
        info = Info("TIFF", SIDE, SIDE, (), crs, transform)
        for shape in SHAPES:
            path, target = on_disk(tmp_path / "mask.tif", shape(), info), tmp_path / "a.geojson"
            write_geojson(path, target, info, LEGEND, PolygonSettings(0, 1.5))
            features = json.loads(target.read_text())["features"]
            shapes = np.array([shapely.geometry.shape(one["geometry"]) for one in features], object)
            assert shapely.is_valid(shapes).all(), (place, shape.__name__)
            total = shapely.area(shapes).sum()
            assert shapely.area(shapely.union_all(shapes)) == pytest.approx(total, rel=1e-7), (place, shape.__name__)
            # Outer rings run against the clock, as RFC 7946 wants them.
            assert all(one.exterior.is_ccw for one in shapes.tolist()), (place, shape.__name__)


def test_blocks_of_a_large_mask_meet_without_gap_and_without_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_polygons, "_BLOCK", 10)
    info = replace(Info("TIFF", SIDE, SIDE), crs=PLACES["UTM"][0], transform=PLACES["UTM"][1])
    for shape in SHAPES:
        mask = shape()
        path = on_disk(tmp_path / "mask.tif", mask, info)
        for settings in SETTINGS:
            found = list(regions(path, info, settings))
            shapes = np.concatenate([part.shapes for part in found])
            area = shapely.area(shapes).sum()
            assert shapely.is_valid(shapes).all(), shape.__name__
            assert area == pytest.approx((mask != NO_DATA).sum()), shape.__name__
            assert shapely.area(shapely.union_all(shapes)) == pytest.approx(area), shape.__name__
