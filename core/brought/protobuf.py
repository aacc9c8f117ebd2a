"""The wire format of protocol buffers over a memory-mapped file: fields are found, none is copied, and few are counted.

A library would read the whole file into memory, and believe what it says about its own size. Here a field that is not
asked for costs nothing, whatever its length, and a message may have so many fields (`Fields`).
Reference: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from core.errors import ModelError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MOST_FIELDS = 3_000_000
_LONGEST_TEXT = 1_000_000
_DAMAGED = "The file is damaged, or no ONNX model: export it anew."


class WireField(NamedTuple):
    """A field: its number, its wire type, and its value (a number) or where its bytes lie, from `start` to `end`."""

    number: int
    kind: int
    value: int
    start: int
    end: int


class Fields:
    """Reads messages of one file; raises `ModelError` where the file is damaged, or has too many fields."""

    def __init__(self, data: mmap | bytes, *, most: int = _MOST_FIELDS) -> None:
        self._data = data
        self._left = most

    def __len__(self) -> int:
        return len(self._data)

    def of(self, start: int, end: int) -> Iterator[WireField]:
        """The fields of the message that lies from `start` to `end`."""
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise ModelError("The model has too many parts to be read: simplify it (onnxsim), or export it anew.")
            tag, at = self.varint(at, end)
            number, kind, value, begin = tag >> 3, tag & 7, 0, at
            if kind == VARINT:
                value, at = self.varint(at, end)
            elif kind == BYTES:
                length, begin = self.varint(at, end)
                at = begin + length
            elif kind in (FIXED32, FIXED64):
                at += 4 if kind == FIXED32 else 8
            else:
                raise ModelError(_DAMAGED)
            if not number or at > end:
                raise ModelError(_DAMAGED)
            yield WireField(number, kind, value, begin, at)

    def text(self, field: WireField) -> str:
        """A field of text. What is no UTF-8 is replaced."""
        if field.kind != BYTES or field.end - field.start > _LONGEST_TEXT:
            raise ModelError(_DAMAGED)
        return bytes(self._data[field.start : field.end]).decode("utf-8", errors="replace")

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """The number that begins at `at`, and where it ends."""
        value = shift = 0
        while at < end and shift < 70:
            byte = self._data[at]
            value |= (byte & 0x7F) << shift
            at += 1
            if byte < 0x80:
                return value, at
            shift += 7
        raise ModelError(_DAMAGED)


def signed(value: int) -> int:
    """A varint as the signed number of 64 bits that it stands for."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value
