"""The teacher's logits for exactly the views that the student will see, on disk, so that the teacher runs once a view.

The first `cache_views` epochs of views are stored and replayed in turn. What it costs in accuracy is that a student
sees that many epochs of different views and no more; docs/RESULTS.md has the measured figure.
"""

import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.transforms import ViewSampler
from core.files import write_aside
from core.train.batches import Batch, epoch_batches
from core.train.events import Cancelled, Emit, MessageEvent
from core.train.step import FrozenTeacher


class TeacherCache:
    """Logits float16 (epochs · views, C, crop, crop), memory-mapped. `seconds` is what it took to make them."""

    def __init__(self, array: NDArray[np.float16], views: int, epochs: int, seconds: float) -> None:
        self._array = array
        self._views = views
        self.epochs = epochs
        self.seconds = seconds

    def logits(self, batch: Batch) -> Tensor:
        """The teacher's logits (B, C, H, W) for the views of a batch made with `view_epoch`."""
        first = (batch.epoch % self.epochs) * self._views + batch.first
        return torch.from_numpy(np.array(self._array[first : first + len(batch.images)]))


def bytes_needed(*, epochs: int, views: int, outputs: int, crop: int) -> int:
    """Disk that a cache takes, in bytes: known before it is made."""
    return epochs * views * outputs * crop * crop * np.dtype(np.float16).itemsize


def build(
    path: Path,
    *,
    teacher: FrozenTeacher,
    sampler: ViewSampler,
    epochs: int,
    views: int,
    batch_size: int,
    outputs: int,
    identity: dict[str, object],
    emit: Emit,
    cancelled: Cancelled,
) -> TeacherCache | None:
    """Fill the cache at `path`, going on where an earlier attempt stopped; None when cancelled.

    `identity` says what the logits depend on (teacher, seed, views); a file made from anything else is made again.
    """
    views = views // batch_size * batch_size
    shape = (epochs * views, outputs, sampler.crop, sampler.crop)
    mark = path.with_suffix(".json")
    size = bytes_needed(epochs=epochs, views=views, outputs=outputs, crop=sampler.crop)
    # As text, in which a tuple is the list that it comes back as.
    known_by = json.dumps(identity | {"shape": shape}, sort_keys=True)
    done, spent = _progress(mark, path, size, known_by)
    started = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.memmap(path, dtype=np.float16, mode="r+" if done else "w+", shape=shape)
    for epoch in range(done, epochs):
        for batch in epoch_batches(sampler, epoch=epoch, views=views, batch_size=batch_size):
            if cancelled():
                return None
            first = epoch * views + batch.first
            array[first : first + batch_size] = _half(teacher.logits(batch.images)).cpu().numpy()
        array.flush()
        _mark_done(mark, known_by, epoch + 1, spent + time.perf_counter() - started)
        emit(MessageEvent(f"Stored the teacher's answers to {epoch + 1} of {epochs} epochs of views."))
    return TeacherCache(array, views, epochs, spent + time.perf_counter() - started)


def _half(logits: Tensor) -> Tensor:
    """In half precision, and finite: beyond its range would be infinity, and a loss that is no number."""
    limits = torch.finfo(torch.float16)
    return logits.clamp(limits.min, limits.max).half()


def _progress(mark: Path, path: Path, size: int, identity: str) -> tuple[int, float]:
    """How many epochs of the cache are already there, and the seconds they took. What is of no use loses its mark."""
    try:
        data = json.loads(mark.read_text(encoding="utf-8"))
        if data["identity"] == identity and path.stat().st_size == size:
            return int(data["epochs"]), float(data["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    mark.unlink(missing_ok=True)
    return 0, 0.0


def _mark_done(mark: Path, identity: str, epochs: int, seconds: float) -> None:
    text = json.dumps({"identity": identity, "epochs": epochs, "seconds": seconds})
    write_aside(mark, lambda file: file.write_text(text, encoding="utf-8"))
