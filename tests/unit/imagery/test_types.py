"""Every rule for colours holds in every type of number: alpha, palettes, inks, white as zero, and the stretch."""

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from core.errors import ImageError
from core.imagery.colours import unmultiply
from core.imagery.decode import open_here
from tests.unit.imagery.rasters import DTYPES, FULL, by_gdal, by_tifffile, colours, stored

SCENE = colours()
SHAPE = SCENE.shape[:2]
HIDDEN = np.zeros(SHAPE, np.bool_)
HIDDEN[:20, :30] = True


def opened(data: bytes, bands: tuple[int, ...] | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str]:
    picture = open_here(data, bands=bands)
    rgb, valid = picture.read(0, 0, picture.info.height, picture.info.width)
    picture.close()
    return rgb, np.ones(rgb.shape[:2], np.bool_) if valid is None else valid, " ".join(picture.info.notes)


def shown(dtype: str, where: NDArray[np.bool_], scene: NDArray[np.float64] = SCENE) -> NDArray[np.float64]:
    """Colours 0 to 255 by the rule: 8 bits as they are, deeper ones from the 2nd to the 98th percentile of `where`."""
    if dtype == "uint8":
        return scene * 255
    low, high = np.percentile(scene[where], [2, 98])
    return np.clip((scene - low) / (high - low), 0, 1) * 255


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("opaque", ["largest", "255"])
def test_premultiplied_colours_are_shown_as_they_were(dtype: str, opaque: str) -> None:
    """In stripes of half and whole transparency: neither white nor striped in any type."""
    share = np.where(np.arange(SHAPE[1]) % 8 < 4, 1.0, 0.5) * ~HIDDEN
    if opaque == "255" and dtype != "uint8":
        # gdalwarp's alpha of other types than 8 and 16 bits.
        numbers = (SCENE * share[..., None] * 200).astype(dtype)
        alpha = np.round(share * 255).astype(dtype)
    else:
        numbers, alpha = stored(SCENE * share[..., None], dtype), stored(share, dtype)
    rgb, valid, notes = opened(by_tifffile(np.dstack([numbers, alpha]), photometric="rgb", extrasamples=["assocalpha"]))
    np.testing.assert_array_equal(valid, ~HIDDEN)
    assert not rgb[HIDDEN].any()
    assert f"Transparency hides {HIDDEN.sum():,} of its pixels ({HIDDEN.mean():.1%})" in notes
    # Whole numbers up to 255 are bytes in a wider type.
    are_bytes = opaque == "255" and dtype in ("uint16", "int16")
    expected = SCENE * 200 if are_bytes else shown(dtype, valid)
    assert np.abs(rgb[valid] - expected[valid]).max() <= 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_unassociated_alpha_hides_is_neither_seen_nor_stretched(dtype: str) -> None:
    numbers = stored(SCENE, dtype)
    numbers[HIDDEN] = FULL[dtype]
    alpha = stored(np.where(HIDDEN, 0.0, np.where(np.arange(SHAPE[1]) < 60, 1.0, 0.4)), dtype)
    data = by_tifffile(np.dstack([numbers, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    rgb, valid, notes = opened(data)
    np.testing.assert_array_equal(valid, ~HIDDEN)
    assert not rgb[HIDDEN].any()
    assert np.abs(rgb[valid] - shown(dtype, valid)[valid]).max() <= 1
    assert f"hides {HIDDEN.sum():,} of its pixels" in notes


@pytest.mark.parametrize("dtype", DTYPES)
def test_near_infrared_that_is_marked_as_alpha_hides_nothing(dtype: str) -> None:
    """GDAL marks the fourth of four bytes so, tifffile that of every type."""
    near = colours(seed=5)[..., :1]
    near[:10, :10] = 0
    numbers = stored(np.dstack([SCENE, near]), dtype)
    rgb, valid, notes = opened(by_tifffile(numbers, photometric="rgb", extrasamples=["unassalpha"]))
    assert valid.all()
    assert "varies like a colour" in notes
    assert np.abs(rgb - shown(dtype, valid)).max() <= 1


@pytest.mark.parametrize("name", ["NIR", "Near infrared", "Red edge", "NDVI"])
def test_a_band_whose_name_says_otherwise_is_no_alpha(name: str) -> None:
    """Even where its values are those of an alpha."""
    numbers = np.dstack([stored(SCENE, "uint8"), np.where(HIDDEN, 0, 255).astype(np.uint8)])
    data = by_gdal(np.moveaxis(numbers, 2, 0), names=("Red", "Green", "Blue", name))
    assert opened(data)[1].all()


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_a_band_that_was_asked_for_is_no_transparency(kind: str) -> None:
    numbers = np.dstack([stored(SCENE, "uint8"), np.where(HIDDEN, 0, 255).astype(np.uint8)])
    data = by_tifffile(numbers, photometric="rgb", extrasamples=[kind])
    rgb, valid, notes = opened(data, (4, 1, 2))
    assert valid.all()
    assert "ransparen" not in notes
    np.testing.assert_array_equal(rgb, numbers[..., [3, 0, 1]])
    # Of the bands that were not asked for, alpha hides as ever.
    hidden = opened(data, (3, 2, 1))[1]
    np.testing.assert_array_equal(hidden, np.ones(SHAPE, np.bool_) if kind == "unspecified" else ~HIDDEN)


def test_alpha_that_is_0_everywhere_is_ignored_and_said() -> None:
    numbers = np.dstack([stored(SCENE, "uint16"), np.zeros(SHAPE, np.uint16)])
    for kind in ("unassalpha", "assocalpha"):
        rgb, valid, notes = opened(by_tifffile(numbers, photometric="rgb", extrasamples=[kind]))
        assert valid.all()
        assert np.abs(rgb - shown("uint16", valid)).max() <= 1
        assert "Every pixel is marked as transparent; that was ignored." in notes


@pytest.mark.parametrize("extras", [["unspecified", "assocalpha"], ["assocalpha", "unspecified"]])
def test_of_several_extra_samples_the_one_that_is_alpha_counts(extras: list[str]) -> None:
    share = np.where(HIDDEN, 0.0, np.where(np.arange(SHAPE[1]) % 8 < 4, 1.0, 0.5))
    alpha = stored(share, "uint16")
    near = stored(colours(seed=8)[..., 0], "uint16")
    parts = [near, alpha] if extras[1] == "assocalpha" else [alpha, near]
    numbers = np.dstack([stored(SCENE * share[..., None], "uint16"), *parts])
    rgb, valid, _ = opened(by_tifffile(numbers, photometric="rgb", extrasamples=extras))
    np.testing.assert_array_equal(valid, ~HIDDEN)
    assert np.abs(rgb[valid] - shown("uint16", valid)[valid]).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_white_is_zero_the_picture_is_turned(dtype: str) -> None:
    grey = SCENE[..., 0]
    rgb, valid, _ = opened(by_tifffile(stored(grey, dtype), photometric="miniswhite"))
    expected = 255 - shown(dtype, valid, grey)
    assert np.abs(rgb - expected[..., None]).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_inks_of_every_type_are_colours(dtype: str) -> None:
    inks = np.dstack([1 - SCENE, np.full(SHAPE, 0.2)])
    rgb, _, _ = opened(by_tifffile(stored(inks, dtype), photometric="separated"))
    assert np.abs(rgb - SCENE * 0.8 * 255).max() <= 2


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_palette_gives_its_colours_and_black_where_there_is_no_data(dtype: str) -> None:
    table = {index: (index * 9, 255 - index, 40, 255) for index in range(20)}
    places = (np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 20).astype(dtype)
    memory = by_gdal_with_palette(places, table, nodata=7)
    rgb, valid, _ = opened(memory)
    np.testing.assert_array_equal(valid, places != 7)
    expected = np.array([colour[:3] for colour in table.values()], np.uint8)[places]
    expected[places == 7] = 0
    np.testing.assert_array_equal(rgb, expected)


def by_gdal_with_palette(places: NDArray[np.generic], table: dict[int, tuple[int, ...]], **options: object) -> bytes:
    import warnings

    from rasterio.io import MemoryFile

    shape = {"count": 1, "height": places.shape[0], "width": places.shape[1], "dtype": places.dtype}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore")
        with memory.open(driver="GTiff", **shape, **options) as file:
            file.write_colormap(1, table)
            file.write(places, 1)
        return bytes(memory.read())


@pytest.mark.parametrize(("bits", "dtype"), [(1, "uint8"), (2, "uint8"), (4, "uint8"), (12, "uint16")])
def test_fewer_bits_are_shown_over_their_range_or_stretched(bits: int, dtype: str) -> None:
    numbers = np.round(SCENE * (2**bits - 1)).astype(dtype)
    rgb, valid, _ = opened(by_gdal(np.moveaxis(numbers, 2, 0), nbits=bits, photometric="RGB"))
    if dtype == "uint8":
        assert np.abs(rgb - numbers / (2**bits - 1) * 255).max() <= 1
    else:
        assert np.abs(rgb - shown(dtype, valid)).max() <= 1


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_every_deep_type_is_stretched(dtype: str) -> None:
    scene = (SCENE * 120).round()
    scene -= 100 if dtype.startswith(("i", "f")) else -300
    rgb, valid, _ = opened(by_gdal(np.moveaxis(scene.astype(dtype), 2, 0)))
    assert np.abs(rgb - shown(dtype, valid, scene)).max() <= 1


def test_unmultiplying_in_parts_equals_unmultiplying_at_once() -> None:
    rng = np.random.default_rng(4)
    alpha = rng.integers(1, 65536, (3000, 1000), dtype=np.uint16)
    values = rng.integers(0, 65536, (1, 3000, 1000), dtype=np.uint16)
    expected = np.minimum(np.round(values / (alpha / 65535)), 65535)
    assert np.abs(unmultiply(values, alpha, 65535.0) - expected).max() <= 1


def test_complex_numbers_are_refused_in_a_sentence() -> None:
    with pytest.raises(ImageError, match="complex"):
        open_here(by_gdal(np.moveaxis(SCENE, 2, 0).astype(np.complex64)))


def test_the_note_on_alpha_of_a_large_picture_is_an_estimate() -> None:
    bands = np.full((4, 2100, 2100), 120, np.uint8)
    bands[3] = 255
    bands[3, :, :700] = 0
    meanings = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    picture = open_here(by_gdal(bands, meanings=meanings, tiled=True, compress="deflate"))
    note = next(note for note in picture.info.notes if note.startswith("Transparency hides about "))
    assert abs(float(note.split("about ")[1].split("%")[0]) - 100 / 3) < 5
