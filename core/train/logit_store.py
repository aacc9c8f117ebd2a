"""Teacher logits of many views in one memory-mapped file: half precision, or a byte a number at half the disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

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
        """Logits (B, C, H, W) of these `views`."""
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
        """Logits (B, C, H, W) of these `views`: float16, or float32 made from bytes."""
        window = self._rows[list(views)]
        if self.form == "float16":
            return torch.from_numpy(window.view(np.float16)).view(-1, *self.shape)
        ends = torch.from_numpy(window[:, :_RANGE_BYTES].copy().view(np.float32))
        low, high = ends[:, :1], ends[:, 1:]
        levels = torch.from_numpy(window[:, _RANGE_BYTES:])
        return torch.addcmul(low, levels.float(), (high - low) / _LEVELS).view(-1, *self.shape)

    def flush(self) -> None:
        self._file.flush()


def row_bytes(shape: tuple[int, int, int], form: Form) -> int:
    """Disk of one view in bytes."""
    numbers = shape[0] * shape[1] * shape[2]
    return 2 * numbers if form == "float16" else numbers + _RANGE_BYTES
