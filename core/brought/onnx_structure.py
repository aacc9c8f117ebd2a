"""An ONNX file without its weights: what tells how large each value of the graph is, in little memory. Pure Python."""

import mmap
from collections.abc import Iterator
from pathlib import Path

from core.brought.protobuf import BYTES, VARINT, Fields, WireField

_GRAPH, _INITIALIZER = 7, 5
_DATA, _ELSEWHERE = (4, 5, 9, 10), (13, 14)
"""Fields of a tensor: its numbers in four ways, and where they lie in another file."""
_LARGEST = 4096
"""In bytes: the numbers of a tensor that tells a shape are fewer."""


def structure_of(path: Path) -> bytes:
    """The file's graph with the types and shapes of its weights, and without their numbers.

    Args:
        path: Of an ONNX file that `core.brought.onnx_graph.read_graph` has read.

    Returns:
        A serialised model. Small tensors keep their numbers, because shapes are worked out with them.

    Raises:
        ModelError: The file is damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _Writer(data).model()


class _Writer:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._fields = data, Fields(data)

    def model(self) -> bytes:
        return b"".join(self._model())

    def _model(self) -> Iterator[bytes]:
        for item in self._fields.of(0, len(self._data)):
            inner = b"".join(self._graph(item)) if item.number == _GRAPH and item.kind == BYTES else None
            yield self._copied(item, inner)

    def _graph(self, graph: WireField) -> Iterator[bytes]:
        for item in self._fields.of(graph.start, graph.end):
            inner = b"".join(self._tensor(item)) if item.number == _INITIALIZER and item.kind == BYTES else None
            yield self._copied(item, inner)

    def _tensor(self, tensor: WireField) -> Iterator[bytes]:
        large = tensor.end - tensor.start > _LARGEST
        for item in self._fields.of(tensor.start, tensor.end):
            if item.number not in _ELSEWHERE and not (large and item.number in _DATA):
                yield self._copied(item, None)

    def _copied(self, item: WireField, inner: bytes | None) -> bytes:
        """A field as it is, or with other content."""
        tag = varint(item.number << 3 | item.kind)
        if item.kind == VARINT:
            return tag + varint(item.value)
        content = self._data[item.start : item.end] if inner is None else inner
        return tag + (varint(len(content)) if item.kind == BYTES else b"") + content


def varint(number: int) -> bytes:
    """A number of 0 or more as protocol buffers write it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
