"""PNG and JPEG as phones, drones and odd programs write them, made by Pillow; seeded."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

from tests.corpus.sample import Sample, ground

RGB = ground()
GREY = np.asarray(Image.fromarray(RGB).convert("L"))
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def seen(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))


def pngs() -> Iterator[Sample]:
    colour = Image.fromarray(RGB)
    for mode in ("RGB", "L", "1"):
        yield Sample(f"{mode.lower()}.png", encode(colour.convert(mode), "PNG"), seen(colour.convert(mode)))
    for bits in (8, 4, 2, 1):
        few = colour.quantize(2**bits)
        yield Sample(f"palette_{bits}_bit.png", encode(few, "PNG", bits=bits), seen(few))
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:20] = 0
    alpha[20:40] = 128
    rgba = Image.fromarray(np.dstack([RGB, alpha]))
    yield Sample("alpha.png", encode(rgba, "PNG"), RGB)
    yield Sample("grey_alpha.png", encode(rgba.convert("LA"), "PNG"), seen(colour.convert("L")))
    invisible = Image.fromarray(np.dstack([RGB, np.zeros_like(alpha)]))
    yield Sample("invisible.png", encode(invisible, "PNG"), RGB, note="transparent")
    few = colour.quantize(64)
    yield Sample("palette_transparent.png", encode(few, "PNG", transparency=3), seen(few))
    yield Sample("key_colour.png", encode(colour, "PNG", transparency=(1, 2, 3)), RGB)
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    yield Sample("grey_16_bit.png", encode(deep, "PNG"), np.dstack([GREY] * 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    yield Sample("turned.png", encode(Image.fromarray(np.rot90(RGB, 1).copy()), "PNG", exif=exif), RGB)
    frames = [Image.fromarray(ground(seed)) for seed in (5, 6)]
    yield Sample("moving.png", encode(colour, "PNG", save_all=True, append_images=frames), RGB, note="3 pictures")
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "<script>alert(1)</script>" * 200, zip=True)
    yield Sample("with_text.png", encode(colour, "PNG", pnginfo=words), RGB)
    yield Sample("one_pixel.png", encode(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"), np.full((1, 1, 3), (9, 8, 7)))
    line = ground(3, height=20, width=2000)[:1]
    yield Sample("one_row.png", encode(Image.fromarray(line), "PNG"), line)
    yield Sample("jpeg_by_name.jpg", encode(colour, "PNG"), RGB)


def jpegs() -> Iterator[Sample]:
    colour = Image.fromarray(RGB)
    yield Sample("plain.jpg", encode(colour, "JPEG", quality=92), RGB)
    yield Sample("progressive.jpg", encode(colour, "JPEG", quality=92, progressive=True), RGB)
    yield Sample("full_colour.jpg", encode(colour, "JPEG", quality=92, subsampling=0), RGB)
    yield Sample("grey.jpg", encode(colour.convert("L"), "JPEG", quality=92), np.dstack([GREY] * 3))
    inks = colour.convert("CMYK")
    yield Sample("cmyk.jpg", encode(inks, "JPEG", quality=92), seen(inks))
    for orientation, turn in TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(turn(RGB)))
        yield Sample(f"turned_{orientation}.jpg", encode(stored, "JPEG", quality=92, exif=exif), RGB)
    pair = encode(colour, "MPO", save_all=True, append_images=[Image.fromarray(ground(4))], quality=92)
    yield Sample("two_lenses.jpg", pair, RGB, note="2 pictures")
    plain = encode(colour, "JPEG", quality=92)
    yield Sample("junk_behind.jpg", plain + b"PK\3\4" + bytes(500), RGB)
    nonsense = encode(colour, "JPEG", quality=92, exif=b"Exif\0\0" + bytes(range(200)))
    yield Sample("nonsense_exif.jpg", nonsense, RGB)
    yield Sample("png_by_name.png", plain, RGB)
