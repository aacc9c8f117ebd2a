"""Zips that mean harm, each wrong in one way; made by hand where zipfile would not."""

import io
import stat
import struct
import zipfile
from collections.abc import Iterator

from PIL import Image

from tests.corpus.flat import RGB, encode

PICTURE = encode(Image.fromarray(RGB), "PNG")


def packed(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data, method)
    return buffer.getvalue()


def link() -> bytes:
    info = zipfile.ZipInfo("roof.png")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return packed((info, b"/etc/passwd"))


def flagged(data: bytes, *, flag: int) -> bytes:
    """The same zip with a flag set in every header, as encryption sets it."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = changed.find(mark)
        while at >= 0:
            changed[at + offset] |= flag
            at = changed.find(mark, at + 4)
    return bytes(changed)


def lying(data: bytes, size: int) -> bytes:
    """The same zip whose table of contents says another size than what streams out."""
    changed = bytearray(data)
    at = changed.find(b"PK\1\2")
    changed[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(changed)


def overlapping() -> bytes:
    """Two entries in the table of contents that are one and the same stretch of bytes."""
    data = packed(("a.png", PICTURE))
    at = data.find(b"PK\1\2")
    end = data.find(b"PK\5\6")
    entry = data[at:end]
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, 2 * len(entry))
    return data[:at] + entry * 2 + bytes(tail)


def claiming(entries: int) -> bytes:
    data = bytearray(packed(("a.png", PICTURE)))
    at = data.rfind(b"PK\5\6")
    struct.pack_into("<HH", data, at + 8, entries, entries)
    return bytes(data)


def large_table(entries: int) -> bytes:
    """Entries of a table of contents, each of an empty file with a long name."""
    name = b"a" * 200
    head = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
    return (head + name) * entries


def end(count: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, len(comment)) + comment


def end64(count: int, size: int, offset: int) -> bytes:
    """The end record of ZIP64, and the locator that says where it is: behind the table of contents."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    return record + struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)


def large_tables() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of zips whose tables of contents have 8 MB, told by every record that can tell it."""
    start = packed(("a.png", PICTURE))
    start = start[: start.find(b"PK\1\2")]
    at, count = len(start), 8 * 1024**2 // 246
    table = large_table(count)
    size = len(table)
    yield "plain", start + table + end(0xFFFF - 1, size, at)
    yield "a_count_of_one", start + table + end(1, size, at)
    yield "zip64", start + table + end64(count, size, at) + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    yield "zip64_beside_modest_numbers", start + table + end64(count, size, at) + end(1, 46, at)
    yield "zip64_with_a_count_of_one", start + table + end64(1, size, at) + end(1, 46, at)
    yield "with_a_comment", start + table + end(1, size, at, b"c" * 65_000)
    yield "a_modest_record_in_front", start + end(1, 46, 0) + table + end(1, size, at + 22)
    yield "a_modest_record_as_comment", start + table + end(1, size, at, end(1, 46, at)[:-2])
    yield "behind_other_bytes", start + bytes(1_000_000) + table + end(1, size, at)
    yield "a_size_beyond_the_file", start + table[:246] + end64(1, 2**62, at) + end(1, 46, at)


def hostile() -> Iterator[tuple[str, bytes]]:
    """Name and bytes; every one must be refused as a whole."""
    bomb = PICTURE[:33] + bytes(60_000_000)
    yield "climbs", packed(("../../evil.png", PICTURE))
    yield "climbs_in_windows", packed(("..\\..\\evil.png", PICTURE))
    yield "absolute", packed(("/tmp/evil.png", PICTURE))
    yield "drive", packed(("C:\\evil.png", PICTURE))
    yield "link", link()
    yield "nested", packed(("inner.zip", packed(("a.png", PICTURE))))
    yield "nested_by_another_name", packed(("roof.png", packed(("a.png", PICTURE))))
    yield "encrypted", flagged(packed(("a.png", PICTURE)), flag=1)
    yield "ratio", packed(("a.png", bomb))
    yield "size_lies", lying(packed(("a.png", bomb)), 4000)
    yield "too_many", packed(*((f"{at}.png", b"") for at in range(600)))
    yield "claims_more", claiming(65_535)
    yield "overlaps", overlapping()
    yield "cut_short", packed(("a.png", PICTURE), ("b.png", PICTURE))[:-30]
    yield "bzip2", packed(("a.png", PICTURE), method=zipfile.ZIP_BZIP2)
    yield "lzma", packed(("a.png", PICTURE), method=zipfile.ZIP_LZMA)
    yield "no_picture", packed(("a.txt", b"words"))
    yield "wrong_sum", packed(("a.png", PICTURE), method=zipfile.ZIP_STORED).replace(PICTURE[60:70], bytes(10), 1)
