"""The directory of a TIFF, read without decoding anything: size, depth, pages. The format: TIFF 6.0 and BigTIFF.

A TIFF is a chain of directories (IFDs), one a page, each a list of tags. A hostile one has loops, chains without end
and sizes that no memory holds; all of that is seen here, before GDAL sees the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from core.errors import ImageError
from core.imagery.limits import CUT, Limits, check_density, check_size

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES = (
    254, 256, 257, 258, 259, 262, 274, 277,
)  # fmt: skip
_STRIP_OFFSETS, _ROWS_PER_STRIP, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA_SAMPLES, _SAMPLE_FORMAT = (
    273, 278, 284, 322, 323, 338, 339,
)  # fmt: skip
_WANTED = {
    _SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _STRIP_OFFSETS,
    _ROWS_PER_STRIP, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA_SAMPLES, _SAMPLE_FORMAT,
}  # fmt: skip
_TELLING = {42112, 42113}
"""GDAL's metadata, the names of bands among them, and its no-data value: texts, of which only is told that they are
there."""
_KINDS = {1: "u", 2: "i", 3: "f"}
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_TAGS = 4096
_MOST_EXTRAS = 64
UNCOMPRESSED = 1
# CIELab, ICCLab, ITULab, colour filter array, LogL, LogLuv.
_UNKNOWN_COLOURS = {8: "Lab", 9: "Lab", 10: "Lab", 32803: "raw sensor", 32844: "LogL", 32845: "LogLuv"}
MIN_IS_WHITE, PALETTE = 0, 3
ASSOCIATED = 1
_EMPTY = "Cut out the part that holds data, or allow it on the command line (predict --huge)."


_Tags = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """The first page: `bits` of a sample, `samples` a pixel, the decoded `block_bytes` of one strip or tile.

    `extras` is what the ExtraSamples tag says of each sample behind the colours: 0 nothing, 1 alpha that the colours
    were multiplied by (`ASSOCIATED`), 2 alpha that they were not. `plain_at` is the byte at which all pixels of a file
    lie one behind the other, as `kind` (a NumPy type) tells their samples, where nothing else in it changes what they
    mean: one page, one strip, no compression, no names, no no-data value. Else it is None.
    """

    width: int
    height: int
    bits: int
    samples: int
    compression: int
    photometric: int
    orientation: int
    block_bytes: int
    pages: int
    extras: tuple[int, ...] = ()
    plain_at: int | None = None
    kind: str = ""

    @property
    def unknown_colours(self) -> str | None:
        """The name of a colour space that is not read, or None."""
        return _UNKNOWN_COLOURS.get(self.photometric)


def read_layout(file: BinaryIO, *, most_pages: int) -> Layout:
    """Walk the directories of a TIFF. Raises `ImageError` whose message is the end of a sentence."""
    file.seek(0, 2)
    size = file.tell()
    try:
        directories = list(_directories(file, size, most_pages))
    except (struct.error, OverflowError, OSError) as error:
        raise ImageError("cannot be read: the TIFF is damaged or cut short.") from error
    if not directories or not {_WIDTH, _HEIGHT} <= directories[0].keys():
        raise ImageError("cannot be read: the TIFF has no picture in it.")
    # Reduced copies (bit 0) and masks (bit 2) of the first page are no pages of their own.
    pages = sum(not tags.get(_SUBFILE, (0,))[0] & 0b101 for tags in directories)
    layout = _layout(directories[0], max(1, pages))
    return layout if len(directories) > 1 else _with_place(layout, directories[0], file, size)


def _with_place(layout: Layout, tags: _Tags, file: BinaryIO, size: int) -> Layout:
    """The layout of a file of one directory, with where its pixels lie if they lie one behind the other."""
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    kind = _KINDS.get(tags.get(_SAMPLE_FORMAT, (1,))[0])
    odd = kind is None or layout.bits % 8 > 0 or layout.compression != UNCOMPRESSED or layout.orientation != 1
    odd = odd or layout.photometric not in (1, 2) or any(layout.extras) or bool(_TELLING & tags.keys())
    apart = _TILE_WIDTH in tags or tags.get(_PLANAR, (1,))[0] != 1
    apart = apart or tags.get(_ROWS_PER_STRIP, (layout.height,))[0] < layout.height
    start = tags.get(_STRIP_OFFSETS, (0,))[0]
    if odd or apart or not start or start + layout.block_bytes > size:
        return layout
    return replace(layout, plain_at=start, kind=f"{order}{kind}{layout.bits // 8}")


def _layout(found: _Tags, pages: int) -> Layout:
    tags = {tag: values[0] for tag, values in found.items()}
    width, height = tags[_WIDTH], tags[_HEIGHT]
    bits, samples = tags.get(_BITS, 1), tags.get(_SAMPLES, 1)
    wide = tags.get(_TILE_WIDTH, width)
    tall = tags.get(_TILE_HEIGHT, min(tags.get(_ROWS_PER_STRIP, height), height))
    together = 1 if tags.get(_PLANAR, 1) == 2 else samples
    return Layout(
        width=width,
        height=height,
        bits=bits,
        samples=samples,
        compression=tags.get(_COMPRESSION, UNCOMPRESSED),
        photometric=tags.get(_PHOTOMETRIC, 1),
        orientation=tags.get(_ORIENTATION, 1),
        block_bytes=wide * tall * together * max(8, bits) // 8,
        pages=pages,
        extras=found.get(_EXTRA_SAMPLES, ()),
    )


def _directories(file: BinaryIO, size: int, most: int) -> Iterator[_Tags]:
    """The tags of each page, in the file's order."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    pointer = order + ("Q" if big else "I")
    (offset,) = struct.unpack(pointer, head[8:16] if big else head[4:8])
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise ImageError("cannot be read: the pages of this TIFF run in a circle.")
        if len(seen) >= most:
            raise ImageError(f"has more than {most} pages: save the one that matters by itself.")
        if offset >= size:
            if seen:
                # A chain that is cut off behind the first page does no harm to it.
                return
            raise ImageError("cannot be read: the TIFF is damaged or cut short.")
        seen.add(offset)
        tags, offset = _directory(file, offset, order, big)
        yield tags


def _directory(file: BinaryIO, offset: int, order: str, big: bool) -> tuple[_Tags, int]:
    count_form, entry_bytes, pointer = ("Q", 20, "Q") if big else ("H", 12, "I")
    file.seek(offset)
    (count,) = struct.unpack(order + count_form, file.read(struct.calcsize(count_form)))
    if count > _MOST_TAGS:
        raise ImageError("cannot be read: the TIFF is damaged or made up.")
    entries = file.read(count * entry_bytes)
    (next_at,) = struct.unpack(order + pointer, file.read(struct.calcsize(pointer)))
    tags: _Tags = {}
    for start in range(0, len(entries), entry_bytes):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        if tag in _TELLING:
            tags[tag] = (1,)
        elif tag in _WANTED and kind in _TYPES:
            most = _MOST_EXTRAS if tag == _EXTRA_SAMPLES else 1
            if values := _values(file, entries[start : start + entry_bytes], order, kind, big, most):
                tags[tag] = values
    return tags, next_at


def _values(file: BinaryIO, entry: bytes, order: str, kind: int, big: bool, most: int) -> tuple[int, ...]:
    """The first `most` numbers of a tag; those that do not fit into the entry stand elsewhere in the file."""
    room, form = (8, "Q") if big else (4, "I")
    (count,) = struct.unpack_from(order + form, entry, 4)
    wanted = min(count, most)
    width = struct.calcsize(_TYPES[kind])
    value = entry[-room:]
    if count * width > room:
        file.seek(struct.unpack(order + form, value)[0])
        value = file.read(wanted * width)
    return struct.unpack_from(f"{order}{wanted}{_TYPES[kind]}", value)


def check_layout(layout: Layout, limits: Limits, size: int) -> None:
    """Raises `ImageError` when a TIFF of `size` bytes is over a limit or of a kind that is not read."""
    wrong = check_size(layout.width, layout.height, limits.pixels, advice=CUT)
    if wrong is None:
        wrong = check_density(layout.width * layout.height, size, limits.pixels_per_byte, advice=_EMPTY)
    if wrong is None and max(layout.width, layout.height) > limits.side:
        wrong = f"is {max(layout.width, layout.height):,} pixels long; at most {limits.side:,} are read. {CUT}"
    if wrong is None and layout.samples > limits.bands:
        wrong = f"has {layout.samples} bands; at most {limits.bands} are read: keep red, green and blue."
    if wrong is None and layout.unknown_colours:
        wrong = f"holds {layout.unknown_colours} colours, which are not read: save it as RGB."
    # GDAL reads uncompressed strips row by row, and every other block in one piece.
    if wrong is None and layout.compression != UNCOMPRESSED and layout.block_bytes > limits.block_bytes:
        wrong = "is stored in pieces too large to be read: save it with tiles (gdal_translate -co TILED=YES)."
    if wrong is not None:
        raise ImageError(wrong)
