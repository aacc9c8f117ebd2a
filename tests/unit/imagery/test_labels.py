"""A pixel without data is unlabelled in a mask, whatever the type and however the file says so; masks of ours too."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core import image
from core.classes import ClassMap
from core.data.datasets.dubai import AERIAL
from core.data.meaning import read_mask
from core.data.palette import to_rgb
from core.errors import ImageError
from core.infer.outputs.recolour import recolour
from core.infer.picture import Wanted, predict_picture
from core.infer.tiling import Tiling
from tests.unit.imagery.rasters import by_gdal, by_tifffile
from tests.unit.imagery.test_types import by_gdal_with_palette
from tests.unit.infer.rasters import UTM, Brightness, Held
from tests.unit.infer.test_picture import PLACE, blocks, loaded

VARIANTS = ("nodata", "mask", "mask with overviews", "NODATA_VALUES", "bands apart", "alpha")
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64")
LABELS = np.random.default_rng(1).integers(0, 5, (40, 60))
HOLE = np.zeros(LABELS.shape, np.bool_)
HOLE[:9, :13] = True
HOLE[30] = True
EXPECTED = np.where(HOLE, AERIAL.ignore_index, LABELS).astype(np.uint8)


def holed(dtype: str, value: float) -> NDArray[Any]:
    found = LABELS.astype(dtype)
    found[HOLE] = value
    return found[None]


def unlabelled(data: bytes | Path) -> None:
    found, far = read_mask(data, AERIAL)
    np.testing.assert_array_equal(found, EXPECTED)
    assert far == 0


def largest(dtype: str) -> float:
    return 127 if dtype == "int8" else 255


@pytest.mark.parametrize(
    ("variant", "dtype"),
    [(variant, dtype) for variant in VARIANTS for dtype in DTYPES if (variant, dtype) != ("alpha", "int64")],
)
def test_every_tag_counts_in_every_type(dtype: str, variant: str) -> None:
    """0 stands where there is no data, so that the value alone would make it a building."""
    bands, top = holed(dtype, 0), largest(dtype)
    if variant == "nodata":
        data = by_gdal(holed(dtype, top), nodata=top)
    elif variant == "NODATA_VALUES":
        data = by_gdal(holed(dtype, top), tags={"NODATA_VALUES": str(top)})
    elif variant == "alpha":
        alpha = np.where(HOLE, 0, largest(dtype)).astype(dtype)
        data = by_tifffile(np.dstack([bands[0], alpha]), photometric="minisblack", extrasamples=["unassalpha"])
    else:
        more = {"overviews": [2, 4]} if variant == "mask with overviews" else {}
        if variant == "bands apart":
            more = {"interleave": "band", "tiled": True, "blockxsize": 16, "blockysize": 16}
        data = by_gdal(bands, mask=~HOLE, **more)
    unlabelled(data)


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("value", [-1, -9999, -32768])
@pytest.mark.parametrize("declared", [True, False])
def test_minus_1_and_9999_are_unlabelled_whether_it_is_declared_or_not(dtype: str, value: int, declared: bool) -> None:
    unlabelled(by_gdal(holed(dtype, value), **({"nodata": value} if declared else {})))


@pytest.mark.parametrize("value", [np.nan, np.inf, float(np.finfo(np.float32).min), 1e31, -99999.0, 65535.0])
def test_what_floats_hold_where_there_is_no_data_is_unlabelled(value: float) -> None:
    unlabelled(by_gdal(holed("float32", value)))
    unlabelled(by_gdal(holed("float64", value)))


@pytest.mark.parametrize("dtype", ["uint16", "int32", "uint32"])
def test_the_largest_16_bit_number_is_unlabelled(dtype: str) -> None:
    unlabelled(by_gdal(holed(dtype, 65535)))


def test_no_data_0_is_unlabelled_where_the_file_says_so() -> None:
    found, far = read_mask(by_gdal(LABELS.astype(np.uint8)[None], nodata=0), AERIAL)
    np.testing.assert_array_equal(found, np.where(LABELS == 0, AERIAL.ignore_index, LABELS))
    assert far == 0


@pytest.mark.parametrize("nodata", ["-9999", "256", "nan", "0.5"])
def test_a_no_data_value_that_the_type_cannot_hold_takes_no_label_away(nodata: str) -> None:
    found, _ = read_mask(by_tifffile(LABELS.astype(np.uint8), nodata=nodata), AERIAL)
    np.testing.assert_array_equal(found, LABELS)


def test_a_mask_without_any_label_is_read() -> None:
    found, far = read_mask(by_gdal(np.full((1, 8, 9), 255, np.uint8), nodata=255), AERIAL)
    assert (np.unique(found).tolist(), far) == ([AERIAL.ignore_index], 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_that_are_whole_are_indices_and_fractions_are_refused_in_a_sentence(dtype: str) -> None:
    found, _ = read_mask(by_tifffile(LABELS.astype(dtype)), AERIAL)
    np.testing.assert_array_equal(found, LABELS)
    with pytest.raises(
        ImageError, match=r"holds fractions such as [01]\.5, .* with whole numbers, one for each class\.$"
    ):
        read_mask(by_tifffile(LABELS.astype(dtype) / 2), AERIAL)
    # Fractions where nobody labelled do no harm.
    unlabelled(by_gdal(holed(dtype, 0.25), nodata=0.25))


@pytest.mark.parametrize("values", [LABELS - 2, LABELS + 300, LABELS.astype(np.float32) - 2, LABELS * 1e12])
def test_numbers_that_are_no_classes_are_refused_with_their_range(values: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match=r"no class indices \(.* to .*\): a mask has whole numbers from 0 to 255"):
        read_mask(by_gdal(values[None]), AERIAL)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("bits", [1, 8])
def test_grey_masks_are_indices_whichever_end_is_white(photometric: str, bits: int) -> None:
    values = LABELS > 2 if bits == 1 else LABELS.astype(np.uint8)
    np.testing.assert_array_equal(image.read_raw(by_tifffile(values, photometric=photometric)), values)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_may_lack_data_too(bits: int) -> None:
    values = (LABELS % min(5, 2**bits)).astype(np.uint8)
    found, _ = read_mask(by_gdal(values[None], mask=~HOLE, nbits=bits), AERIAL)
    np.testing.assert_array_equal(found, np.where(HOLE, AERIAL.ignore_index, values))


@pytest.mark.parametrize("nodata", [255, 9])
def test_a_palette_and_no_data_go_together(nodata: int) -> None:
    table = {index: (*colour, 255) for index, colour in enumerate(AERIAL.colours)}
    unlabelled(by_gdal_with_palette(holed("uint8", nodata)[0], table, nodata=nodata))


@pytest.mark.parametrize("variant", ["nodata", "mask", "alpha"])
def test_colour_masks_lack_data_as_pictures_do(variant: str) -> None:
    bands = np.moveaxis(to_rgb(LABELS.astype(np.uint8), AERIAL), 2, 0).copy()
    if variant == "nodata":
        bands[:, HOLE] = 255
        data = by_gdal(bands, nodata=255, photometric="RGB")
    elif variant == "mask":
        data = by_gdal(bands, mask=~HOLE, photometric="RGB")
    else:
        data = by_gdal(np.concatenate([bands, np.where(HOLE, 0, 255).astype(np.uint8)[None]]))
    unlabelled(data)


def png(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def palette_png(transparent: int) -> bytes:
    picture = Image.fromarray(np.where(HOLE, transparent, LABELS).astype(np.uint8)).convert("P")
    picture.putdata(np.where(HOLE, transparent, LABELS).ravel().tolist())
    picture.putpalette(np.array(AERIAL.colours, np.uint8).tobytes())
    return png(picture, transparency=transparent)


def with_alpha(values: NDArray[Any]) -> bytes:
    return png(Image.fromarray(np.dstack([values, np.where(HOLE, 0, 255)]).astype(np.uint8)))


PNGS: dict[str, Callable[[], bytes]] = {
    "palette": lambda: palette_png(9),
    "palette, past its end": lambda: palette_png(255),
    "grey": lambda: png(Image.fromarray(holed("uint8", 77)[0]), transparency=77),
    "16-bit grey": lambda: png(Image.fromarray(holed("uint16", 65535)[0])),
    "grey and alpha": lambda: with_alpha(LABELS),
    "colours and alpha": lambda: with_alpha(to_rgb(LABELS.astype(np.uint8), AERIAL)),
}


@pytest.mark.parametrize("kind", PNGS)
def test_what_a_png_hides_is_unlabelled(kind: str) -> None:
    unlabelled(PNGS[kind]())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_mask_is_turned_as_its_picture_is(orientation: int) -> None:
    picture = np.repeat(LABELS[..., None] * 50, 3, axis=2).astype(np.uint8)
    tag = {"extratags": [(274, "H", 1, orientation, True)]}
    shown = image.read_rgb(by_tifffile(picture, photometric="rgb", **tag))
    np.testing.assert_array_equal(image.read_raw(by_tifffile(LABELS.astype(np.uint8), **tag)), shown[..., 0] // 50)


@pytest.mark.parametrize(("height", "width"), [(90, 130), (900, 700)])
@pytest.mark.parametrize("ending", [".tif", ".png"])
def test_masks_that_we_write_are_labels_again(ending: str, height: int, width: int, tmp_path: Path) -> None:
    valid = np.ones((height, width), np.bool_)
    valid[: height // 3, : width // 2] = False
    held = Held(blocks(height, width), valid, PLACE, UTM, 0.5)
    # Black is a class here: no data must not be taken for it.
    classes = ClassMap(("Dark", "Bright", "Nothing"), ((0, 0, 0), (250, 240, 230), (9, 200, 9)), 2)
    model = loaded(Brightness(), classes)
    predict_picture(held, tmp_path / "a", model, Wanted(tif=True), device="cpu", tiling=Tiling(256, 16))
    found, far = read_mask(tmp_path / f"a{ending}", classes)
    np.testing.assert_array_equal(found, np.where(valid, held.rgb[..., 0] > 127, classes.ignore_index))
    assert far == 0


@pytest.mark.parametrize("ending", [".tif", ".png"])
def test_masks_in_other_colours_are_labels_again(ending: str, tmp_path: Path) -> None:
    valid = np.ones((90, 130), np.bool_)
    valid[:30, :50] = False
    classes = ClassMap(("Dark", "Bright", "Nothing"), ((0, 0, 0), (250, 240, 230), (9, 200, 9)), 2)
    held = Held(blocks(), valid, PLACE, UTM, 0.5)
    model = loaded(Brightness(), classes)
    predict_picture(held, tmp_path / "a", model, Wanted(tif=True), device="cpu", tiling=Tiling(64, 16))
    shown = tmp_path / f"shown{ending}"
    recolour(tmp_path / f"a{ending}", shown, [(234, 71, 9), (18, 84, 205)])
    found, far = read_mask(shown, classes)
    np.testing.assert_array_equal(found, np.where(valid, held.rgb[..., 0] > 127, classes.ignore_index))
    assert far == 0


def test_the_cases_of_strangers_are_read(tmp_path: Path) -> None:
    """What QGIS and rasterio write: a byte mask with a no-data tag, and whole numbers as floats."""
    unlabelled(by_gdal(holed("uint8", 255), nodata=255, compress="lzw"))
    path = tmp_path / "mask.tif"
    path.write_bytes(by_gdal(holed("float32", -9999), nodata=-9999, tiled=True, blockxsize=16, blockysize=16))
    unlabelled(path)


def a_png(values: NDArray[np.uint8], bits: int, *, kind: int = 0, key: int | None = None) -> bytes:
    """A grey PNG (H, W) of `bits` a sample, or of colour `kind`; `key` is its transparent value."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = values.shape
    digits = [format(value, f"0{bits}b") + ("1" * bits if kind == 4 else "") for value in values.ravel().tolist()]
    rows = ["".join(digits[at : at + width]) for at in range(0, height * width, width)]
    packed = [int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big") for row in rows]
    hidden = b"" if key is None else chunk(b"tRNS", struct.pack(">H", key))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
        + hidden
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("hides", [False, True])
def test_a_grey_png_holds_its_class_numbers_whatever_its_bits(bits: int, hides: bool) -> None:
    classes = (LABELS % min(5, 2**bits)).astype(np.uint8)
    found = image.read_mask(a_png(classes, bits, key=1 if hides else None))
    labelled = classes != 1 if hides else np.ones(classes.shape, np.bool_)
    np.testing.assert_array_equal(found.values, np.where(labelled, classes, 255))
    np.testing.assert_array_equal(found.labelled if hides else found.labelled is None, labelled if hides else True)


def test_16_bits_beside_transparency_are_refused_and_never_the_first_class() -> None:
    with pytest.raises(ImageError, match="16 bits beside transparency"):
        image.read_mask(a_png(LABELS.astype(np.uint8), 16, kind=4))


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 0), ("uint16", 0), ("int8", 127), ("int32", 0)])
@pytest.mark.parametrize("other", ["mask", "alpha"])
def test_a_no_data_value_counts_beside_a_mask_and_beside_transparency(dtype: str, value: int, other: str) -> None:
    shown = np.ones(LABELS.shape, np.bool_)
    shown[-4:] = False
    labels = np.where(HOLE, value, LABELS + 1).astype(dtype)[None]
    if other == "mask":
        data = by_gdal(labels, nodata=value, mask=shown)
    else:
        full = np.iinfo(dtype).max
        data = by_gdal(
            np.concatenate([labels, np.where(shown, full, 0).astype(dtype)[None]]), nodata=value, ALPHA="YES"
        )
    found = image.read_mask(data)
    assert found.labelled is not None
    np.testing.assert_array_equal(found.labelled & (found.values != 255), shown & ~HOLE)


@pytest.mark.parametrize(("dtype", "value"), [("int64", -(2**63)), ("int64", 2**63 - 1), ("uint64", 2**64 - 1)])
def test_the_ends_of_64_bits_are_no_data(dtype: str, value: int) -> None:
    unlabelled(by_gdal(np.where(HOLE, np.array(value, dtype), LABELS.astype(dtype))[None]))
