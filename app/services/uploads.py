"""How much of the server's memory uploads may take: for each session, for each person and for all together.

Streamlit keeps the bytes of an upload in memory until its session ends. A session is let in by a page that was shown to
it (`visitor.let_in`), so that nothing is taken before signing in, nor for a session that never was.
"""

import math
import os
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.services.access import Access, read_access
from core.errors import ImageError
from core.imagery.limits import MEGABYTE
from core.imagery.sniff import pixels_of

_MOST_SESSIONS = 10_000
Still = Callable[[Sequence[str]], Sequence[str]]
"""Which of these files of a session the server still holds."""


@dataclass
class _Session:
    person: str
    still: Still
    open: bool = True
    sizes: dict[str, int] = field(default_factory=dict)
    arriving: dict[str, int] = field(default_factory=dict)

    def held(self) -> int:
        kept = set(self.still(list(self.sizes)))
        self.sizes = {name: size for name, size in self.sizes.items() if name in kept}
        return sum(self.sizes.values()) + sum(self.arriving.values())


@dataclass
class Uploads:
    """What arrives and what is held, in bytes. Used from several threads."""

    _sessions: "OrderedDict[str, _Session]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def let_in(self, session: str, person: str, still: Still) -> None:
        """A page was shown to this session of this person: it may upload."""
        with self._lock:
            if session in self._sessions:
                self._sessions[session].person, self._sessions[session].open = person, True
            else:
                self._sessions[session] = _Session(person, still)
            self._sessions.move_to_end(session)
            if len(self._sessions) > _MOST_SESSIONS:
                empty = next((key for key, one in self._sessions.items() if not one.held()), session)
                del self._sessions[empty]

    def shut_out(self, session: str) -> None:
        """No page is shown to this session any more: it may not upload, and what it holds still counts."""
        with self._lock:
            if session in self._sessions:
                self._sessions[session].open = False

    def knows(self, session: str) -> bool:
        """Whether this session was let in."""
        with self._lock:
            return session in self._sessions and self._sessions[session].open

    def reserve(self, session: str, file: str, size: int, access: Access | None = None) -> str | None:
        """Take so many bytes for a file that begins to arrive; a sentence, and nothing taken, where they are too many.

        `keep` or `drop` follows. A file that takes another's place counts beside it until then.
        """
        access = access or read_access()
        with self._lock:
            mine = self._sessions.get(session)
            if mine is None or not mine.open or file in mine.arriving:
                return "Reload the page, then choose the file again."
            held = {key: one.held() for key, one in self._sessions.items()}
            of_person = sum(held[key] for key, one in self._sessions.items() if one.person == mine.person)
            for taken, most, whose in (
                (held[session], access.upload_megabytes_a_session, "this page keeps"),
                (of_person, access.upload_megabytes_a_person, "one person keeps"),
                (sum(held.values()), access.upload_megabytes, "all visitors together keep"),
            ):
                if taken + size > most * MEGABYTE:
                    return f"At most {most:,} MB of uploads are what {whose}: remove some, or try again later."
            mine.arriving[file] = size
        return None

    def keep(self, session: str, file: str) -> None:
        """It has arrived whole and lies in memory."""
        with self._lock:
            if (one := self._sessions.get(session)) is not None and file in one.arriving:
                one.sizes[file] = one.arriving.pop(file)

    def drop(self, session: str, file: str) -> None:
        """It did not arrive."""
        with self._lock:
            if (one := self._sessions.get(session)) is not None:
                one.arriving.pop(file, None)


UPLOADS = Uploads()


@dataclass
class OpenPixels:
    """Decoded pictures of visitors that stay in memory, in megapixels, over all sessions."""

    _held: dict[int, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, keeper: "SessionPixels", megapixels: float, access: Access | None = None) -> None:
        """Count a picture to a session; it keeps the last two. Raises `ImageError` when all together are too many."""
        most = (access or read_access()).open_megapixels
        with self._lock:
            mine = self._held.setdefault(id(keeper), deque(maxlen=keeper.pictures))
            freed = mine[0] if len(mine) == keeper.pictures else 0.0
            if sum(map(sum, self._held.values())) - freed + megapixels > most:
                raise ImageError("Many visitors have large pictures open now: try again in a few minutes.")
            if keeper.end is None:
                keeper.end = weakref.finalize(keeper, self._forget, id(keeper))
            mine.append(megapixels)

    def _forget(self, keeper: int) -> None:
        with self._lock:
            self._held.pop(keeper, None)


@dataclass(eq=False)
class SessionPixels:
    """Lies in a session; when that ends, what it held is free."""

    pictures: int = 2
    end: object = None


OPEN_PIXELS = OpenPixels()


def megapixels(files: Iterable[Path]) -> int:
    """What picture files say of their sizes, together; rounded up."""
    return math.ceil(sum(map(pixels_of, files)) / 1e6)


def bytes_below(root: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none."""
    taken = 0
    for folder, _, names in os.walk(root):
        for name in names:
            # It may be removed meanwhile.
            with suppress(OSError):
                taken += (Path(folder) / name).lstat().st_size
    return taken
