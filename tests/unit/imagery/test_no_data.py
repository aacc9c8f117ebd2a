"""A pixel without data is never seen: not in the stretch, not as a colour; wherever the data lies in the file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.imagery import samples
from core.imagery.decode import open_here
from tests.unit.imagery.rasters import DTYPES, FULL, by_gdal, by_tifffile, colours, stored

SCENE = colours()
HOLE = np.zeros(SCENE.shape[:2], np.bool_)
HOLE[:25, :35] = True
TOLERANCE = 2
"""Grey levels of 255 by which the same pixels may differ, alone and inside an empty mosaic."""


def opened(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    picture = open_here(data)
    rgb, valid = picture.read(0, 0, picture.info.height, picture.info.width)
    picture.close()
    return rgb, np.ones(rgb.shape[:2], np.bool_) if valid is None else valid


def holed(dtype: str, value: float) -> NDArray[Any]:
    numbers = stored(SCENE, dtype)
    numbers[HOLE] = value
    return np.moveaxis(numbers, 2, 0)


def by_value(value: float) -> Callable[[str], bytes]:
    return lambda dtype: by_gdal(holed(dtype, value), nodata=value, photometric="RGB")


VARIANTS: dict[str, Callable[[str], bytes]] = {
    "nodata 0": by_value(0),
    "nodata 3": by_value(3),
    "the largest value": lambda dtype: by_value(FULL[dtype])(dtype),
    "a mask inside": lambda dtype: by_gdal(holed(dtype, FULL[dtype]), mask=~HOLE, photometric="RGB"),
    "NODATA_VALUES": lambda dtype: by_gdal(holed(dtype, 0), tags={"NODATA_VALUES": "0 0 0"}, photometric="RGB"),
}
DEEP = {
    "-9999": lambda dtype: by_value(-9999)(dtype),
    "-9999 that is not declared": lambda dtype: by_gdal(holed(dtype, -9999), photometric="RGB"),
    "the least value": lambda dtype: by_value(-32768)(dtype),
}
FLOATS = {
    "nan": lambda dtype: by_gdal(holed(dtype, np.nan), photometric="RGB"),
    "nan that is declared": lambda dtype: by_gdal(holed(dtype, np.nan), nodata=np.nan, photometric="RGB"),
    "infinity": lambda dtype: by_gdal(holed(dtype, np.inf), photometric="RGB"),
    "the least float": lambda dtype: by_gdal(holed(dtype, np.finfo(np.float32).min), photometric="RGB"),
    "rounded in its tag": lambda dtype: by_tifffile(
        np.moveaxis(holed(dtype, np.finfo(np.float32).min), 0, 2), nodata="-3.40282e+38", photometric="rgb"
    ),
}
CASES = [
    *((variant, dtype, make) for variant, make in VARIANTS.items() for dtype in DTYPES),
    *((variant, dtype, make) for variant, make in DEEP.items() for dtype in ("int16", "float32")),
    *((variant, "float32", make) for variant, make in FLOATS.items()),
]


@pytest.mark.parametrize(
    ("dtype", "make"), [case[1:] for case in CASES], ids=[f"{variant}-{dtype}" for variant, dtype, _ in CASES]
)
def test_a_pixel_without_data_is_never_seen(dtype: str, make: Callable[[str], bytes]) -> None:
    rgb, valid = opened(make(dtype))
    np.testing.assert_array_equal(valid, ~HOLE)
    assert not rgb[HOLE].any()
    if dtype == "uint8":
        expected = stored(SCENE, dtype)
    else:
        numbers = stored(SCENE, dtype).astype(np.float64)
        low, high = np.percentile(numbers[~HOLE], [2, 98])
        expected = np.clip((numbers - low) / (high - low), 0, 1) * 255
    assert np.abs(rgb[valid] - expected[valid].astype(np.float64)).max() <= 1


@pytest.mark.parametrize("nodata", ["-9999", "256", "nan", "0.5", "-3.4e38"])
def test_a_no_data_value_that_the_type_cannot_hold_takes_nothing_away(nodata: str) -> None:
    numbers = stored(SCENE, "uint8")
    numbers[0, 0], numbers[0, 1] = 0, 255
    rgb, valid = opened(by_tifffile(numbers, nodata=nodata, photometric="rgb"))
    assert valid.all()
    np.testing.assert_array_equal(rgb, numbers)


@pytest.mark.parametrize(("value", "dtype"), [(0, "uint8"), (255, "uint8"), (0, "uint16"), (65535, "uint16")])
def test_values_that_are_colours_too_count_where_all_bands_hold_them(value: int, dtype: str) -> None:
    numbers = stored(SCENE, dtype)
    numbers[2, 3] = value
    numbers[4, 5, 1] = value
    _, valid = opened(by_gdal(np.moveaxis(numbers, 2, 0), nodata=value, photometric="RGB"))
    assert np.argwhere(~valid).tolist() == [[2, 3]]


@pytest.mark.parametrize("how", ["mask", "alpha"])
def test_black_that_a_mask_calls_data_is_data(how: str) -> None:
    """No-data 0 stands in many files that bring a better mask; roofs in shadow are black as well."""
    numbers = stored(SCENE, "uint8")
    numbers[HOLE] = 0
    numbers[50, 60:70] = 0
    bands = np.moveaxis(numbers, 2, 0)
    if how == "mask":
        data = by_gdal(bands, nodata=0, mask=~HOLE, photometric="RGB")
    else:
        data = by_gdal(np.concatenate([bands, np.where(HOLE, 0, 255).astype(np.uint8)[None]]), nodata=0)
    np.testing.assert_array_equal(opened(data)[1], ~HOLE)


SIDE, ISLAND = 2304, 160
Y, X = 1075, 763
"""Between the windows of 128 pixels, 311 apart, that are looked at first."""


def mosaic(numbers: NDArray[Any], fill: float, y: int = Y, x: int = X) -> NDArray[Any]:
    found = np.full((numbers.shape[0], SIDE, SIDE), fill, numbers.dtype)
    found[:, y : y + ISLAND, x : x + ISLAND] = numbers
    return found


def place(y: int = Y, x: int = X) -> NDArray[np.bool_]:
    found = np.zeros((SIDE, SIDE), np.bool_)
    found[y : y + ISLAND, x : x + ISLAND] = True
    return found


def island(dtype: str) -> NDArray[Any]:
    return np.moveaxis(stored(0.02 + 0.3 * colours(ISLAND, ISLAND, seed=2), dtype), 2, 0)


LAYOUTS = {
    "tiles": {"tiled": True, "compress": "deflate", "zlevel": 1},
    "strips": {"compress": "deflate", "zlevel": 1},
    "never written": {"tiled": True, "compress": "deflate", "zlevel": 1, "SPARSE_OK": True},
    "uncompressed": {"tiled": True},
    "bands apart": {"tiled": True, "compress": "lzw", "interleave": "band"},
    "overviews": {"tiled": True, "compress": "deflate", "zlevel": 1, "overviews": [2, 4, 8, 16]},
    "tiny tiles": {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "lzw"},
}
EMPTY: dict[str, Callable[[NDArray[Any]], tuple[NDArray[Any], dict[str, Any]]]] = {
    "nodata": lambda numbers: (mosaic(numbers, 0), {"nodata": 0}),
    "a mask inside": lambda numbers: (mosaic(numbers, 7), {"mask": place()}),
    "0 that is not declared": lambda numbers: (mosaic(numbers, 0), {}),
}


def same_alone_and_inside(alone: bytes, inside: bytes, y: int = Y, x: int = X) -> None:
    expected, _ = opened(alone)
    rgb, _ = opened(inside)
    difference = np.abs(rgb[y : y + ISLAND, x : x + ISLAND].astype(int) - expected)
    assert difference.max() <= TOLERANCE
    assert expected.std() > 30


@pytest.mark.parametrize(
    ("empty", "layout"), [("nodata", layout) for layout in LAYOUTS] + [(empty, "tiles") for empty in EMPTY]
)
def test_the_same_pixels_alone_and_inside_an_empty_mosaic_are_read_alike(layout: str, empty: str) -> None:
    numbers = island("uint16")
    bands, options = EMPTY[empty](numbers)
    inside = by_gdal(bands, photometric="RGB", **options, **LAYOUTS[layout])
    same_alone_and_inside(by_gdal(numbers, photometric="RGB"), inside)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "fill"), [("int16", -9999), ("float32", np.nan), ("float32", -9999), ("int32", -1)])
def test_other_types_in_an_empty_mosaic(dtype: str, fill: float) -> None:
    numbers = island(dtype)
    nodata = None if dtype == "float32" else fill
    options = {"tiled": True, "compress": "deflate", "zlevel": 1, "photometric": "RGB", "nodata": nodata}
    same_alone_and_inside(by_gdal(numbers, photometric="RGB"), by_gdal(mosaic(numbers, fill), **options))


def test_alpha_in_an_empty_mosaic() -> None:
    numbers = np.concatenate([island("uint16"), np.full((1, ISLAND, ISLAND), 65535, np.uint16)])
    options = {"photometric": "RGB", "ALPHA": "UNSPECIFIED", "tiled": True, "compress": "deflate", "zlevel": 1}
    inside = by_gdal(mosaic(numbers, 0), **options)
    same_alone_and_inside(by_gdal(numbers[:3], photometric="RGB"), inside)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (64, 64), (SIDE - ISLAND, SIDE - ISLAND), (330, 100), (650, 1290)])
def test_data_that_the_grid_meets_in_part_does_not_skew_the_stretch(y: int, x: int) -> None:
    """Half of the island is dark and half of it bright: to see one of them only would burn out the other."""
    numbers = island("uint16")
    numbers[:, :, : ISLAND // 2] //= 10
    inside = by_gdal(mosaic(numbers, 0, y, x), nodata=0, photometric="RGB", **LAYOUTS["tiles"])
    same_alone_and_inside(by_gdal(numbers, photometric="RGB"), inside, y, x)


def test_the_note_tells_how_many_pixels_a_stretch_has_seen() -> None:
    inside = by_gdal(mosaic(island("uint16"), 0), nodata=0, photometric="RGB", **LAYOUTS["tiles"])
    assert any(f"of {ISLAND**2:,} pixels" in note for note in open_here(inside).info.notes)


def test_a_picture_without_any_data_says_so() -> None:
    empty = np.zeros((3, 50, 60), np.uint16)
    picture = open_here(by_gdal(empty, nodata=0, photometric="RGB"))
    assert any("None of its pixels holds data" in note for note in picture.info.notes)
    rgb, valid = picture.read(0, 0, 50, 60)
    assert valid is not None
    assert not valid.any()
    assert not rgb.any()


def test_blocks_that_are_known_to_be_empty_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    plain = samples.Pixels.read

    def counted(self: samples.Pixels, window: Any, shape: Any = None) -> Any:
        read.append(window)
        return plain(self, window, shape)

    monkeypatch.setattr(samples.Pixels, "read", counted)
    for layout in ("tiles", "never written", "strips"):
        read.clear()
        open_here(by_gdal(mosaic(island("uint16"), 0), nodata=0, photometric="RGB", **LAYOUTS[layout]))
        # Those of the grid, those that hold data (twice), and few empty ones.
        assert len(read) <= 64 + 16 + 8


def test_a_search_ends_when_it_has_worked_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_BYTES", 0)
    picture = open_here(by_gdal(mosaic(island("uint16"), 0), nodata=0, photometric="RGB", tiled=True))
    assert any("None of the pixels searched" in note for note in picture.info.notes)
