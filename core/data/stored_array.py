"""Pictures and masks that stay on the disk: of a file whose pixels lie one behind the other, windows are read.

That is how an import stores the blocks of a large picture (`core.data.cut_blocks`). Nothing is decoded, so a file that
a visitor brought can do no harm here, and no more than the window is in memory.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.band_set import BandSet
from core.errors import DataError, ImageError
from core.imagery.sniff import FIRST_BYTES, picture_kind
from core.imagery.tiffs import read_layout

Window = tuple[slice, slice]
"""Rows and columns."""
_LARGEST_NUMBER = 1e30
_UNTOLD = -9999


class Raster(Protocol):
    """A picture (H, W, C) or mask (H, W): an array in memory, or a `StoredArray`. `np.asarray` gives all of it."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, key: Any, /) -> Any: ...

    def __array__(self, dtype: Any = None, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, of which windows are read.

    Attributes:
        path: the file.
        offset: of its first byte.
        stored: (H, W, C) or (H, W), as it is stored.
        kind: type of the stored values, as NumPy names it.
        channels: which of the stored ones, in which order; empty: all, as they are.
        table: uint8 (256,) as bytes: what each value of a mask becomes; empty: as it is.
    """

    path: Path
    offset: int
    stored: tuple[int, ...]
    kind: str
    channels: tuple[int, ...] = ()
    table: bytes = b""

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.stored[:2], len(self.channels)) if self.channels else self.stored

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what a window gives: always the byte order of this machine."""
        return np.dtype(self.kind).newbyteorder("=")

    def __getitem__(self, window: Window) -> NDArray[Any]:
        """A copy of a window. Raises `DataError` where the file is gone or cut short."""
        try:
            # Mapped anew for each window: a mapping that stays would hold a file open, and count as memory.
            mapped = np.memmap(self.path, self.kind, "r", self.offset, self.stored)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path.name} is gone or cut short: import the dataset again.") from error
        found = np.array(mapped[window], self.dtype)
        if found.dtype.kind == "f":
            _blank_without_data(found)
        if self.table:
            found = np.frombuffer(self.table, np.uint8)[found]
        return np.ascontiguousarray(found[..., list(self.channels)]) if self.channels else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self[slice(None), slice(None)]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def only(self, channels: tuple[int, ...]) -> "StoredArray":
        """Some of its channels, in this order."""
        return replace(self, channels=tuple(self.channels[at] if self.channels else at for at in channels))

    def mapped(self, table: NDArray[np.uint8]) -> "StoredArray":
        """The same mask with other values.

        Args:
            table: What each value becomes, uint8 (256,).
        """
        return replace(self, table=table.tobytes())


def stored_picture(path: Path, bands: BandSet) -> StoredArray | None:
    """A picture of these bands, as `core.image.read_bands` gives it, where it can stay on the disk; else None."""
    found = _stored(path)
    if found is None or found.shape[2] != len(bands) or found.dtype != np.dtype(bands.depth):
        return None
    return found


def stored_mask(path: Path) -> StoredArray | None:
    """A mask of 8-bit numbers that can stay on the disk; else None."""
    found = _stored(path)
    if found is None or found.shape[2] != 1 or found.dtype != np.uint8:
        return None
    return replace(found, stored=found.stored[:2])


def _stored(path: Path) -> StoredArray | None:
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ImageError):
        # Whoever decodes it says what is wrong.
        return None


@lru_cache(maxsize=4096)
def _read(path: Path, _: int) -> StoredArray | None:
    with path.open("rb") as file:
        if picture_kind(file.read(FIRST_BYTES)) != "TIFF":
            return None
        layout = read_layout(file, most_pages=1)
    if layout.plain_at is None:
        return None
    return StoredArray(path, layout.plain_at, (layout.height, layout.width, layout.samples), layout.kind)


def _blank_without_data(values: NDArray[Any]) -> None:
    """Put 0 into all bands where one is no number, or all are -9999, as in `core.imagery.pixels`."""
    lacking = ~(np.abs(values) < _LARGEST_NUMBER).all(axis=2) | (values == _UNTOLD).all(axis=2)
    values[lacking] = 0
