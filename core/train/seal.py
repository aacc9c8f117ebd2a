"""A safetensors file that carries the SHA-256 of itself, so that one changed bit anywhere in it is noticed.

The sum stands in the header's metadata. It is that of the whole file with 64 zeros in its own place, so that there is
one file to write and to rename, and none that could belong to another.
"""

import hashlib
import json
from collections.abc import Collection

from safetensors.torch import load
from torch import Tensor

_KEY = "sha256"
_MARK = f'"{_KEY}":"'.encode()
_LENGTH = 64
SEAL = {_KEY: "0" * _LENGTH}
"""The metadata that a file needs before it is sealed."""


def seal(data: bytes) -> bytes:
    """The bytes of a safetensors file with `SEAL` in its metadata → the same with its sum filled in."""
    at = _place(data)
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + _LENGTH :]


def require_whole(data: bytes, *, unsealed: Collection[str] = ()) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a sealed file. Raises `ValueError` when a bit of it is not as it was written.

    A file of before there were seals passes as it is: its metadata has the keys `unsealed` and no other.
    """
    header: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    if set(header) != set(unsealed):
        at = _place(data)
        plain = b"".join((data[:at], b"0" * _LENGTH, data[at + _LENGTH :]))
        if hashlib.sha256(plain).hexdigest().encode() != data[at : at + _LENGTH]:
            raise ValueError("its SHA-256 is not the one it was written with")
    return header, load(data)


def _place(data: bytes) -> int:
    """Where the sum stands. Inside other texts the quotes of `_MARK` would have backslashes before them."""
    at = data.find(_MARK, 8)
    if at < 0:
        raise ValueError("it has no place for a SHA-256")
    return at + len(_MARK)
