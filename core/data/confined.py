"""Pairs of a folder that a visitor named, decoded in a process that can do no harm: `python -m core.data.confined`.

The process confines itself as the one for uploads does (`core.confinement`), then reads pairs by the same rules as
everybody else (`core.data.folder.read_pair`), one question and one answer at a time. A file that makes a decoder crash,
hang or ask for all memory ends that process, and is told of in one sentence.
"""

import json
import math
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.band_set import BandSet
from core.confinement import allow_seconds, answer, confine, leave_network, run, start
from core.data.folder import Pair, StoredPair, read_pair
from core.data.opened import is_file_inside
from core.errors import PairError
from core.imagery.limits import Limits
from core.out_of_memory import lacking, out_of_memory_as

_LIMITS = Limits()
_CHUNK = 2**20
_LONGEST_LINE = 2**20


class ConfinedReader:
    """Reads pairs below `opened` in a confined process, which is started anew where a file ended it."""

    def __init__(self, opened: Path) -> None:
        self._opened = opened
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, pair: Pair) -> StoredPair:
        """As `read_pair`. Raises `PairError`."""
        if not all(is_file_inside(file, self._opened) for file in (pair.image, pair.mask) if file is not None):
            raise PairError(f"{pair.name}: it does not lie below the folder that is opened here.")
        try:
            return self._ask(pair)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            reason = "takes too long to be decoded" if isinstance(error, TimeoutError) else "makes the decoder stop"
            raise PairError(f"{pair.name}: it {reason}, so it is damaged or too large: leave it out.") from error

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, pair: Pair) -> StoredPair:
        child = self._child = self._child or start("core.data.confined")
        assert child.stdin is not None
        question = {"pair": _plain(pair)}
        child.stdin.write(json.dumps(question).encode() + b"\n")
        child.stdin.flush()
        deadline = time.monotonic() + _LIMITS.patience
        line = bytearray()
        while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            line += self._bytes(1, deadline)
        told = json.loads(line)
        if "error" in told:
            raise PairError(told["error"])
        values = {}
        for name, (shape, kind) in told["arrays"].items():
            size = math.prod(shape) * np.dtype(kind).itemsize
            values[name] = np.frombuffer(self._bytes(size, deadline), kind).reshape(shape)
        return StoredPair(**values)

    def _bytes(self, count: int, deadline: float) -> bytearray:
        """So many bytes of the answer. Raises `EOFError` and `TimeoutError`."""
        assert self._child is not None
        assert self._child.stdout is not None
        pipe = self._child.stdout.fileno()
        found = bytearray()
        while len(found) < count:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(pipe, min(_CHUNK, count - len(found)))
            if not part:
                raise EOFError
            found += part
        return found


@contextmanager
def confined(opened: Path) -> Iterator[ConfinedReader]:
    """A `ConfinedReader` whose process ends with the block."""
    reader = ConfinedReader(opened)
    try:
        yield reader
    finally:
        reader.close()


def _plain(pair: Pair) -> dict[str, Any]:
    values = {field.name: getattr(pair, field.name) for field in fields(pair)}
    plain = {name: str(value.absolute()) if isinstance(value, Path) else value for name, value in values.items()}
    return {**plain, "bands": asdict(pair.bands)}


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Confine this process, then answer until the questions end."""
    from core.imagery.tiff_picture import CACHE_MB, GDAL_SETTINGS

    # GDAL and its tables are loaded before memory is counted; PROJ reads its settings from here.
    os.environ.update({**GDAL_SETTINGS, "GDAL_CACHEMAX": str(CACHE_MB)})
    leave_network()
    confine(_LIMITS.memory)
    for line in questions:
        allow_seconds(_LIMITS.seconds)
        asked = json.loads(line)
        values = asked["pair"]
        places = {"image": Path(values["image"]), "mask": values["mask"] and Path(values["mask"])}
        pair = Pair(**{**values, **places, "bands": BandSet.from_json(values["bands"])})
        try:
            with out_of_memory_as(PairError(f"{pair.name}: it {lacking('decoding', memory=_LIMITS.memory)}")):
                stored = read_pair(pair)
        except PairError as error:
            answer(answers, {"error": list(error.problems)})
        else:
            _give(answers, stored)


def _give(answers: BinaryIO, stored: StoredPair) -> None:
    values = {field.name: getattr(stored, field.name) for field in fields(stored)}
    arrays = {name: np.ascontiguousarray(value) for name, value in values.items() if value is not None}
    shapes = {name: (value.shape, value.dtype.str) for name, value in arrays.items()}
    answer(answers, {"arrays": shapes}, *arrays.values())


if __name__ == "__main__":
    run(serve)
