"""TIFF and GeoTIFF of every depth and layout, most made by tifffile, which shares no code with GDAL; seeded."""

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import rasterio
import tifffile
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import MemoryFile

from tests.corpus.flat import GREY, RGB, encode, seen
from tests.corpus.sample import Sample, ground

CUBE = RGB.astype(np.float64)


def written(values: NDArray[np.generic], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def by_gdal(bands: NDArray[np.generic], **options: Any) -> bytes:
    names, mask = options.pop("names", None), options.pop("mask", None)
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        warnings.simplefilter("ignore")
        with memory.open(driver="GTiff", **shape, **options) as file:
            file.write(bands)
            if names:
                file.descriptions = names
            if mask is not None:
                file.write_mask(mask)
        return bytes(memory.read())


def stretched(values: NDArray[np.generic], valid: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """The rule of core/imagery/colours.py, said once more in numpy: 2nd to 98th percentile of what holds data."""
    real = values.astype(np.float64)
    known = np.isfinite(real) if valid is None else np.isfinite(real) & valid[..., None]
    low, high = np.percentile(real[known], [2, 98])
    scaled = np.clip((np.nan_to_num(real) - low) / (high - low), 0, 1) * 255
    return np.where(known, np.round(scaled), 0).astype(np.uint8)


def layouts() -> Iterator[Sample]:
    yield Sample("plain.tif", written(RGB, photometric="rgb"), RGB)
    yield Sample("motorola.tif", written(RGB, photometric="rgb", byteorder=">"), RGB)
    yield Sample("bigtiff.tif", written(RGB, photometric="rgb", bigtiff=True), RGB)
    yield Sample("tiled.tif", written(RGB, photometric="rgb", tile=(32, 32)), RGB)
    yield Sample("deflated.tif", written(RGB, photometric="rgb", compression="zlib"), RGB)
    yield Sample("strips.tif", written(RGB, photometric="rgb", rowsperstrip=5), RGB)
    planes = np.moveaxis(RGB, 2, 0).copy()
    yield Sample("planes.tif", written(planes, photometric="rgb", planarconfig="separate"), RGB)
    pages = [RGB, ground(7), ground(8)]
    yield Sample("pages.tif", written(np.stack(pages), photometric="rgb"), RGB, note="3 pages")
    for compression in ("LZW", "PACKBITS", "ZSTD", "LERC"):
        yield Sample(f"{compression.lower()}.tif", by_gdal(planes, photometric="RGB", compress=compression), RGB)
    jpeg = by_gdal(
        planes, photometric="YCBCR", compress="JPEG", jpeg_quality=92, tiled=True, blockxsize=32, blockysize=32
    )
    yield Sample("jpeg_inside.tif", jpeg, RGB)
    turned = encode(Image.fromarray(np.ascontiguousarray(np.rot90(RGB, 1))), "TIFF", tiffinfo={274: 6})
    yield Sample("turned.tif", turned, RGB)


def depths() -> Iterator[Sample]:
    grey = np.dstack([GREY] * 3)
    yield Sample("grey.tif", written(GREY), grey)
    yield Sample("white_is_zero.tif", written(255 - GREY, photometric="miniswhite"), grey)
    bits = Image.fromarray(RGB).convert("1")
    yield Sample("one_bit.tif", encode(bits, "TIFF"), seen(bits))
    nibbles = (GREY // 16)[None]
    yield Sample("four_bits.tif", by_gdal(nibbles, nbits=4), np.dstack([GREY // 16 * 17] * 3))
    few = Image.fromarray(RGB).quantize(200)
    yield Sample("palette.tif", encode(few, "TIFF"), seen(few))
    inks = Image.fromarray(RGB).convert("CMYK")
    yield Sample("cmyk.tif", encode(inks, "TIFF"), seen(inks))
    for kind, scale, offset in (
        ("uint16", 12, 300), ("int16", 20, -1500), ("uint32", 9000, 7), ("int32", 900, -70_000),
        ("float32", 0.002, -0.1), ("float64", 1e6, 0),
    ):  # fmt: skip
        values = (CUBE * scale + offset).astype(kind)
        yield Sample(f"{kind}.tif", written(values, photometric="rgb"), stretched(values))
    small = (CUBE / 2 - 60).astype(np.int8)
    yield Sample("int8.tif", by_gdal(np.moveaxis(small, 2, 0)), stretched(small))
    bytes_in_words = RGB.astype(np.uint16)
    yield Sample("bytes_in_words.tif", written(bytes_in_words, photometric="rgb"), RGB)


def holes() -> Iterator[Sample]:
    valid = np.ones(GREY.shape, np.bool_)
    valid[:30, :50] = False
    floats = (CUBE / 255).astype(np.float32)
    floats[~valid] = np.nan
    yield Sample("nan.tif", written(floats, photometric="rgb"), stretched(floats))
    words = (CUBE * 9 + 50).astype(np.uint16)
    words[~valid] = 65535
    bands = np.moveaxis(words, 2, 0)
    yield Sample("nodata.tif", by_gdal(bands, nodata=65535, photometric="RGB"), stretched(words, valid))
    masked = by_gdal(np.moveaxis(RGB, 2, 0), photometric="RGB", mask=valid)
    yield Sample("mask_inside.tif", masked, np.where(valid[..., None], RGB, 0))
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    alpha[60:] = 128
    whole = written(np.dstack([RGB, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    yield Sample("alpha.tif", whole, np.where(valid[..., None], RGB, 0))
    times = np.round(CUBE * (alpha[..., None] / 255)).astype(np.uint8)
    multiplied = written(np.dstack([times, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    yield Sample("premultiplied.tif", multiplied, np.where(valid[..., None], RGB, 0))
    share = alpha / 255
    for kind, full in (("uint16", 65535), ("int16", 32767), ("float32", 1)):
        deep = (CUBE / 255 * full).astype(kind)
        parts = [CUBE / 255 * share[..., None] * full, share * full]
        multiplied = written(np.dstack(parts).astype(kind), photometric="rgb", extrasamples=["assocalpha"])
        yield Sample(f"premultiplied_{kind}.tif", multiplied, stretched(deep, valid), note="Transparency hides")
    inside = np.zeros((3, 2100, 2100), np.uint16)
    inside[:, 1000 : 1000 + valid.shape[0], 700 : 700 + valid.shape[1]] = np.moveaxis(CUBE * 9 + 50, 2, 0)
    truth = np.where((inside > 0).all(axis=0)[..., None], stretched(np.moveaxis(inside, 0, 2), inside[0] > 0), 0)
    empty = by_gdal(inside, nodata=0, photometric="RGB", tiled=True, compress="DEFLATE", SPARSE_OK=True)
    yield Sample("nearly_empty.tif", empty, truth.astype(np.uint8), note=f"of {valid.size:,} pixels")


def bands() -> Iterator[Sample]:
    near = ground(9)[..., :1]
    four = np.moveaxis(np.dstack([RGB[..., ::-1], near]), 2, 0)
    names = ("Blue", "Green", "Red", "NIR")
    yield Sample("bgr_nir.tif", by_gdal(four, names=names, photometric="MINISBLACK"), RGB, note="as their names say")
    sentinel = ("B02 (490 nm)", "B03 (560 nm)", "B04 (665 nm)", "B08 (842 nm)")
    yield Sample(
        "sentinel.tif", by_gdal(four, names=sentinel, photometric="MINISBLACK"), RGB, note="as their names say"
    )
    yield Sample("unnamed.tif", by_gdal(four, photometric="MINISBLACK"), RGB[..., ::-1], note="None of its 4 bands")
    edge = np.concatenate([four[:3], four[3:], four[3:] // 2])
    edges = by_gdal(edge, names=("Blue", "Green", "Red", "Red edge", "NIR"), photometric="MINISBLACK")
    yield Sample("red_edge.tif", edges, RGB, note="as their names say")
    marked = by_gdal(np.moveaxis(np.dstack([RGB, near]), 2, 0))
    yield Sample("near_infrared_as_alpha.tif", marked, RGB, note="varies like a colour")
    two = by_gdal(np.stack([GREY, near[..., 0]]), photometric="MINISBLACK")
    yield Sample("two_bands.tif", two, np.dstack([GREY] * 3))
    place = {"crs": "EPSG:32640", "transform": rasterio.Affine(0.3, 0, 327150, 0, -0.3, 2783400)}
    yield Sample("placed.tif", by_gdal(np.moveaxis(RGB, 2, 0), photometric="RGB", **place), RGB)
