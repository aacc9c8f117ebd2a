"""Files that mean harm or were harmed: cut short, made up, too large, loops, other formats under our names; seeded."""

import io
import pickle
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.corpus.flat import RGB, encode
from tests.corpus.sample import Sample
from tests.corpus.tiffs import by_gdal, written

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return PNG + header + b"".join(more) + chunk(b"IEND", b"")


def tags(*entries: tuple[int, int, int, int], next_at: int = 0) -> bytes:
    """A TIFF directory: (tag, type, count, value)."""
    return (
        struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHII", *e) for e in entries)
        + struct.pack("<I", next_at)
    )


def tiff(*entries: tuple[int, int, int, int], next_at: int = 0, tail: bytes = b"") -> bytes:
    return b"II*\0" + struct.pack("<I", 8) + tags(*sorted(entries), next_at=next_at) + tail


def basic(
    width: int, height: int, bits: int = 8, samples: int = 1, compression: int = 1, rows: int | None = None
) -> list:
    return [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression), (262, 3, 1, 1),
        (273, 4, 1, 200), (277, 3, 1, samples), (278, 4, 1, rows or height), (279, 4, 1, 64),
    ]  # fmt: skip


def cut_short() -> Iterator[Sample]:
    colour = Image.fromarray(RGB)
    for name, data in (
        ("png", encode(colour, "PNG")), ("jpg", encode(colour, "JPEG")), ("tif", written(RGB, compression="zlib")),
    ):  # fmt: skip
        for share in (0.02, 0.3, 0.7, 0.98):
            yield Sample(f"cut_{share}.{name}", data[: int(len(data) * share)], either=True)
        rng = np.random.default_rng(1)
        for turn in range(3):
            bent = bytearray(data)
            for at in rng.integers(8, len(bent), 40):
                bent[at] = rng.integers(256)
            yield Sample(f"bent_{turn}.{name}", bytes(bent), either=True)


def bombs() -> Iterator[Sample]:
    zeros = zlib.compress(bytes(20_000_000), 9)
    yield Sample("bomb_57_bytes.png", png(60_000, 60_000)[:57])
    yield Sample("wide_as_can_be.png", png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", zeros)))
    yield Sample("too_large.png", png(20_000, 20_000, chunk(b"IDAT", zeros)))
    yield Sample("no_width.png", png(0, 10, chunk(b"IDAT", zlib.compress(b""))))
    many_zeros = zlib.compress(bytes(300_000_000), 9)
    text = chunk(b"zTXt", b"Comment\0\0" + many_zeros)
    yield Sample("text_bomb.png", png(9, 9, text, chunk(b"IDAT", zlib.compress(bytes(9 * 28)))), either=True)
    profile = chunk(b"iCCP", b"p\0\0" + many_zeros)
    yield Sample("profile_bomb.png", png(9, 9, profile, chunk(b"IDAT", zlib.compress(bytes(9 * 28)))), either=True)
    behind = chunk(b"IDAT", many_zeros)
    yield Sample("more_than_it_says.png", png(9, 9, behind), either=True)
    yield Sample("nine_and_nine.png", png(9_999, 9_999, chunk(b"IDAT", zlib.compress(bytes(100)))), either=True)
    jpeg = bytearray(encode(Image.fromarray(RGB), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    yield Sample("too_large.jpg", bytes(jpeg))
    progressive = bytearray(encode(Image.fromarray(RGB), "JPEG", progressive=True))
    scan = progressive[progressive.index(b"\xff\xda") : progressive.rindex(b"\xff\xd9")]
    yield Sample("ten_thousand_scans.jpg", bytes(progressive[:-2] + scan * 10_000 + b"\xff\xd9"), either=True)


def made_up_tiffs() -> Iterator[Sample]:
    yield Sample("head_only.tif", b"II*\0")
    yield Sample("nowhere.tif", b"II*\0" + struct.pack("<I", 0xFFFFFFF0))
    yield Sample("circle.tif", tiff(*basic(9, 9), next_at=8, tail=bytes(400)))
    far = [tags(*basic(9, 9), next_at=8 + 200 * (page + 1)).ljust(200, b"\0") for page in range(3000)]
    yield Sample("pages_without_end.tif", b"II*\0" + struct.pack("<I", 8) + b"".join(far))
    yield Sample("tags_without_end.tif", b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(2000))
    yield Sample("no_picture.tif", tiff((305, 2, 4, 0)))
    yield Sample("too_large.tif", tiff(*basic(2**31 - 1, 2**31 - 1), tail=bytes(400)))
    yield Sample("wraps_around.tif", tiff(*basic(65536, 65537, samples=3), tail=bytes(400)))
    yield Sample("no_height.tif", tiff(*basic(10, 0), tail=bytes(400)))
    yield Sample("a_million_bands.tif", tiff(*basic(10, 10, samples=65535), tail=bytes(400)))
    yield Sample("one_huge_strip.tif", tiff(*basic(40_000, 40_000, compression=8), tail=bytes(400)))
    yield Sample("odd_bits.tif", tiff(*basic(10, 10, bits=77), tail=bytes(400)), either=True)
    yield Sample("unknown_compression.tif", tiff(*basic(10, 10, compression=60_000), tail=bytes(400)))
    yield Sample("raw_sensor.tif", tiff(*[e for e in basic(9, 9) if e[0] != 262], (262, 3, 1, 32803), tail=bytes(400)))
    yield Sample("lab.tif", encode(Image.fromarray(RGB).convert("LAB"), "TIFF"))
    waves = np.exp(1j * RGB[..., :1].astype(np.float32)).astype(np.complex64)
    yield Sample("complex.tif", by_gdal(np.moveaxis(waves, 2, 0)))
    yield Sample("strip_behind_the_end.tif", tiff(*basic(90, 90), tail=bytes(20)), either=True)


class _Canary:
    """What would run if anybody unpickled it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch CANARY",)


def other_formats() -> Iterator[Sample]:
    colour = Image.fromarray(RGB)
    vrt = '<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
    for name, source in (
        ("passwd", "/etc/passwd"),
        ("net", "/vsicurl/http://127.0.0.1:9/x.tif"),
        ("zip", "/vsizip/a.zip/b"),
    ):
        text = f"{vrt}<SourceFilename>{source}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
        yield Sample(f"vrt_{name}.tif", text.encode())
    yield Sample(
        "server.tif", b"<GDAL_WMS><Service name='WMS'><ServerUrl>http://127.0.0.1:9</ServerUrl></Service></GDAL_WMS>"
    )
    yield Sample("drawing.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    yield Sample("page.jpg", b"<!DOCTYPE html><script>fetch('http://127.0.0.1:9')</script>")
    for form in ("GIF", "BMP", "WEBP", "PPM", "TGA", "ICO", "PDF", "EPS", "JPEG2000"):
        yield Sample(f"{form.lower()}.png", encode(colour, form))
    yield Sample("phone.heic.jpg", b"\0\0\0\x18ftypheic" + bytes(100))
    yield Sample("empty.png", b"")
    yield Sample("words.tif", "Grüße aus Dubai".encode())
    yield Sample("noise.jpg", np.random.default_rng(2).bytes(5000))
    yield Sample("pickle.png", pickle.dumps(_Canary()))
    yield Sample("archive.tif", b"PK\3\4" + bytes(60))
    buffer = io.BytesIO()
    np.save(buffer, RGB)
    yield Sample("array.tif", buffer.getvalue())
