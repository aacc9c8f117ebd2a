"""Reading pictures: every kind is read as its pixels say, everything else is refused with one sentence."""

import io
import struct
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from core import image
from core.errors import ImageError
from core.imagery.colours import Stretch, find_stretch

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def geotiff(bands: NDArray[np.generic], *, meanings: list[ColorInterp] | None = None, **options: object) -> bytes:
    """A TIFF of bands (C, H, W), in their type."""
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", dtype=bands.dtype, **shape, **options) as file:
            file.write(bands)
            if meanings:
                file.colorinterp = meanings
        return bytes(memory.read())


def huge_png(width: int, height: int) -> bytes:
    """A PNG that says it is huge, and holds almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


MODES = ("RGB", "RGBA", "P", "L", "LA", "1")


@pytest.mark.parametrize(("mode", "form"), [*product(MODES, ["PNG", "TIFF"]), ("CMYK", "TIFF")])
def test_every_mode_gives_its_colours(mode: str, form: str) -> None:
    picture = Image.fromarray(COLOURS).convert(mode)
    read = image.read_rgb(encode(picture, form))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.asarray(picture.convert("RGB")))


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    assert image.read_rgb(encode(white, "JPEG")).min() > 250


def test_transparency_leaves_the_colours_alone() -> None:
    alpha = np.zeros((6, 9, 1), dtype=np.uint8)
    read = image.read_rgb(encode(Image.fromarray(np.concatenate([COLOURS, alpha], axis=2)), "PNG"))
    np.testing.assert_array_equal(read, COLOURS)


def test_a_path_and_its_bytes_read_alike_whatever_the_name(tmp_path: Path) -> None:
    data = image.encode_png(COLOURS)
    path = tmp_path / "really a png.jpg"
    path.write_bytes(data)
    np.testing.assert_array_equal(image.read_rgb(path), COLOURS)
    np.testing.assert_array_equal(image.read_rgb(data), COLOURS)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, COLOURS),
        (2, COLOURS[:, ::-1]),
        (3, COLOURS[::-1, ::-1]),
        (4, COLOURS[::-1]),
        (5, COLOURS.transpose(1, 0, 2)),
        (6, np.rot90(COLOURS, 1)),
        (7, COLOURS[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90(COLOURS, -1)),
    ],
)
def test_exif_orientation_turns_image_and_mask_upright(orientation: int, stored: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(image.read_rgb(data), COLOURS)
    np.testing.assert_array_equal(image.read_raw(data), COLOURS)


def test_a_16_bit_grey_png_keeps_its_8_bit_values() -> None:
    grey = COLOURS[..., 0]
    read = image.read_rgb(encode(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"))
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_a_deep_tiff_is_stretched_between_its_percentiles(kind: type[np.number]) -> None:
    bands = (np.random.default_rng(5).normal(900, 200, (3, 60, 90)) - 700 * (kind != np.uint16)).astype(kind)
    low, high = np.percentile(bands.astype(np.float64), [2, 98])
    expected = np.clip((bands.astype(np.float64) - low) / (high - low), 0, 1) * 255
    read = image.read_rgb(geotiff(bands))
    assert np.abs(read - np.moveaxis(expected, 0, 2)).max() <= 0.51


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_marked_colour_bands_are_found_among_many() -> None:
    bands = np.random.default_rng(1).integers(0, 256, (5, 6, 9), dtype=np.uint8)
    names = [ColorInterp.undefined, ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    read = image.read_rgb(geotiff(bands, meanings=names, photometric="MINISBLACK"))
    np.testing.assert_array_equal(read, np.moveaxis(bands[[3, 2, 1]], 0, 2))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_unmarked_bands_give_the_first_three_and_two_give_grey() -> None:
    bands = np.random.default_rng(2).integers(0, 256, (5, 6, 9)).astype(np.int16)
    np.testing.assert_array_equal(image.read_rgb(geotiff(bands)), np.moveaxis(bands[:3], 0, 2))
    np.testing.assert_array_equal(image.read_rgb(geotiff(bands[:2]))[..., 2], bands[0])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pixels_without_data_are_black_and_do_not_darken_the_rest() -> None:
    bands = np.full((1, 4, 4), 200, dtype=np.uint16)
    bands[0, 0, 0] = 65535
    read = image.read_rgb(geotiff(bands, nodata=65535))
    assert read[0, 0].tolist() == [0, 0, 0]
    assert read[1, 1].tolist() == [200, 200, 200]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pixels_without_a_number_are_black_and_do_not_move_the_stretch() -> None:
    bands = np.random.default_rng(6).random((1, 40, 50), dtype=np.float32)
    holes = bands.copy()
    holes[0, :5] = np.nan
    holes[0, 5] = np.inf
    np.testing.assert_array_equal(image.read_rgb(geotiff(holes))[:6], 0)
    expected = image.read_rgb(geotiff(bands[:, 6:]))
    np.testing.assert_array_equal(image.read_rgb(geotiff(holes))[6:], expected)


def test_stretching_in_blocks_equals_stretching_at_once() -> None:
    deep = np.random.default_rng(3).integers(0, 4096, (5000, 1000, 1), dtype=np.uint16)
    np.testing.assert_array_equal(Stretch(0, 4095)(deep), np.round(deep / 4095 * 255).astype(np.uint8))


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(ImageError, match="complex"):
        find_stretch(np.ones((2, 2), dtype=np.complex64), np.ones(2, np.bool_))


@pytest.mark.parametrize("form", ["GIF", "BMP", "WEBP", "PPM"])
def test_other_formats_are_refused(form: str) -> None:
    with pytest.raises(ImageError, match="PNG, JPEG or TIFF"):
        image.read_rgb(encode(Image.fromarray(COLOURS), form))


@pytest.mark.parametrize("data", [b"", b"hello", b"II*\0", b"MM\0*" + bytes(60), b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("read", [image.read_rgb, image.read_raw])
def test_what_is_no_picture_is_refused(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(ImageError, match=r"cannot be read|no PNG, JPEG or TIFF|is empty"):
        read(data)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png cannot be opened"):
        image.read_rgb(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        image.read_rgb(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(10_001, 10_000), (15_000, 15_000), (60_000, 60_000)])
def test_too_many_pixels_are_refused_before_decoding(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="at most 100 megapixels"):
        image.read_rgb(huge_png(*size))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_huge_tiff_for_gdal_is_refused_too() -> None:
    empty = {"width": 20_000, "height": 20_000, "count": 5, "dtype": "float32", "SPARSE_OK": True, "tiled": True}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **empty):
            pass
        data = bytes(memory.read())
    with pytest.raises(ImageError, match="at most 100 megapixels"):
        image.read_rgb(data)


def test_too_many_bytes_are_refused_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = image.encode_png(COLOURS)
    path = tmp_path / "large.png"
    path.write_bytes(data)
    monkeypatch.setattr(image, "MAX_BYTES", len(data) - 1)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("was read"))
    for source in (data, path):
        with pytest.raises(ImageError, match=r"at most .* are read"):
            image.read_rgb(source)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGB"), ("PNG", "P"), ("JPEG", "RGB"), ("TIFF", "RGB")])
def test_damage_gives_pixels_or_one_sentence(form: str, mode: str) -> None:
    whole = encode(Image.fromarray(COLOURS).convert(mode), form)
    rng = np.random.default_rng(4)
    broken = [whole[:cut] for cut in range(0, len(whole), max(1, len(whole) // 40))]
    for _ in range(150):
        bent = bytearray(whole)
        bent[rng.integers(len(bent))] = rng.integers(256)
        broken.append(bytes(bent))
    refused = 0
    for data in broken:
        try:
            assert image.read_rgb(data).shape[2] == 3
        except ImageError:
            refused += 1
    assert refused > 20


def test_grey_masks_are_given_as_indices_and_colour_masks_as_colours() -> None:
    indices = (COLOURS[..., 0] % 6).astype(np.uint8)
    for picture in (Image.fromarray(indices), Image.fromarray(indices.astype(np.uint16))):
        np.testing.assert_array_equal(image.read_raw(encode(picture, "PNG")), indices)
    np.testing.assert_array_equal(image.read_raw(encode(Image.fromarray(indices).convert("LA"), "PNG")), indices)
    bits = Image.fromarray((indices > 2).astype(np.uint8) * 255).convert("1")
    np.testing.assert_array_equal(image.read_raw(encode(bits, "PNG")), indices > 2)
    for mode in ("RGB", "RGBA"):
        np.testing.assert_array_equal(image.read_raw(encode(Image.fromarray(COLOURS).convert(mode), "PNG")), COLOURS)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_deep_tiff_mask_is_read_when_its_values_are_indices() -> None:
    indices = (COLOURS[..., 0] % 6).astype(np.int32)
    np.testing.assert_array_equal(image.read_raw(geotiff(indices[None])), indices)
    for wrong in (indices[None] - 2, indices[None] + 255, indices[None] / np.float32(2)):
        with pytest.raises(ImageError, match="no class indices"):
            image.read_raw(geotiff(wrong))
    with pytest.raises(ImageError, match="deeper than 8 bits"):
        image.read_raw(geotiff(np.stack([indices] * 3).astype(np.uint16)))


def test_a_palette_picture_has_colours_and_indices() -> None:
    picture = Image.fromarray(COLOURS[..., 0] % 3).convert("P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    data = encode(picture, "PNG")
    found = image.read_mask(data)
    assert found.palette is not None
    np.testing.assert_array_equal(found.values, COLOURS[..., 0] % 3)
    assert found.palette[:3].tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    np.testing.assert_array_equal(image.read_raw(data), found.palette[found.values])
    assert image.read_mask(image.encode_png(COLOURS)).palette is None


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_what_is_encoded_comes_back(channels: int | None) -> None:
    array = np.random.default_rng(5).integers(0, 256, (7, 5, channels) if channels else (7, 5), dtype=np.uint8)
    with Image.open(io.BytesIO(image.encode_png(array))) as back:
        np.testing.assert_array_equal(np.asarray(back), array)
    with Image.open(io.BytesIO(image.encode_webp(array))) as back:
        assert (back.format, back.size) == ("WEBP", (5, 7))
