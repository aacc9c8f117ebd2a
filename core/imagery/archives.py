"""Pictures or whole datasets out of a zip, with every bound on it: a zip is a list of promises, and none is believed.

Counted is what really streams out, not what the directory says. A name in the zip is shown to people and never becomes
a path: each picture is written under a running number. Python's zipfile reads the whole table of contents into memory,
as large as one of several records in the file says (the last end record, a ZIP64 record before it): no record is
believed, every read is bounded (`_Bounded`).
"""

import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, cast

from core.errors import ImageError
from core.files import size_text
from core.imagery import world
from core.imagery.limits import MEGABYTE
from core.imagery.sniff import FIRST_BYTES, picture_kind

_CHUNK = 2**16
_LONGEST_NAME = 200
_END, _LOCATOR64 = b"PK\5\6", b"PK\6\7"
_END_BYTES, _LONGEST_COMMENT = 22, 2**16
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NESTED_STARTS = (b"PK\3\4", b"PK\5\6", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")
_ASIDE = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class ZipLimits:
    """`total_bytes` and `entry_bytes` of what streams out; `ratio` of that to the bytes that went in.

    `directory_bytes` is of the table of contents: 2 KB an entry, where 46 bytes and its name are usual.
    """

    entries: int = 500
    total_bytes: int = 2_000 * MEGABYTE
    entry_bytes: int = 1_000 * MEGABYTE
    ratio: int = 250
    directory_bytes: int = MEGABYTE


DATASET_LIMITS = ZipLimits(
    entries=50_000,
    total_bytes=20_000 * MEGABYTE,
    entry_bytes=8_000 * MEGABYTE,
    ratio=1100,
    directory_bytes=16 * MEGABYTE,
)
"""Of a dataset. Masks of flat areas pack as well as anything can (1,032 to 1 with deflate)."""


@dataclass(frozen=True)
class ArchivedPicture:
    """One picture of a zip: the name it had there, for people, and where it lies now."""

    name: str
    path: Path


def is_zip(path: Path) -> bool:
    """By its first bytes. False for what cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\3\4", _END)
    except OSError:
        return False


def extract(
    path: Path, folder: Path, *, name: str | None = None, limits: ZipLimits | None = None
) -> list[ArchivedPicture]:
    """Write the pictures of a zip into `folder`; what is no picture by content is left out.

    Raises `ImageError` for the whole zip when one entry is over a limit, encrypted, a link, another archive, damaged,
    or named so that it would lie outside; what was written by then is removed.
    """
    limits = limits or ZipLimits()
    shown = name if name is not None else path.name
    found: list[ArchivedPicture] = []
    try:
        with _opened(path, shown, limits) as archive:
            found.extend(_pictures(archive, folder, limits))
    except ImageError:
        _remove(folder)
        raise
    if not found:
        raise ImageError(f"{shown} holds no PNG, JPEG or TIFF: choose another zip.")
    return found


def unpack(path: Path, folder: Path, *, limits: ZipLimits = DATASET_LIMITS) -> None:
    """Write all files of a zip into an empty folder, by their own names and folders: a dataset is more than pictures.

    Nothing is opened on the way; another archive inside is a file like all others. What was written stays where it
    fails: the folder is the caller's to remove.

    Raises:
        ImageError: it is over a limit, encrypted, damaged, or an entry is a link or would lie outside of the folder.
    """
    with _opened(path, path.name, limits) as archive:
        left = limits.total_bytes
        for info in _checked(archive, limits):
            parts = [_safe_part(part) for part in info.filename.replace("\\", "/").split("/") if part not in ("", ".")]
            if info.is_dir() or not parts or any(part in info.filename for part in _ASIDE):
                continue
            target = folder.joinpath(*parts)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as stream:
                    left -= _write(stream, stream.read(FIRST_BYTES), target, info, limits, left)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise ImageError("holds two files of one name: pack it anew.") from error


@contextmanager
def _opened(path: Path, shown: str, limits: ZipLimits) -> Iterator[zipfile.ZipFile]:
    """A zip whose table of contents was bounded; every failure within the block is one sentence about it."""
    try:
        with (
            path.open("rb") as file,
            zipfile.ZipFile(cast(IO[bytes], _Bounded(file, limits.directory_bytes))) as archive,
        ):
            _check_count(file, len(archive.infolist()))
            yield archive
    except ImageError as error:
        raise ImageError(f"{shown} {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ImageError(f"{shown} cannot be read: the zip is damaged.") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ImageError(f"{shown} cannot be read: the zip is damaged.") from error


def _check_count(file: IO[bytes], found: int) -> None:
    """Whether the last end record tells how many entries there are; 0xFFFF leaves that to a ZIP64 record."""
    file.seek(max(0, file.seek(0, 2) - _END_BYTES - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(_END)
    (told,) = struct.unpack_from("<H", tail, at + 10)
    if told != found and not (told == 0xFFFF and tail[at - 20 : at].startswith(_LOCATOR64)):
        raise ImageError("cannot be read: its table of contents has another length than it says.")


class _Bounded:
    """A zip's file as zipfile sees it: no read takes more than `most` bytes, so no table of contents does."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._most = file, most
        self.seek, self.tell, self.close, self.seekable = file.seek, file.tell, file.close, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise ImageError("has a table of contents that is too large: pack it anew, or split it.")
        part = self._file.read(size if size >= 0 else self._most + 1)
        if len(part) > self._most:
            raise ImageError("has a table of contents that is too large: pack it anew, or split it.")
        return part


def _checked(archive: zipfile.ZipFile, limits: ZipLimits) -> list[zipfile.ZipInfo]:
    """The entries of a zip, after all that can be known before one of them is unpacked."""
    infos = archive.infolist()
    if len(infos) > limits.entries:
        raise ImageError(f"holds more than {limits.entries} files: split it.")
    for info in infos:
        _check_entry(info, limits)
    _check_overlaps(infos)
    return infos


def _pictures(archive: zipfile.ZipFile, folder: Path, limits: ZipLimits) -> Iterator[ArchivedPicture]:
    left = limits.total_bytes
    for number, info in enumerate(_checked(archive, limits), start=1):
        if info.is_dir() or any(part in info.filename for part in _ASIDE):
            continue
        target = folder / f"{number:04d}"
        with archive.open(info) as stream:
            left -= (written := _stream(stream, target, info, limits, left))
        if written:
            _take_world_file(archive, info, target)
            yield ArchivedPicture(_plain_name(info.filename), target)


def _take_world_file(archive: zipfile.ZipFile, picture: zipfile.ZipInfo, target: Path) -> None:
    """The world file that lies beside a picture in the zip, put beside it again under the picture's number."""
    stem = picture.filename.rsplit(".", 1)[0]
    for info in archive.infolist():
        name, _, ending = info.filename.rpartition(".")
        if name == stem and ending.lower() in world.ALL_ENDINGS:
            with archive.open(info) as stream:
                target.with_name(f"{target.name}.{ending.lower()}").write_bytes(stream.read(world.MOST_BYTES + 1))


def _check_entry(info: zipfile.ZipInfo, limits: ZipLimits) -> None:
    """What the table of contents admits; what it hides is met when it streams."""
    name = info.filename.replace("\\", "/")
    if info.flag_bits & _ENCRYPTED:
        raise ImageError("is encrypted: pack it without a password.")
    if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":" or "\0" in name:
        raise ImageError("holds a file that would lie outside of it: pack it anew.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ImageError("holds a link to another file: pack the file itself.")
    if info.compress_type not in _METHODS:
        raise ImageError("is compressed in a way that is not read: pack it as a plain zip.")
    if info.file_size > limits.entry_bytes:
        raise ImageError(f"holds a file of more than {size_text(limits.entry_bytes)}: upload that one by itself.")


def _check_overlaps(infos: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes make small zips that unpack without end (a better zip bomb, D. Fifield, 2019)."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for one, other in pairwise(ordered):
        if one.header_offset + 30 + one.compress_size > other.header_offset:
            raise ImageError("holds files that lie over one another: pack it anew.")


def _stream(stream: IO[bytes], target: Path, info: zipfile.ZipInfo, limits: ZipLimits, left: int) -> int:
    """Write one entry and give its size, or 0 when its first bytes say that it is no picture."""
    first = stream.read(FIRST_BYTES)
    if first.startswith(_NESTED_STARTS):
        raise ImageError("holds another archive: unpack that first.")
    return 0 if picture_kind(first) is None else _write(stream, first, target, info, limits, left)


def _write(stream: IO[bytes], first: bytes, target: Path, info: zipfile.ZipInfo, limits: ZipLimits, left: int) -> int:
    """Write what is left of an entry behind its first bytes, and give how many bytes it has."""
    written = 0
    most = min(limits.entry_bytes, left, max(info.compress_size, 1) * limits.ratio)
    with target.open("xb") as file:
        part = first
        while part:
            written += len(part)
            if written > most:
                raise ImageError("unpacks to more than it may: split it, or unpack it yourself.")
            file.write(part)
            part = stream.read(_CHUNK)
    return written


def _safe_part(part: str) -> str:
    """A folder or file of a zip as the name of one of ours."""
    plain = "".join(letter if letter.isprintable() else "_" for letter in part)
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore").rstrip(" .") or "_"


def _plain_name(name: str) -> str:
    """The last part of a name, printable and not too long; for people only."""
    last = name.replace("\\", "/").rstrip("/").split("/")[-1]
    return "".join(letter if letter.isprintable() else "?" for letter in last)[:_LONGEST_NAME] or "picture"


def _remove(folder: Path) -> None:
    """Take back what was written: files named by running numbers, and world files beside them."""
    for path in folder.glob("[0-9][0-9][0-9][0-9]*"):
        path.unlink(missing_ok=True)
