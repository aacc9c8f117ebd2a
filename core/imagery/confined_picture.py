"""Pictures of strangers: opened and decoded in a child process with limits, read here as plain bytes.

A file that makes a decoder crash, hang or ask for all memory ends the child, and is refused with one sentence.
"""

import json
import math
import os
import select
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.band_set import COLOURS, BandSet
from core.confinement import start
from core.errors import ImageError
from core.files import size_text
from core.imagery.limits import Info, Limits
from core.imagery.sniff import FIRST_BYTES, picture_kind, why_not
from core.out_of_memory import ended_at_limit, lacking

_CHUNK = 2**20


class ConfinedPicture:
    """An open picture from outside: `info`, and `read` for its windows. Close it, or use it in a `with` block.

    With a `band_set` that is not that of colours, the numbers of these bands are read, as a model takes them.

    Raises `ImageError`, whose message is a sentence with `name`, when the file is refused.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        limits: Limits | None = None,
        bands: tuple[int, ...] | None = None,
        band_set: BandSet | None = None,
    ) -> None:
        self._band_set = band_set or COLOURS
        self.name = name if name is not None else path.name
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        kind = self._kind(path)
        self._child = start("core.imagery.child")
        try:
            self._ask(
                {
                    "path": str(path.absolute()),
                    "limits": asdict(self._limits),
                    "bands": bands,
                    "band_set": asdict(self._band_set),
                    "warm": kind == "TIFF",
                }
            )
            self.info = Info.from_json(self._answer()["info"])
        except ImageError:
            self.close()
            raise

    def _kind(self, path: Path) -> str:
        """The kind by content. A missing file and another kind are told here, without a process."""
        try:
            # A pipe or a device would never come to an end, or never begin.
            if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
                raise self._refusal("is no file: choose a picture.")
            with path.open("rb") as file:
                first = file.read(FIRST_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self._refusal(f"cannot be opened ({reason}): check the path and its rights.") from error
        if (kind := picture_kind(first)) is None:
            raise self._refusal(why_not(first))
        return kind

    def read(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """A window inside the picture.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            Colours uint8 (H, W, 3), or the bands (H, W, C) in their type, and which pixels hold data, boolean (H, W)
            (None: all).

        Raises:
            ImageError: The file is damaged there, or the child process reached a limit.
        """
        return self._window({"y": y, "x": x, "height": height, "width": width}, self._band_set)

    def read_seen(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """A window as a person sees it.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            Colours uint8 (H, W, 3), and which pixels hold data, boolean (H, W) (None: all).

        Raises:
            ImageError: As for `read`.
        """
        seen = not self._band_set.is_colours
        return self._window({"y": y, "x": x, "height": height, "width": width, "seen": seen}, COLOURS)

    def _window(self, asked: dict[str, Any], bands: BandSet) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        height, width = asked["height"], asked["width"]
        kind, shape = np.dtype(bands.depth), (height, width, len(bands))
        with self._lock:
            self._ask(asked)
            lacks = self._answer()["valid"]
            values = np.frombuffer(self._bytes(math.prod(shape) * kind.itemsize), kind).reshape(shape)
            if not lacks:
                return values, None
            bits = np.frombuffer(self._bytes(-(-height * width // 8)), np.uint8)
        return values, np.unpackbits(bits, count=height * width).reshape(height, width).view(np.bool_)

    def close(self) -> None:
        """End the child process; nothing can be read any more."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._child.kill()
        self._child.wait()

    def __enter__(self) -> "ConfinedPicture":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, question: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(question).encode() + b"\n")
            self._child.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._refusal(self._why_it_ended()) from error

    def _answer(self) -> dict[str, Any]:
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self._bytes(1)
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise self._refusal(told["error"])
        return told

    def _bytes(self, count: int) -> bytearray:
        """So many bytes of the child's, or the reason why they do not come."""
        assert self._child.stdout is not None
        pipe = self._child.stdout.fileno()
        found, at = bytearray(count), 0
        deadline = time.monotonic() + self._limits.patience
        while at < count:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self._child.kill()
                raise self._refusal(_too_slow(self._limits.patience))
            part = os.read(pipe, min(_CHUNK, count - at))
            if not part:
                raise self._refusal(self._why_it_ended())
            found[at : at + len(part)] = part
            at += len(part)
        return found

    def _why_it_ended(self) -> str:
        try:
            code = self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        if code == -signal.SIGXCPU:
            return _too_slow(self._limits.seconds)
        if ended_at_limit(code):
            return lacking("decoding", memory=self._limits.memory)
        return "cannot be read: it makes the decoder stop, so it is damaged or made up."

    def _refusal(self, reason: str) -> ImageError:
        return ImageError(f"{self.name} {reason}")


def _too_slow(seconds: int) -> str:
    return f"takes more than {seconds} seconds to be decoded: crop it, or save it anew."


@contextmanager
def picture_of(
    data: bytes, *, name: str, limits: Limits | None = None, band_set: BandSet | None = None
) -> Iterator[ConfinedPicture]:
    """The same for bytes in memory: they lie in a private file of our own naming meanwhile. Raises `ImageError`."""
    limits = limits or Limits()
    if len(data) > limits.bytes:
        most = f"at most {size_text(limits.bytes)} are read. Crop it, or save it with compression."
        raise ImageError(f"{name} has {size_text(len(data))}; {most}")
    with tempfile.TemporaryDirectory(prefix="terrastill-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        with ConfinedPicture(path, name=name, limits=limits, band_set=band_set) as picture:
            yield picture
