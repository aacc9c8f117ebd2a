"""The teacher's outputs for whole training pictures, on disk; those for a view are cut out of them as labels are.

A teacher predicts every picture once (four times with `average_flips`), however many epochs follow, and the student
never sees a view twice. The price: the teacher did not see the view's own scale, crop and colours (as in ReLabel, arXiv
2101.05022). `teacher_cache` keeps to the very views. What is known of that price stands in docs/RESULTS.md.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.scene import Scene
from core.data.transforms import Placement, ViewSampler
from core.events import Cancelled, Emit, MessageEvent
from core.infer.tiling import OVERLAP, WHOLE, shares, windows
from core.train.batches import Batch
from core.train.distributed import ALONE, Group
from core.train.logit_store import Form, LogitStore, fidelity, mark_done, progress, row_bytes
from core.train.step import FrozenTeacher, TeacherOutput


class PictureCache:
    """Answers to every scene of `sampler`. `seconds` is what it took to make them.

    `batch_size` is that of all devices: a view may show a piece of the next one of its batch.
    """

    def __init__(self, stores: Sequence[LogitStore], sampler: ViewSampler, batch_size: int, seconds: float) -> None:
        self._stores = stores
        self._sampler = sampler
        self._batch_size = batch_size
        self.seconds = seconds

    def output(self, batch: Batch) -> TeacherOutput:
        """The teacher's output where the views of a batch were cut: logits (B, C, crop, crop), channels last."""
        whole = range(batch.first, batch.first + self._batch_size)
        rectangles = self._sampler.pasted(batch.epoch, whole)
        logits = torch.stack([self._view(batch.epoch, view) for view in batch.views])
        for at, view in enumerate(batch.views):
            position = view - batch.first
            if (rectangle := rectangles[position]) is not None:
                beside = self._view(batch.epoch, whole[(position + 1) % len(whole)])
                logits[at][rectangle] = beside[rectangle]
        return TeacherOutput(logits.permute(0, 3, 1, 2))

    def _view(self, epoch: int, index: int) -> Tensor:
        """Logits (crop, crop, C)."""
        place = self._sampler.placement(epoch, index)
        scene = self._sampler.scenes[place.scene]
        return self._stores[place.scene].at(_sources(scene.height, scene.width, place, self._sampler.crop))


def _sources(height: int, width: int, place: Placement, crop: int) -> NDArray[np.intp]:
    """Which pixel of a scene each pixel of the view shows: row x width + column, (crop, crop).

    The nearest, as for labels; beyond the border of a small scene it is reflected, as the picture is.
    """
    steps = ((np.arange(crop) + 0.5) * place.side / crop).astype(np.intp)
    rows, columns = _reflected(place.top + steps, height), _reflected(place.left + steps, width)
    found: NDArray[np.intp] = place.orient(rows[:, None] * width + columns[None, :])
    return found


def _reflected(positions: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Positions beyond the end, mirrored at it with the last one twice, as `np.pad` does it with `symmetric`."""
    folded = positions % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)


def bytes_needed(scenes: Sequence[Scene], *, outputs: int, form: Form) -> int:
    """Disk that a cache takes, in bytes: known before it is made."""
    return sum(row_bytes((scene.height, scene.width, outputs), form) for scene in scenes)


def build(
    path: Path,
    *,
    teacher: FrozenTeacher,
    sampler: ViewSampler,
    batch_size: int,
    outputs: int,
    form: Form,
    identity: dict[str, object],
    emit: Emit,
    cancelled: Cancelled,
    group: Group = ALONE,
    clock: Callable[[], float] = time.perf_counter,
) -> PictureCache | None:
    """Fill the cache in files beside `path`, going on where an earlier attempt stopped; None when cancelled.

    `clock` tells the seconds that it takes. `identity` says what the outputs depend on; files made from anything else
    are made again. The first device in `group` asks the teacher. All of them must see the same disk.
    """
    files = _Files(path, sampler.scenes, outputs, form)
    seconds: float | None = None
    if group.leads:
        made_by = {"shapes": files.shapes, "form": form, "windows": [WHOLE, OVERLAP]}
        known_by = json.dumps(identity | made_by, sort_keys=True)
        seconds = _fill(files, teacher, sampler.scenes, known_by, emit=emit, cancelled=cancelled, clock=clock)
    told = group.broadcast(-1.0 if seconds is None else seconds)
    return None if told < 0 else PictureCache(files.open(fresh=False), sampler, batch_size, told)


class _Files:
    """One file a scene beside `path`, of logits (H, W, C)."""

    def __init__(self, path: Path, scenes: Sequence[Scene], outputs: int, form: Form) -> None:
        self.mark = path.with_suffix(".json")
        self.shapes = [(scene.height, scene.width, outputs) for scene in scenes]
        paths = [path.with_suffix(f".{number}.logits") for number in range(len(scenes))]
        self.sizes = {file: row_bytes(shape, form) for file, shape in zip(paths, self.shapes, strict=True)}
        self._form: Form = form

    def open(self, *, fresh: bool) -> list[LogitStore]:
        pairs = zip(self.sizes, self.shapes, strict=True)
        return [LogitStore(file, views=1, shape=shape, form=self._form, fresh=fresh) for file, shape in pairs]


def _fill(
    files: _Files,
    teacher: FrozenTeacher,
    scenes: Sequence[Scene],
    known_by: str,
    *,
    emit: Emit,
    cancelled: Cancelled,
    clock: Callable[[], float],
) -> float | None:
    """Store the outputs for the scenes that have none yet; the seconds it took in all, or None when cancelled."""
    files.mark.parent.mkdir(parents=True, exist_ok=True)
    done, spent = progress(files.mark, files.sizes, known_by)
    stores, started = files.open(fresh=not done), clock()
    for number in range(done, len(scenes)):
        if cancelled():
            return None
        exact = _answer(teacher, np.asarray(scenes[number].image))
        stores[number].write([0], exact.permute(1, 2, 0)[None])
        stores[number].flush()
        if not number:
            emit(MessageEvent(fidelity(exact[None], stores[0].read([0]).permute(0, 3, 1, 2))))
        mark_done(files.mark, known_by, number + 1, spent + clock() - started)
    emit(MessageEvent(f"Stored the teacher's outputs for {len(scenes)} pictures."))
    return spent + clock() - started


def _answer(teacher: FrozenTeacher, image: NDArray[Any]) -> Tensor:
    """The teacher's logits (C, H, W) for a picture of any size, by blended windows where it is large."""
    height, width = image.shape[:2]
    placed = windows(height, width, tile=WHOLE, overlap=OVERLAP)
    result: Tensor | None = None
    for window, share in zip(placed, shares(placed, height, width, overlap=OVERLAP), strict=True):
        view = image[window.slices].copy()
        found = teacher.output(torch.from_numpy(view)[None]).logits[0].float().cpu()
        result = torch.zeros(len(found), height, width) if result is None else result
        result[:, *window.slices] += found * torch.from_numpy(share)
    assert result is not None
    return result
