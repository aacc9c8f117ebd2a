"""A brought model in a process of its own that can do no harm (`core.brought.runner`), asked from here.

A model that never ends, takes all memory or makes its library crash ends that process, and is told of in one sentence.
"""

import json
import math
import os
import select
import subprocess
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.confinement import start
from core.errors import ModelError, PictureRefusedError
from core.out_of_memory import lacking

_CHUNK = 2**20
_LONGEST_LINE = 2**16
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_LARGEST_ANSWER = 2**32


@dataclass(frozen=True)
class RunLimits:
    """`memory` in bytes above an empty process; `seconds` on the clock for opening, and for each batch of windows."""

    memory: int = 6 * 1024**3
    seconds: int = 120


@dataclass(frozen=True)
class OpenedModel:
    """Which model is opened: its folder, its kind, and what builds it."""

    folder: Path
    kind: str
    network: dict[str, Any]


class ConfinedRun:
    """Arrays in, arrays out. The process starts at the first call, and ends with this object."""

    def __init__(self, asked: OpenedModel, *, limits: RunLimits = RunLimits(), threads: int = 1) -> None:
        self._asked, self._limits, self._threads = asked, limits, threads
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """One forward pass.

        Args:
            images: (N, …) of the type that the model takes.

        Returns:
            What the model gives, (N, …).

        Raises:
            ModelError: It fails, takes too long or too much memory.
        """
        try:
            child = self._child or self._started()
            assert child.stdin is not None
            child.stdin.write(json.dumps({"type": images.dtype.str, "shape": images.shape}).encode() + b"\n")
            child.stdin.write(np.ascontiguousarray(images).data)
            child.stdin.flush()
            shape = self._told()["shape"]
            size = math.prod(shape) * 4
            if size > _LARGEST_ANSWER:
                raise ModelError("The model gives more than 4 GB for one picture: bring a smaller one.")
            return np.frombuffer(self._bytes(size), np.float32).reshape(shape)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise ModelError(
                    f"The model gave no answer within {self._limits.seconds} seconds: bring a smaller one, or one "
                    "without loops."
                ) from error
            raise ModelError(lacking("brought process")) from error
        except PictureRefusedError:
            raise
        except ModelError:
            self.close()
            raise

    def macs(self, shape: tuple[int, ...]) -> int:
        """Multiply-accumulates of one pass over pictures of this shape; 0 where they cannot be told."""
        try:
            child = self._child or self._started()
            assert child.stdin is not None
            child.stdin.write(json.dumps({"macs": shape}).encode() + b"\n")
            child.stdin.flush()
            return int(self._told()["macs"])
        except (OSError, EOFError, TimeoutError, ModelError):
            # What counts may take too much of a process where the model itself does not.
            self.close()
            return 0

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            _end(self._child)
            self._child = None

    def _started(self) -> "subprocess.Popen[bytes]":
        """The process, with none of the environment's secrets, its messages thrown away, its model opened."""
        child = start("core.brought.runner", variables=_OFFLINE, threads=self._threads)
        self._child = child
        weakref.finalize(self, _end, child)
        assert child.stdin is not None
        asked, limits = self._asked, self._limits
        first = {
            "folder": str(asked.folder.absolute()),
            "kind": asked.kind,
            "network": asked.network,
            "threads": self._threads,
            "memory": limits.memory,
            # Processor time: all threads together.
            "seconds": limits.seconds * max(1, self._threads) + 30,
        }
        child.stdin.write(json.dumps(first).encode() + b"\n")
        child.stdin.flush()
        self._told()
        return child

    def _told(self) -> dict[str, Any]:
        deadline = time.monotonic() + self._limits.seconds
        line = bytearray()
        while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            line += self._bytes(1, deadline)
        told: dict[str, Any] = json.loads(line)
        if "refused" in told:
            raise PictureRefusedError(str(told["refused"]))
        if "error" in told:
            raise ModelError(str(told["error"]))
        return told

    def _bytes(self, count: int, deadline: float | None = None) -> bytearray:
        """So many bytes of the answer. Raises `EOFError` and `TimeoutError`."""
        assert self._child is not None
        assert self._child.stdout is not None
        pipe, found = self._child.stdout.fileno(), bytearray(count)
        view, at = memoryview(found), 0
        deadline = time.monotonic() + self._limits.seconds if deadline is None else deadline
        while at < count:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            read = os.readv(pipe, [view[at : at + _CHUNK]])
            if not read:
                raise EOFError
            at += read
        return found


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    for stream in (child.stdin, child.stdout):
        if stream is not None and not stream.closed:
            _close(stream)
    child.wait()


def _close(stream: Any) -> None:
    try:
        stream.close()
    except OSError:
        # What was not yet written to an ended process is lost.
        return
