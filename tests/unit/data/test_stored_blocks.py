"""Large pictures: their blocks keep place, bands and values, stay on the disk, and leak nothing from part to part."""

import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from core import paths
from core.band_set import BandSet
from core.config import DataConfig
from core.data import named, open_split
from core.data.cut_blocks import Box, blocks_of, margin_of
from core.data.stored_array import StoredArray, stored_mask, stored_picture
from core.data.transforms import ViewSampler
from core.errors import DataError
from core.image import read_bands
from tests.unit.data.readers.brought import photo, save, take, truth

PLACE = rasterio.Affine(0.5, 0.02, 327_000, 0.03, -0.5, 2_783_000)


def ortho(path: Path, values: np.ndarray, **options: Any) -> Path:
    """A GeoTIFF of (H, W, C), tiled and packed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = values.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": values.dtype}
    profile |= {"crs": "EPSG:32640", "transform": PLACE, "tiled": True, "blockxsize": 64, "blockysize": 64}
    with rasterio.open(path, "w", **{**profile, "compress": "deflate", **options}) as file:
        file.write(np.moveaxis(values, 2, 0))
    return path


def gradient(height: int, width: int) -> np.ndarray:
    """Colours that tell of each pixel its column, in 16 bits, and its row in 8."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([columns // 256, columns % 256, rows % 256], axis=2).astype(np.uint8)


def test_blocks_of_a_geotiff_keep_place_and_values_and_stay_on_the_disk() -> None:
    source, image, mask = paths.home() / "ortho", gradient(300, 900), truth(1, 3, height=300, width=900)
    ortho(source / "images" / "o.tif", image)
    save(source / "masks" / "o.png", mask)
    taken = take(source)
    folder = named.folder_of("taken")
    for block in blocks_of(Box(0, 0, 300, 900)):
        here = slice(block.top, block.top + block.height), slice(block.left, block.left + block.width)
        stem = f"o-{block.part}-{block.number}"
        with rasterio.open(folder / "images" / f"{stem}.tif") as file:
            assert file.crs.to_epsg() == 32640
            assert file.transform.almost_equals(PLACE @ rasterio.Affine.translation(block.left, block.top))
            assert (np.moveaxis(file.read(), 0, 2) == image[here]).all()
        assert (taken.masks[stem] == mask[here]).all()
        with rasterio.open(folder / "masks" / f"{stem}.tif") as file:
            assert file.crs.to_epsg() == 32640
    split = open_split(DataConfig("taken"))[1]
    for scene in (*split.train, *split.val, *split.test):
        assert isinstance(scene.image, StoredArray)
        assert isinstance(scene.mask, StoredArray)


@pytest.mark.parametrize("size", [(300, 1400), (1400, 300)])
def test_no_view_shows_a_pixel_within_the_margin_of_a_validation_pixel(size: tuple[int, int]) -> None:
    source, long = paths.home() / "ortho", max(size)
    image = gradient(*size) if size[1] == long else gradient(size[1], size[0]).swapaxes(0, 1)
    ortho(source / "images" / "o.tif", np.ascontiguousarray(image))
    save(source / "masks" / "o.png", truth(1, 3, height=size[0], width=size[1]))
    take(source)
    split = open_split(DataConfig("taken"))[1]
    margin = margin_of(Box(0, 0, *size))

    def positions(values: np.ndarray) -> np.ndarray:
        return values[..., 0].astype(int) * 256 + values[..., 1]

    held = [positions(np.asarray(scene.image)) for scene in (*split.val, *split.test)]
    first = min(int(found.min()) for found in held)
    sampler = ViewSampler(split.train, 64, (1.0, 1.0), 0.0, 3, seed=1)
    seen = np.concatenate([positions(sampler.view(0, index)[0]).ravel() for index in range(300)])
    assert seen.max() < first - margin + 1
    # The law is about pixels next to the margin: some of them are seen.
    assert seen.max() > first - margin - 64


@pytest.mark.parametrize(
    "bands",
    [
        BandSet(),
        BandSet(("red", "green", "blue", "near infrared"), "uint16"),
        BandSet(("a", "b", "c", "d"), "uint8"),
        BandSet(("height",), "float32"),
        BandSet(("blue", "green", "red"), "uint8"),
    ],
    ids=str,
)
def test_what_stays_on_the_disk_is_what_decoding_gives(bands: BandSet, tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 200, (40, 50, len(bands))).astype(bands.depth)
    if bands.depth == "float32":
        values[3, 4], values[5, 6], values[7, 8] = np.nan, 1e31, -9999
    shown = {"photometric": "RGB" if bands.is_colours else "MINISBLACK", "interleave": "pixel", "alpha": "NO"}
    plain = {"tiled": False, "blockxsize": None, "blockysize": 40, "compress": None}
    path = ortho(tmp_path / "a.tif", values, **shown, **plain)
    stored = stored_picture(path, bands)
    assert stored is not None
    whole = read_bands(path, bands)
    assert stored.shape == whole.shape
    assert stored.dtype == whole.dtype
    assert (np.asarray(stored) == whole).all()
    assert (stored[3:17, 2:99] == whole[3:17, 2:99]).all()
    turned = tuple(reversed(range(len(bands))))
    assert (stored.only(turned)[1:5, 1:9] == whole[1:5, 1:9][..., list(turned)]).all()


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "deflate"},
        {"tiled": True, "blockxsize": 16, "blockysize": 16},
        {"interleave": "band"},
        {"nodata": 0},
        {"blockysize": 8},
        {"photometric": "YCBCR", "compress": "jpeg"},
    ],
    ids=str,
)
def test_any_other_file_is_decoded(options: dict[str, Any], tmp_path: Path) -> None:
    plain = {"tiled": False, "blockxsize": None, "blockysize": 40, "compress": None, "photometric": "RGB"}
    path = ortho(tmp_path / "a.tif", photo(1, height=40, width=48), **{**plain, "interleave": "pixel", **options})
    assert stored_picture(path, BandSet()) is None


def test_a_named_band_or_a_cut_file_does_not_stay_on_the_disk(tmp_path: Path) -> None:
    plain = {"tiled": False, "blockxsize": None, "blockysize": 40, "compress": None, "interleave": "pixel"}
    path = ortho(tmp_path / "a.tif", photo(1, height=40, width=48), **plain, photometric="RGB")
    assert stored_picture(path, BandSet()) is not None
    assert stored_mask(path) is None
    with path.open("rb+") as file:
        file.truncate(2000)
    assert stored_picture(path, BandSet()) is None
    named_bands = ortho(tmp_path / "b.tif", photo(1, height=40, width=48), **plain, photometric="RGB")
    with rasterio.open(named_bands, "r+") as file:
        file.descriptions = ("blue", "green", "red")
    assert stored_picture(named_bands, BandSet()) is None


def test_a_file_that_went_is_told_of(tmp_path: Path) -> None:
    plain = {"tiled": False, "blockxsize": None, "blockysize": 40, "compress": None, "interleave": "pixel"}
    path = ortho(tmp_path / "a.tif", photo(1, height=40, width=48), **plain, photometric="RGB")
    stored = stored_picture(path, BandSet())
    assert stored is not None
    path.unlink()
    with pytest.raises(DataError, match="import the dataset again"):
        stored[0:4, 0:4]


def test_opening_blocks_takes_the_memory_of_a_few_of_them() -> None:
    source = paths.home() / "ortho"
    ortho(source / "images" / "o.tif", gradient(200, 12_000))
    save(source / "masks" / "o.png", truth(1, 3, height=200, width=12_000))
    take(source)
    tracemalloc.start()
    split = open_split(DataConfig("taken"))[1]
    ViewSampler(split.train, 64, (1.0, 1.0), 0.0, 3, seed=1).batch(0, range(8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    largest = max(scene.height * scene.width for scene in split.train)
    assert peak < 12 * largest < 200 * 12_000 * 3


def test_a_class_that_is_none_is_found_in_a_mask_on_the_disk() -> None:
    source = paths.home() / "ortho"
    save(source / "images" / "o.png", photo(1, height=40, width=600))
    save(source / "masks" / "o.png", truth(1, 3, height=40, width=600))
    take(source)
    path = named.folder_of("taken") / "masks" / "o-train-1.tif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "r+") as file:
            file.write(np.full((1, file.height, file.width), 9, np.uint8))
    with pytest.raises(DataError, match="values"):
        open_split(DataConfig("taken"))


def test_only_the_part_that_is_labelled_is_cut() -> None:
    source = paths.home() / "ortho"
    ortho(source / "images" / "o.tif", gradient(500, 800))
    mask = np.full((500, 800), 255, np.uint8)
    mask[100:220, 200:700] = truth(1, 3, height=120, width=500)
    save(source / "masks" / "o.png", mask)
    taken = take(source)
    for block in blocks_of(Box(100, 200, 120, 500)):
        here = slice(block.top, block.top + block.height), slice(block.left, block.left + block.width)
        found = taken.masks[f"o-{block.part}-{block.number}"]
        assert found is not None
        assert (found == mask[here]).all()
        assert (found != 255).all()


def test_where_a_picture_holds_no_data_nothing_is_labelled() -> None:
    source, image = paths.home() / "ortho", gradient(200, 800)
    image[:, :100] = image[30:50, 300:340] = 0
    image[..., 2] |= 1
    image[:, :100] = image[30:50, 300:340] = 0
    ortho(source / "images" / "o.tif", image, nodata=0)
    mask = truth(1, 3, height=200, width=800)
    save(source / "masks" / "o.png", mask)
    taken = take(source)
    lacking = ~image.any(axis=2)
    assert sum(taken.survey.counts.values()) == mask.size
    assert taken.survey.counts[-1] == lacking.sum()
    for block in blocks_of(Box(0, 100, 200, 700)):
        here = slice(block.top, block.top + block.height), slice(block.left, block.left + block.width)
        assert (taken.masks[f"o-{block.part}-{block.number}"] == np.where(lacking, 255, mask)[here]).all()


def test_bands_that_are_named_are_kept_as_they_are() -> None:
    source = paths.home() / "fields"
    values = np.random.default_rng(4).integers(0, 9000, (200, 800, 4)).astype(np.uint16)
    ortho(source / "images" / "o.tif", values)
    save(source / "masks" / "o.png", truth(1, 3, height=200, width=800))
    taken = take(source, bands=("red", "green", "blue", "nir"))
    assert (taken.description.bands, taken.description.depth) == (("red", "green", "blue", "nir"), "uint16")
    blocks = {f"o-{block.part}-{block.number}": block for block in blocks_of(Box(0, 0, 200, 800), pixel_bytes=8)}
    split = open_split(DataConfig("taken"))[1]
    for scene in (*split.train, *split.val, *split.test):
        block = blocks[scene.name]
        here = slice(block.top, block.top + block.height), slice(block.left, block.left + block.width)
        assert isinstance(scene.image, StoredArray)
        assert (np.asarray(scene.image) == values[here]).all()
        assert (np.asarray(scene.only(("nir", "red")).image) == values[here][..., [3, 0]]).all()
