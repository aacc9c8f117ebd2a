"""A GeoTIFF in the visitor's browser: the pixels and the place that rasterio reads, and polygons of the true area."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray

from core.imagery.geodesy import PixelAreas, to_degrees
from core.imagery.limits import Info
from tests.ui.test_viewer_js import HERE, needs_node, node

pytestmark = needs_node

UTM, PLACE = "EPSG:32640", (2.0, 0.0, 330_000.0, 0.0, -2.0, 2_780_000.0)


def picture(bands: int = 3, height: int = 61, width: int = 83) -> NDArray[np.uint8]:
    """(bands, H, W): the first band is a mask of four classes in fields of 3 x 4 pixels, with islands and holes."""
    rng = np.random.default_rng(5)
    mask = np.kron(rng.integers(0, 4, (21, 21), dtype=np.uint8), np.ones((3, 4), np.uint8))[:height, :width]
    rest = rng.integers(0, 256, (bands - 1, height, width), dtype=np.uint8)
    return np.concatenate([mask[None], rest])


def taken(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node(str(HERE / "take_in.mjs"), str(path)))
    return found


def saved(path: Path, values: NDArray[Any], **more: Any) -> Path:
    profile = {"driver": "GTiff", "count": len(values), "height": values.shape[1], "width": values.shape[2]}
    given = {"crs": UTM, "transform": rasterio.Affine(*PLACE), "dtype": values.dtype, **more}
    with rasterio.open(path, "w", **profile, **given) as file:
        file.write(values)
    return path


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"compress": "DEFLATE", "tiled": True, "blockxsize": 16, "blockysize": 32, "predictor": 2},
        {"compress": "LZW", "predictor": 2},
        {"compress": "LZW", "tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "band"},
        {"compress": "PACKBITS", "BIGTIFF": "YES"},
        {"compress": "DEFLATE", "interleave": "band", "ENDIANNESS": "BIG"},
    ],
    ids=str,
)
def test_pixels_and_place_are_those_that_rasterio_reads(more: dict[str, Any], tmp_path: Path) -> None:
    values = picture()
    found = taken(saved(tmp_path / "a.tif", values, photometric="RGB", **more))
    rgba = np.frombuffer(base64.b64decode(found["rgba"]), np.uint8).reshape(*values.shape[1:], 4)
    np.testing.assert_array_equal(rgba[..., :3], values.transpose(1, 2, 0))
    assert tuple(found["transform"]) == PLACE
    assert found["epsg"] == 32640


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        (UTM, PLACE),
        ("EPSG:32733", (10.0, 0.0, 700_000.0, 0.0, -10.0, 6_200_000.0)),
        ("EPSG:3857", (5.0, 0.0, 1_200_000.0, 0.0, -5.0, 7_100_000.0)),
        ("EPSG:4326", (0.001, 0.0, 55.0, 0.0, -0.001, 25.0)),
        ("EPSG:25832", (0.5, 0.1, 565_000.0, 0.1, -0.5, 5_930_000.0)),
    ],
)
def test_polygons_lie_where_the_picture_lies_and_have_the_area_of_their_pixels(
    crs: str, place: tuple[float, ...], tmp_path: Path
) -> None:
    values = picture(1)
    path = saved(tmp_path / "a.tif", values, crs=crs, transform=rasterio.Affine(*place))
    found = taken(path)
    assert found["note"] is None
    features = found["geojson"]["features"]
    shapes = np.array([shapely.geometry.shape(feature["geometry"]) for feature in features])
    classes = np.array([feature["properties"]["class"] for feature in features])
    assert shapely.is_valid(shapes).all()
    assert all(shapely.is_ccw(shape.exterior) for shape in shapes)
    a, b, c, d, e, f = place
    height, width = values.shape[1:]
    corners = np.array(
        [(a * x + b * y + c, d * x + e * y + f) for x, y in ((0, 0), (width, 0), (width, height), (0, height))]
    )
    at = shapely.get_coordinates(shapely.union_all(shapes))
    for corner in to_degrees(crs, corners):
        assert np.abs(at - corner).max(axis=1).min() < 5e-9  # Half a millimetre.
    sizes = PixelAreas(Info("TIFF", width, height, (), crs, place)).sums(0, values[0], 4)
    for index in range(4):
        own = classes == index
        metres = sum(features[at]["properties"]["area_m2"] for at in np.flatnonzero(own))
        assert metres == pytest.approx(sizes[index], rel=2e-5)
        pixels = sum(features[at]["properties"]["area_px"] for at in np.flatnonzero(own))
        assert pixels == (values[0] == index).sum()
    overlap = shapely.area(shapes).sum() - shapely.union_all(shapes).area
    assert abs(overlap) < 1e-9 * shapely.area(shapes).sum()


def test_what_holds_no_data_is_transparent(tmp_path: Path) -> None:
    """As the server has it (core/imagery/pixels.py): by a mask inside, by transparency, by a value."""
    values = picture()
    values[:, :20, :30] = 7
    values[0, 40, 50] = 7
    hidden = (values == 7).any(axis=0)
    everywhere = (values == 7).all(axis=0)
    tiled = {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "DEFLATE"}
    cases = [
        (saved(tmp_path / "value.tif", values, photometric="RGB", nodata=7), hidden),
        (saved(tmp_path / "zero.tif", np.where(values == 7, 0, values), photometric="RGB", nodata=0), everywhere),
        (saved(tmp_path / "none.tif", values, photometric="RGB"), np.zeros_like(hidden)),
        (saved(tmp_path / "outside.tif", values.astype(np.int16).astype(np.uint8), nodata=None), np.zeros_like(hidden)),
    ]
    alpha = np.concatenate([values, np.where(everywhere, 0, 255)[None].astype(np.uint8)])
    cases.append((saved(tmp_path / "alpha.tif", alpha, photometric="RGB", alpha="yes"), everywhere))
    for name, more in (("strips", {}), ("tiles", tiled)):
        path = tmp_path / f"{name}.tif"
        profile = {"driver": "GTiff", "count": 3, "height": 61, "width": 83, "dtype": "uint8", "photometric": "RGB"}
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(path, "w", crs=UTM, transform=rasterio.Affine(*PLACE), **profile, **more) as file,
        ):
            file.write(values)
            file.write_mask(~everywhere)
        cases.append((path, everywhere))
    infrared = np.concatenate([values, np.arange(values[0].size, dtype=np.uint32).astype(np.uint8).reshape(1, 61, 83)])
    cases.append((saved(tmp_path / "infrared.tif", infrared, photometric="RGB", alpha="yes"), np.zeros_like(hidden)))
    for path, expected in cases:
        rgba = np.frombuffer(base64.b64decode(taken(path)["rgba"]), np.uint8).reshape(61, 83, 4)
        np.testing.assert_array_equal(rgba[..., 3] == 0, expected, err_msg=path.name)


def test_a_picture_without_a_place_has_polygons_in_pixels_that_cover_it_once(tmp_path: Path) -> None:
    values = picture(1)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        path = saved(tmp_path / "a.tif", values, crs=None, transform=None)
    found = taken(path)
    shapes = np.array([shapely.geometry.shape(feature["geometry"]) for feature in found["geojson"]["features"]])
    assert shapely.area(shapes).sum() == values[0].size
    assert shapely.union_all(shapes).area == values[0].size
    assert shapely.coverage_is_valid(shapes)
    assert {feature["properties"]["area_m2"] for feature in found["geojson"]["features"]} == {None}


def test_a_system_that_is_not_known_keeps_its_coordinates_and_says_so(tmp_path: Path) -> None:
    found = taken(saved(tmp_path / "a.tif", picture(1), crs="EPSG:2056"))
    assert "polygons have its own coordinates" in found["note"]
    assert found["geojson"]["crs"]["properties"]["name"].endswith("EPSG::2056")


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    words = picture().astype(np.uint16)
    cases = {
        "16 bits": saved(tmp_path / "16.tif", words),
        "not red, green and blue": saved(tmp_path / "7.tif", picture(7)),
        "compression": saved(tmp_path / "z.tif", picture(), compress="LZMA"),
        "compression is not read here": saved(tmp_path / "j.tif", picture(), compress="JPEG", photometric="YCBCR"),
        "no TIFF": tmp_path / "text.tif",
        "megapixels": saved(tmp_path / "large.tif", np.zeros((1, 4100, 4000), np.uint8), compress="DEFLATE"),
    }
    (tmp_path / "text.tif").write_text("this is no picture")
    for told, path in cases.items():
        assert told in taken(path)["error"]
    cut = tmp_path / "cut.tif"
    cut.write_bytes(saved(tmp_path / "whole.tif", picture()).read_bytes()[:600])
    assert taken(cut)["error"] == "a part of it is missing"


def test_pixels_without_a_size_have_no_place(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", picture(1), transform=rasterio.Affine(0, 0, 9, 0, 0, 9))
    assert (taken(path)["transform"], taken(path)["epsg"]) == (None, None)
