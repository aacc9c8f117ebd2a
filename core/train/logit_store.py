"""Teacher logits of many views in one memory-mapped file: half precision, or a byte a number at half the disk.

A small JSON file beside it, its *mark*, says what the outputs depend on and how far they have come.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.files import write_aside

Form = Literal["float16", "uint8"]

_RANGE_BYTES = 8
_LEVELS = 255


class LogitStore:
    """Logits of `views` views, (C, H, W) each, at `path`. A row is written and read whole.

    `float16` keeps logits as they are, to three digits. `uint8` spreads each view's own range over 256 levels, with its
    two ends as float32 before them: an error of at most 1/510 of that range, at half the disk and reading.
    """

    def __init__(self, path: Path, *, views: int, shape: tuple[int, int, int], form: Form, fresh: bool) -> None:
        self.form, self.shape = form, shape
        columns = row_bytes(shape, form)
        self._file = np.memmap(path, dtype=np.uint8, mode="w+" if fresh else "r+", shape=(views, columns))
        self._rows = np.asarray(self._file)

    def write(self, views: Sequence[int], logits: Tensor) -> None:
        """Store the logits of some views.

        Args:
            views: Their numbers.
            logits: (B, C, H, W).
        """
        flat = logits.detach().float().cpu().flatten(1)
        if self.form == "float16":
            limits = torch.finfo(torch.float16)  # Beyond its range would be infinity, and a loss that is no number.
            self._rows[list(views)] = flat.clamp(limits.min, limits.max).half().numpy().view(np.uint8)
            return
        low, high = flat.aminmax(dim=1, keepdim=True)
        step = ((high - low) / _LEVELS).clamp(min=torch.finfo(torch.float32).tiny)
        ends = torch.cat([low, high], dim=1).numpy().view(np.uint8)
        self._rows[list(views)] = np.concatenate([ends, ((flat - low) / step).round().byte().numpy()], axis=1)

    def read(self, views: Sequence[int]) -> Tensor:
        """The logits of some views.

        Args:
            views: B numbers.

        Returns:
            (B, C, H, W): float16, or float32 made from bytes.
        """
        window = self._rows[list(views)]
        if self.form == "float16":
            return torch.from_numpy(window.view(np.float16)).view(-1, *self.shape)
        ends = torch.from_numpy(window[:, :_RANGE_BYTES].copy().view(np.float32))
        low, high = ends[:, :1], ends[:, 1:]
        levels = torch.from_numpy(window[:, _RANGE_BYTES:])
        return torch.addcmul(low, levels.float(), (high - low) / _LEVELS).view(-1, *self.shape)

    def at(self, places: NDArray[np.intp]) -> Tensor:
        """Of the first row, the output (H, W, C) for a whole picture, the logits at some places.

        Args:
            places: row × W + column, of any shape (…).

        Returns:
            (…, C).
        """
        start = 0 if self.form == "float16" else _RANGE_BYTES
        kind = np.float16 if self.form == "float16" else np.uint8
        pixels = self._rows[0, start:].view(kind).reshape(-1, self.shape[2])
        found = torch.from_numpy(np.take(pixels, places, axis=0))  # Several times as quick as pixels[places].
        if self.form == "float16":
            return found
        low, high = (float(end) for end in self._rows[0, :_RANGE_BYTES].copy().view(np.float32))
        return found.float().mul_((high - low) / _LEVELS).add_(low)

    def flush(self) -> None:
        self._file.flush()


def row_bytes(shape: tuple[int, int, int], form: Form) -> int:
    """Disk of one view in bytes."""
    numbers = shape[0] * shape[1] * shape[2]
    return 2 * numbers if form == "float16" else numbers + _RANGE_BYTES


def fidelity(exact: Tensor, stored: Tensor) -> str:
    """What storing changes, in probabilities at temperature 1, in a sentence.

    Args:
        exact: Logits (B, C, H, W).
        stored: What is read back of them, (B, C, H, W).
    """
    exact, stored = exact.float().cpu(), stored.float()
    changed = (exact.softmax(dim=1) - stored.softmax(dim=1)).abs()
    flipped = (exact.argmax(dim=1) != stored.argmax(dim=1)).float().mean()
    return (
        f"Stored outputs differ from the teacher's by {changed.mean():.5f} in probability on average, "
        f"{changed.max():.3f} at most; {flipped:.3%} of pixels get another class."
    )


def progress(mark: Path, sizes: dict[Path, int], identity: str) -> tuple[int, float]:
    """How many epochs or pictures are already there, and the seconds they took. What is of no use loses its mark."""
    try:
        data = json.loads(mark.read_text(encoding="utf-8"))
        if data["identity"] == identity and all(path.stat().st_size == size for path, size in sizes.items()):
            return int(data["done"]), float(data["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    mark.unlink(missing_ok=True)
    return 0, 0.0


def mark_done(mark: Path, identity: str, done: int, seconds: float) -> None:
    text = json.dumps({"identity": identity, "done": done, "seconds": seconds})
    write_aside(mark, lambda file: file.write_text(text, encoding="utf-8"))
