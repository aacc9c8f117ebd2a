"""A picture of any size, read window by window → its classes, row of windows by row of windows, in bounded memory.

While the model looks at one window, one thread reads and prepares the next and another puts the last in its place. What
is kept is one row of windows over the whole width, `MOST_BYTES` of it, whatever the height.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.imagery.limits import Info
from core.infer.look import Look, Tiling
from core.infer.predict import evaluating
from core.infer.rows import Blended, Grid, Rows, Stitched, Strip, Valid
from core.infer.tiles import Window

MOST_BYTES = 420 * 1024**2
_SMALLEST_TILE = 128
_AHEAD = 2

Read = tuple[NDArray[np.uint8], Valid]
Seen = Callable[[Window, NDArray[np.uint8]], None]


class Source(Protocol):
    """What is segmented: `core.imagery.door.Picture`, or anything else that gives windows of 8-bit colours."""

    info: Info

    def read(self, y: int, x: int, height: int, width: int) -> Read:
        """Colours (h, w, 3), and which pixels hold data (None: all)."""


def segment(
    picture: Source,
    model: nn.Module,
    *,
    outputs: int,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str,
    tiling: Tiling | None = None,
    probabilities: bool = False,
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
    seen: Seen | None = None,
) -> Iterator[Strip]:
    """Strips of a picture from top to bottom; together they cover it once. `seen` gets each window that is read.

    `model` maps (B, 3, h, w) to logits (B, `outputs`, h, w). The masks are the same with `probabilities` and without,
    but the time is not. Raises `ImageError` (the picture), `DeviceError` (memory) and `CancelledError`.
    """
    tiling = tiling or Tiling()
    grid = _grid(picture.info, tiling, outputs, probabilities)
    look = Look(model, mean, std, device, tiling)
    blended = probabilities or not grid.in_pairs
    rows: Rows = Blended(grid, outputs, device) if blended else Stitched(grid, outputs)
    with evaluating(model), torch.inference_mode(), ThreadPoolExecutor(1) as reader:
        model.to(device)
        ahead = _read_ahead(picture, grid.groups(tiling.batch), look, reader, cancelled, seen)
        yield from _looked_at(ahead, look, rows, grid, progress)


def _looked_at(
    ahead: Iterator["_Batch"], look: Look, rows: Rows, grid: Grid, progress: OnProgress | None
) -> Iterator[Strip]:
    """The model on one batch after the other, each put in its place while the model looks at the next."""
    done = 0
    finishing: Future[list[Strip]] | None = None
    with ThreadPoolExecutor(1) as finisher:
        for batch in ahead:
            logits = None if batch.views is None else look(batch.views)
            if finishing is not None:
                yield from finishing.result()
            finishing = finisher.submit(_put, rows, grid, batch, logits)
            done += len(batch.windows)
            if progress is not None:
                progress(Progress(done, len(grid.windows)))
        if finishing is not None:
            yield from finishing.result()


def fitting_tile(tile: int, *, width: int, outputs: int, overlap: int, probabilities: bool) -> int:
    """`tile`, or less where a row of such windows over this width would take more than `MOST_BYTES`."""
    edges = 0 if probabilities else 2 * 4 * outputs * overlap * width
    each = 4 * outputs if probabilities else 2
    while tile > _SMALLEST_TILE and each * tile * width + edges > MOST_BYTES:
        tile //= 2
    return tile


def _grid(info: Info, tiling: Tiling, outputs: int, probabilities: bool) -> Grid:
    overlap = tiling.overlap
    tile = fitting_tile(tiling.tile, width=info.width, outputs=outputs, overlap=overlap, probabilities=probabilities)
    return Grid(info.height, info.width, tile, min(overlap, tile - 1))


@dataclass(frozen=True)
class _Batch:
    """Windows of one size; `looked` says at which of them the model looks, `views` (B, 3, h, w) is what it sees."""

    windows: Sequence[Window]
    valid: Sequence[Valid]
    looked: Sequence[bool]
    views: Tensor | None


def _put(rows: Rows, grid: Grid, batch: _Batch, logits: Tensor | None) -> list[Strip]:
    """Take in what the model said; the strip, where that ends a row."""
    with torch.inference_mode():
        found = iter(()) if logits is None else iter(logits)
        for window, valid, looked in zip(batch.windows, batch.valid, batch.looked, strict=True):
            rows.add(window, valid, next(found) if looked else None)
        last = batch.windows[-1]
        return [rows.finished()] if last.x + last.width == grid.width else []


def _read_ahead(
    picture: Source,
    groups: Sequence[Sequence[Window]],
    look: Look,
    reader: ThreadPoolExecutor,
    cancelled: Cancelled | None,
    seen: Seen | None,
) -> Iterator[_Batch]:
    """Windows in batches, each read and prepared while the model looks at the one before."""

    def read(group: Sequence[Window]) -> _Batch:
        reads = []
        for window in group:
            reads.append(picture.read(window.y, window.x, window.height, window.width))
            if seen is not None:
                seen(window, reads[-1][0])
        valid = [valid for _, valid in reads]
        # Windows without any data are not looked at.
        looked = [one is None or bool(one.any()) for one in valid]
        wanted = [rgb for (rgb, _), look_at_it in zip(reads, looked, strict=True) if look_at_it]
        return _Batch(group, valid, looked, look.prepare(wanted) if wanted else None)

    waiting: list[Future[_Batch]] = []
    for at in range(len(groups)):
        if cancelled is not None and cancelled():
            for future in waiting:
                future.cancel()
            raise CancelledError
        waiting += [reader.submit(read, coming) for coming in groups[at + len(waiting) : at + _AHEAD]]
        yield waiting.pop(0).result()
