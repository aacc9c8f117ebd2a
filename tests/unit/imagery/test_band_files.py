"""The bands of a file as the numbers that they are, found by name or by order; windows are what the whole holds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.band_set import BandSet
from core.errors import ImageError
from core.image import read_bands
from core.imagery.band_files import BandFile
from core.imagery.limits import Limits
from tests.unit.banded import NAMES, write_bands

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_numbers_come_as_they_are_stored(tmp_path: Path, depth: str) -> None:
    values = RANDOM.uniform(1, 250, (20, 30, 5)).astype(depth)
    bands = BandSet(tuple("abcde"), depth)
    path = write_bands(tmp_path / "a.tif", values, tiled=True, blockxsize=16, blockysize=16)
    found = read_bands(path, bands)
    assert found.dtype == depth
    assert np.array_equal(found, values)
    assert np.array_equal(read_bands(path.read_bytes(), bands), values)
    with BandFile(path, bands, limits=Limits()) as file:
        assert np.array_equal(file.read(3, 7, 12, 20), values[3:15, 7:27])


def test_bands_are_found_by_their_names_whatever_their_order(tmp_path: Path) -> None:
    values = RANDOM.integers(1, 200, (8, 8, 5), dtype=np.uint8)
    path = write_bands(tmp_path / "a.tif", values, ("Blue", "Green", "Red", "Red edge", "Near_Infrared"))
    assert np.array_equal(read_bands(path, BandSet(NAMES)), values[..., [2, 1, 0, 4]])
    with pytest.raises(ImageError, match="has 5 bands, whose names do not tell red, thermal apart"):
        read_bands(path, BandSet(("red", "thermal")))


def test_a_fourth_band_marked_as_transparency_is_one_of_four(tmp_path: Path) -> None:
    """Libraries mark it so by default, also where it is near infrared."""
    values = RANDOM.integers(1, 200, (16, 16, 4), dtype=np.uint8)
    path = write_bands(tmp_path / "a.tif", values, photometric="RGB", alpha="YES")
    assert np.array_equal(read_bands(path, BandSet(NAMES)), values)


def test_what_holds_no_data_is_zero_in_all_bands(tmp_path: Path) -> None:
    values = RANDOM.uniform(1, 2, (8, 8, 2)).astype(np.float32)
    values[0, 0, 1], values[1, 1, 0] = np.nan, -9999
    found = read_bands(write_bands(tmp_path / "a.tif", values, nodata=-9999), BandSet(("a", "b"), "float32"))
    assert not found[0, 0].any()
    assert not found[1, 1].any()
    assert np.array_equal(found[2:], values[2:])


def test_a_picture_of_another_depth_is_refused_and_any_number_is_a_float(tmp_path: Path) -> None:
    path = write_bands(tmp_path / "a.tif", RANDOM.integers(-500, 500, (8, 8, 2)).astype(np.int16))
    with pytest.raises(ImageError, match=r"a\.tif holds int16 values, and its dataset takes uint8: .*'float32'"):
        read_bands(path, BandSet(("a", "b")))
    assert read_bands(path, BandSet(("a", "b"), "float32")).dtype == np.float32


def test_flat_pictures_hold_one_band_or_three(tmp_path: Path) -> None:
    colours = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    Image.fromarray(colours[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(colours[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.array_equal(read_bands(tmp_path / "rgb.png", BandSet(("blue", "green", "red"))), colours[..., ::-1])
    assert np.array_equal(read_bands(tmp_path / "grey.png", BandSet(("grey",)))[..., 0], colours[..., 0])
    deep = read_bands(tmp_path / "deep.png", BandSet(("grey",), "uint16"))
    assert np.array_equal(deep[..., 0], colours[..., 0].astype(np.uint16) * 257)
    with pytest.raises(ImageError, match="is no TIFF"):
        read_bands(tmp_path / "rgb.png", BandSet(NAMES))
    with pytest.raises(ImageError, match="is in colours"):
        read_bands(tmp_path / "rgb.png", BandSet(("grey",)))
