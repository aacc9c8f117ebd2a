"""The bands of a file as numbers, of their own depth, for models that are trained on them; windows of a TIFF.

Which band of a TIFF is which: as its descriptions say, where they name all that are wanted, else their order, where
there are as many. Nothing is stretched. What holds no data (`core.imagery.pixels`) is 0 in all bands.
"""

import io
import re
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from core import geo
from core.band_set import DEPTHS, RGB, BandSet
from core.errors import ImageError
from core.imagery.band_names import named_bands
from core.imagery.bands import choose_bands, judge_alpha
from core.imagery.decode import open_here
from core.imagery.flat import DAMAGE, FORMATS, upright
from core.imagery.limits import Limits
from core.imagery.pixels import Pixels
from core.imagery.sniff import FIRST_BYTES, picture_kind
from core.imagery.tiff_picture import DAMAGED, open_tiff, settings, turn, turned
from core.imagery.tiffs import Layout, check_layout, read_layout

_AT_ONCE = 75_000_000
"""Values of a picture that is read in one piece, so that some of its pixels are what they are."""


def read_bands(source: Path | bytes, bands: BandSet, *, limits: Limits, whose: str = "its dataset") -> NDArray[Any]:
    """A whole picture as numbers, turned upright as its orientation says.

    Args:
        source: A TIFF, or, for one band or three, a PNG or JPEG; a file or its bytes.
        bands: Which ones, and of which type.
        limits: On bytes, pixels, bands and pages.
        whose: Who takes these bands, in a refusal.

    Returns:
        (H, W, C) in the type of `bands`.

    Raises:
        ImageError: It is refused. The message is the end of a sentence that starts with the name of the file.
    """
    first = source[:FIRST_BYTES] if isinstance(source, bytes) else _first(source)
    if picture_kind(first) != "TIFF":
        return _flat(source, bands, limits, whose)
    with BandFile(source, bands, limits=limits, whose=whose) as whole:
        found = whole.read(0, 0, whole.height, whole.width)
        return np.ascontiguousarray(turn(found, whole.orientation))


class BandFile:
    """An open TIFF, read window by window as it is stored. Raises `ImageError` whose message is the end of a sentence.

    `orientation` is from 1 to 8: how `turn` makes it upright. `numbers` are those of the bands, from 1.
    """

    def __init__(self, source: Path | bytes, bands: BandSet, *, limits: Limits, whose: str = "its dataset") -> None:
        with ExitStack() as opened:
            with geo.calls(DAMAGED, ImageError), settings(), warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                layout = self._layout(source, limits)
                held = opened.enter_context(MemoryFile(source)) if isinstance(source, bytes) else source
                file = opened.enter_context(open_tiff(held))
                numbers = _numbers(file, bands, whose)
                _check_depth(file, numbers, bands, whose)
                self.numbers = tuple(numbers)
                chosen, alpha_full = judge_alpha(file, choose_bands(file, layout, tuple(numbers)))
                self._pixels = Pixels(file, chosen, alpha_full=alpha_full)
                self.orientation = turned(file, layout)
                self.height, self.width = int(file.height), int(file.width)
            # What was refused is closed; what was opened stays so.
            self._open = opened.pop_all()
        self._depth = np.dtype(bands.depth)

    def read(self, y: int, x: int, height: int, width: int) -> NDArray[Any]:
        """A window inside the file.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            (H, W, C) in the type of the bands, 0 where there is no data.

        Raises:
            ImageError: The file is damaged there.
        """
        return self.read_known(y, x, height, width)[0]

    def read_known(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """The same, and where it holds data.

        Returns:
            What `read` gives, and which pixels hold data, boolean (H, W); None: all.
        """
        with geo.calls(DAMAGED, ImageError), settings():
            values, valid = self._pixels.read(Window(x, y, width, height))
        found = np.ascontiguousarray(np.moveaxis(values, 0, 2)).astype(self._depth, copy=False)
        if not self._pixels.may_lack_data or valid.all():
            return found, None
        found[~valid] = 0
        return found, valid

    def thinned(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[Any]:
        """Some of its pixels as they are stored, or what an overview of the file shows in their place.

        Args:
            rows: Which, (h,), evenly spread over all.
            columns: Which, (w,), the same.

        Returns:
            (h, w, C) in the type of the bands, 0 where there is no data.

        Raises:
            ImageError: The file is damaged.
        """
        few = self.height * self.width * len(self.numbers) <= _AT_ONCE
        whole = Window(0, 0, self.width, self.height)
        with geo.calls(DAMAGED, ImageError), settings():
            values, valid = self._pixels.read(whole, None if few else (len(rows), len(columns)))
        if few:
            values, valid = values[:, rows[:, None], columns], valid[rows[:, None], columns]
        found = np.ascontiguousarray(np.moveaxis(values, 0, 2)).astype(self._depth, copy=False)
        found[~valid] = 0
        return found

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> "BandFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _layout(source: Path | bytes, limits: Limits) -> Layout:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stored:
            size = stored.seek(0, 2)
            stored.seek(0)
            layout = read_layout(stored, most_pages=limits.pages)
        check_layout(layout, limits, size)
        return layout


def _first(path: Path) -> bytes:
    try:
        with path.open("rb") as stored:
            return stored.read(FIRST_BYTES)
    except OSError as error:
        raise ImageError(f"cannot be opened ({error.strerror or error}): check the path and its rights.") from error


def _numbers(file: DatasetReader, bands: BandSet, whose: str) -> list[int]:
    """The numbers, from 1, of the wanted bands of a file."""
    described = [_plain(text or "") for text in file.descriptions]
    colours = named_bands(file.descriptions)
    by_name = []
    for name in bands.names:
        if described.count(_plain(name)) == 1:
            by_name.append(described.index(_plain(name)) + 1)
        elif name in RGB and name in colours:
            by_name.append(colours[name])
    if len(by_name) == len(bands) == len(set(by_name)):
        return by_name
    numbers = list(range(1, file.count + 1))
    if len(numbers) == len(bands) + 1 and "alpha" in [meaning.name for meaning in file.colorinterp]:
        numbers.pop([meaning.name for meaning in file.colorinterp].index("alpha"))
    if len(numbers) == len(bands):
        return numbers
    remedy = "write all its bands into dataset.toml in their order"
    if whose != "its dataset":
        remedy = f"bring a picture with {'this band' if len(bands) == 1 else 'these bands'} alone, in this order"
    raise ImageError(
        f"has {file.count} bands, whose names do not tell {bands} apart, which {whose} takes: name them in the file, "
        f"or {remedy}."
    )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _check_depth(file: DatasetReader, numbers: list[int], bands: BandSet, whose: str) -> None:
    kinds = {file.dtypes[number - 1] for number in numbers}
    if any(np.dtype(kind).kind == "c" for kind in kinds):
        raise ImageError("holds complex numbers, which no model takes: export it with real values.")
    if bands.depth == "float32" or kinds == {bands.depth}:
        return
    held = ", ".join(sorted(kinds))
    wanted = held if held in DEPTHS else "float32"
    remedy = f", or write depth = {wanted!r} there" if whose == "its dataset" else ""
    raise ImageError(f"holds {held} values, and {whose} takes {bands.depth}: convert it{remedy}.")


def _flat(source: Path | bytes, bands: BandSet, limits: Limits, whose: str) -> NDArray[Any]:
    """A PNG or JPEG: its colours as three bands, or as one where all are equal; a 16-bit grey as it is stored."""
    if len(bands) not in (1, 3):
        raise ImageError(f"is no TIFF, so it cannot hold the bands {bands} that {whose} takes: save it as a GeoTIFF.")
    if bands.depth == "uint16":
        return _deep_grey(source, bands, whose)
    picture = open_here(source, limits=limits)
    try:
        colours, _ = picture.read(0, 0, picture.info.height, picture.info.width)
    finally:
        picture.close()
    if len(bands) == 1:
        if not (colours == colours[..., :1]).all():
            raise ImageError(f"is in colours, and {whose} has the one band {bands}: save it in grey.")
        found = colours[..., :1]
    else:
        order = [RGB.index(name) for name in bands.names] if set(bands.names) == set(RGB) else [0, 1, 2]
        found = colours[..., order]
    return np.ascontiguousarray(found).astype(bands.depth)


def _deep_grey(source: Path | bytes, bands: BandSet, whose: str) -> NDArray[Any]:
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as stored:
            picture = upright(source, stored)
            values = np.asarray(picture) if picture.mode.startswith("I") else None
    except DAMAGE as error:
        raise ImageError("cannot be read: it is damaged or cut short.") from error
    if values is None or len(bands) != 1:
        raise ImageError(f"holds 8-bit values, and {whose} takes {bands.depth}: save it as a TIFF of that depth.")
    return np.ascontiguousarray(values[..., None]).astype(np.uint16)
