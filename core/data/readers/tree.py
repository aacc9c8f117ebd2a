"""The files of a source, listed once. A name inside a file of a person leads to one of these files or to nothing."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from core import image
from core.data.folder import Pair, Read
from core.data.opened import called, is_file_inside, is_inside
from core.data.readers.source import Labels
from core.errors import DataError, DatasetNotFoundError, ImageError
from core.files import size_text
from core.imagery.border import Border, find_border
from core.imagery.confined_picture import ConfinedPicture
from core.imagery.decode import open_here
from core.imagery.labels import StoredMask
from core.imagery.limits import MEGABYTE, Info, Limits, Transform
from core.imagery.sniff import FIRST_BYTES, check_one_mask, is_large_tiff, picture_kind
from core.out_of_memory import lacking, out_of_memory_as

if TYPE_CHECKING:
    from core.imagery.flat import FlatPicture
    from core.imagery.mask_file import MaskFile
    from core.imagery.tiff_picture import TiffPicture

MOST_FILES = 200_000
MOST_DEPTH = 16
MOST_TEXT_BYTES = 300 * MEGABYTE
MOST_SETTINGS_BYTES = MEGABYTE
MOST_YAML_BYTES = 100_000
"""YAML is slow to read: a megabyte takes half a minute."""
OTHER_PICTURES = (".bmp", ".gif", ".webp", ".jp2", ".heic", ".avif", ".ppm", ".pgm", ".tga")
"""Endings of pictures that are not read, so that a person is told of them."""
_WHOLE_PIXELS = 25_000_000
_PROBED = 50
MOST_CODE = 65_534
_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", *OTHER_PICTURES)


class Tree:
    """The files below a folder, hidden ones and those that archives leave behind left out.

    Args:
        root: the folder.
        opened: where a visitor named it, the folder that everything must lie below, links followed.
        decoder: reads its pictures and masks.

    Raises:
        DatasetNotFoundError: it is no folder, cannot be read, or holds too much.
    """

    def __init__(self, root: Path, *, opened: Path | None = None, decoder: "Decoder | None" = None) -> None:
        self.decoder = decoder or Decoder()
        self._documents: dict[Path, Any] = {}
        self.root, self._opened, self._count = root, opened, 0
        if not is_inside(root, opened) or not root.is_dir():
            raise DatasetNotFoundError(f"There is no folder {root if opened is None else 'there'}: check the path.")
        try:
            self.files = sorted(self._walk(root, 0, set()), key=lambda path: natural(self.relative(path)))
        except OSError as error:
            raise DatasetNotFoundError(f"{called(root, opened)} cannot be read: check its permissions.") from error

    def relative(self, path: Path) -> str:
        """A file as it is called below the root, with slashes."""
        return path.relative_to(self.root).as_posix()

    @cached_property
    def pictures(self) -> list[Path]:
        """PNG, JPEG and TIFF by their first bytes, and what the name says to be a picture."""
        return [path for path in self.files if path.suffix.lower() in _ENDINGS or _is_picture(path)]

    def ending(self, *endings: str) -> list[Path]:
        """Files with one of these endings, in small or capital letters."""
        return [path for path in self.files if path.name.lower().endswith(endings)]

    def largest(self, *endings: str) -> list[Path]:
        """Files with one of these endings, the largest first, and no more than `_PROBED`."""
        return sorted(self.ending(*endings), key=lambda path: -path.stat().st_size)[:_PROBED]

    def document(self, path: Path) -> Any:
        """What a JSON or YAML file holds, read once; None where it holds neither."""
        if path not in self._documents:
            try:
                self._documents[path] = read_yaml(path) if path.suffix.lower() in (".yaml", ".yml") else read_json(path)
            except DataError:
                self._documents[path] = None
        return self._documents[path]

    def find(self, name: str, *, near: Path | None = None, stem: bool = False) -> Path | None:
        """The picture that a name inside a file means: the one whose path ends as the name does, or the nearest.

        Args:
            name: as it is written: a path of any machine, an address, or a bare name.
            near: a file of the source; of several the one that shares most folders with it is taken.
            stem: whether the ending does not count.

        Returns:
            A picture of the source, or None. Label Studio puts eight digits and a hyphen before the names of uploads,
            and names files of its server's own disk behind `?d=`: both are seen through.
        """
        parts = _parts(name.rpartition("?d=")[2])
        if not parts:
            return None
        return self._find(parts, near, stem) or self._find([*parts[:-1], uploaded(parts[-1])], near, stem)

    def _find(self, parts: list[str], near: Path | None, stem: bool) -> Path | None:
        known = self._by_stem if stem else self._by_name
        last = PurePosixPath(parts[-1]).stem if stem else parts[-1]
        there = known.get(last.lower(), [])
        if not there:
            return None
        return max(there, key=lambda path: (_common_end(path, parts, stem), _common_start(path, near)))

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _grouped(self.pictures, lambda path: path.name)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        return _grouped(self.pictures, lambda path: path.stem)

    def _walk(self, folder: Path, depth: int, seen: set[str]) -> Iterator[Path]:
        real = os.path.realpath(folder)
        if real in seen or depth > MOST_DEPTH:
            return
        seen.add(real)
        for child in folder.iterdir():
            if child.name.startswith((".", "__MACOSX")) or child.name.lower() in ("thumbs.db", "desktop.ini"):
                continue
            if child.is_dir() and is_inside(child, self._opened):
                yield from self._walk(child, depth + 1, seen)
            elif child.is_file() and is_file_inside(child, self._opened):
                self._count += 1
                if self._count > MOST_FILES:
                    raise DatasetNotFoundError(f"This folder holds more than {MOST_FILES:,} files: split it.")
                yield child


@dataclass(frozen=True)
class PictureInfo:
    """What is known of a picture that can be decoded: its size, upright, where it lies, and its bands, as in `Info`.

    `may_lack_data` tells whether some of its pixels may hold no data, and `border` which hold one value at its edges
    though nothing declares them.
    """

    height: int
    width: int
    metres_per_pixel: float | None = None
    crs: str | None = None
    transform: Transform | None = None
    bands: tuple[str, ...] = ()
    depth: str = "uint8"
    may_lack_data: bool = False
    border: Border | None = None


class Decoder:
    """Pictures and masks, decoded in this process. Each method raises `DataError`: a sentence with the file's name."""

    def mask(self, path: Path) -> StoredMask:
        """A label mask as it is stored; its numbers may be codes of a land-cover nomenclature."""
        return image.read_mask(path, most=MOST_CODE)

    def __init__(self) -> None:
        self._known: dict[Path, PictureInfo] = {}

    def sample(self, path: Path) -> StoredMask:
        """The same, or of a mask too large to be read whole a grid of small windows, one below the other."""
        large = self._large_mask(path)
        if large is None:
            return self.mask(path)
        try:
            return large.sample()
        except ImageError as error:
            raise ImageError(f"{path.name} {error}") from error

    def is_large(self, path: Path) -> bool:
        """Whether a mask is read row by row. Raises `DataError` for a damaged one."""
        return self._large_mask(path) is not None

    def labels(self, path: Path, codes: Callable[[StoredMask], NDArray[np.int32]]) -> Labels:
        """The labels in a mask; one too large to be read whole is read row by row.

        Args:
            path: the mask.
            codes: gives the codes (H, W) of a mask, or of some of its rows.
        """
        large = self._large_mask(path, alone=True)
        if large is None:
            return Labels.of(codes(self.mask(path)))

        def rows(top: int, bottom: int) -> NDArray[np.int32]:
            try:
                return codes(large.rows(top, bottom))
            except ImageError as error:
                raise ImageError(f"{path.name} {error}") from error

        return Labels(large.height, large.width, rows)

    def _large_mask(self, path: Path, *, alone: bool = False) -> "MaskFile | None":
        try:
            if alone:
                check_one_mask(path)
            if not is_large_tiff(path):
                return None
            # GDAL takes longer to import than all the rest.
            from core.imagery.mask_file import MaskFile

            return MaskFile(path, most=MOST_CODE)
        except ImageError as error:
            raise ImageError(f"{path.name} {error}") from error

    def info_of(self, path: Path) -> PictureInfo:
        """Size and ground resolution of a picture; what can be decoded in one piece is decoded whole, once."""
        if path not in self._known:
            self._known[path] = self._decode(path)
        return self._known[path]

    def _decode(self, path: Path) -> PictureInfo:
        return _info(path, path.name)

    def info_of_bytes(self, data: bytes, name: str) -> PictureInfo:
        """The same of a picture inside another file."""
        return _info(data, name)


class ConfinedDecoder(Decoder):
    """The same in a process that can do no harm, for the folders of visitors (`core.data.confined`)."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self._read = read

    def mask(self, path: Path) -> StoredMask:
        stored = self._read(Pair(path.stem, path, path, "", None))
        assert stored.values is not None
        return StoredMask(stored.values, stored.palette, stored.labelled)

    def _large_mask(self, path: Path, *, alone: bool = False) -> None:
        """None is read in this process: a larger one is refused as it is decoded."""

    def _decode(self, path: Path) -> PictureInfo:
        if is_tiff(path):
            with ConfinedPicture(path, limits=Limits().huge()) as picture:
                return _told(picture.info)
        return PictureInfo(*self._read(Pair(path.stem, path, None, "", None)).image.shape[:2])

    def info_of_bytes(self, data: bytes, name: str) -> PictureInfo:  # noqa: ARG002
        raise ImageError(
            f"{name} lies inside another file, which is not read here: put the pictures beside the labels."
        )


def _info(source: Path | bytes, name: str) -> PictureInfo:
    try:
        whole = out_of_memory_as(ImageError(lacking("picture")))
        with whole, closing(open_here(source, limits=Limits().huge())) as picture:
            info = picture.info
            if info.pixels <= _WHOLE_PIXELS:
                picture.read(0, 0, info.height, info.width)
            border = _border(picture)
    except ImageError as error:
        raise ImageError(f"{name} {error}") from error
    return replace(_told(info), border=border)


def _border(picture: "FlatPicture | TiffPicture") -> Border | None:
    if not picture.is_plain:
        return None
    size = picture.info.height, picture.info.width
    return find_border(picture.stored, size, block_rows=picture.block_rows)


def _told(info: Info) -> PictureInfo:
    return PictureInfo(
        height=info.height,
        width=info.width,
        metres_per_pixel=info.metres_per_pixel,
        crs=info.crs,
        transform=info.transform,
        bands=info.bands,
        depth=info.depth,
        may_lack_data=info.may_lack_data,
    )


def uploaded(name: str) -> str:
    """The name of a file before it was uploaded to Label Studio: without the digits that it puts in front."""
    return re.sub(r"^[0-9a-f]{8}-(?=.)", "", name)


def is_tiff(path: Path) -> bool:
    """By its first bytes."""
    with path.open("rb") as file:
        return picture_kind(file.read(FIRST_BYTES)) == "TIFF"


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `Tile 2` before `Tile 10`."""
    return [(int(bit), "") if bit.isdecimal() else (0, bit.lower()) for bit in re.split(r"(\d+)", name)]


def read_text(path: Path, most: int = MOST_SETTINGS_BYTES) -> str:
    """A text of a person, in UTF-8 or Latin-1, with or without a byte-order mark. Raises `DataError`."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{path.name} cannot be opened ({error.strerror or error}): check its permissions.") from error
    if len(data) > most:
        raise DataError(f"{path.name} has more than {size_text(most)}: split it.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_json(path: Path, most: int = MOST_TEXT_BYTES) -> Any:
    """What a JSON file holds. Raises `DataError`."""
    try:
        return json.loads(read_text(path, most), parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is no JSON, or is cut short: export it again.") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file holds: plain values, nothing that runs. Raises `DataError`."""
    text = read_text(path, MOST_YAML_BYTES)
    try:
        depth = 0
        # Event by event: a text that is nested deeply, or whose references make it grow, is refused before it is built.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH or isinstance(event, yaml.AliasEvent):
                raise DataError(f"{path.name} is nested too deeply or refers to itself: write it plainly.")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is no YAML, or is cut short: export it again.") from error


def _whole(text: str) -> int:
    """Python refuses numbers of thousands of digits; nothing here is counted so far."""
    if len(text) > 18:
        raise ValueError(text[:18])
    return int(text)


def _is_picture(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return picture_kind(file.read(FIRST_BYTES)) is not None
    except OSError:
        return False


def _parts(name: str) -> list[str]:
    plain = name.split("?")[0].split("#")[0].replace("\\", "/")
    return [part for part in plain.split("/") if part not in ("", ".", "..")]


def _grouped(paths: list[Path], key: Any) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[key(path).lower()].append(path)
    return found


def _common_end(path: Path, parts: list[str], stem: bool) -> int:
    """How many parts two paths share from their ends."""
    own = list(path.parts)
    if stem:
        own, parts = own[:-1], parts[:-1]
    count = 0
    for one, other in zip(reversed(own), reversed(parts), strict=False):
        if one.lower() != other.lower():
            break
        count += 1
    return count


def _common_start(path: Path, near: Path | None) -> int:
    """How many folders two paths share from the root."""
    if near is None:
        return 0
    return sum(one == other for one, other in zip(path.parts, near.parts, strict=False))
