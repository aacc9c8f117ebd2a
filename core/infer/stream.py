"""A picture of any size, read window by window → its classes, row of windows by row of windows, in bounded memory.

While the model works on one window, one thread reads and prepares the next and another puts the last in its place. What
is kept is one row of windows over the whole width, `MOST_BYTES` of it, whatever the height.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.imagery.limits import Info
from core.infer.forward import WindowModel, evaluating
from core.infer.stitching import Blended, Grid, Rows, Stitched, Strip, Valid
from core.infer.tiling import Tiling, Window
from core.normalise import Normaliser

MOST_BYTES = 420 * 1024**2
_SMALLEST_TILE = 128
_AHEAD = 2

Read = tuple[NDArray[Any], Valid]
OnRead = Callable[[Window, NDArray[Any]], None]


class WindowSource(Protocol):
    """What is segmented: a `ConfinedPicture` (`core.imagery`), or anything else that gives windows of its bands."""

    info: Info

    def read(self, y: int, x: int, height: int, width: int) -> Read:
        """Values (h, w, C) of the bands that the model takes, and which pixels hold data (None: all)."""


@runtime_checkable
class SeenSource(Protocol):
    """One whose bands are not the colours in which a person sees it."""

    def read_seen(self, y: int, x: int, height: int, width: int) -> Read:
        """Colours uint8 (h, w, 3), and which pixels hold data (None: all)."""


def segment(
    picture: WindowSource,
    model: nn.Module,
    *,
    outputs: int,
    normaliser: Normaliser,
    tiling: Tiling | None = None,
    probabilities: bool = False,
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
    on_read: OnRead | None = None,
) -> Iterator[Strip]:
    """Strips of a picture from top to bottom; together they cover it once. `on_read` gets each window that is read.

    `model` maps (B, 3, h, w) to logits (B, `outputs`, h, w). The masks are the same with `probabilities` and without,
    but the time is not. Raises `ImageError` (the picture), `DeviceError` (memory) and `CancelledError`.
    """
    tiling = tiling or Tiling()
    grid = _grid(picture.info, tiling, outputs, probabilities)
    window_model = WindowModel(model, normaliser, tiling)
    blended = probabilities or not grid.in_pairs
    rows: Rows = Blended(grid, outputs, normaliser.device) if blended else Stitched(grid, outputs)
    with evaluating(model), torch.inference_mode(), ThreadPoolExecutor(1) as reader:
        model.to(normaliser.device)
        ahead = _read_ahead(picture, grid.groups(tiling.batch), window_model, reader, cancelled, on_read)
        yield from _forward(ahead, window_model, rows, grid, progress)


def _forward(
    ahead: Iterator["_Batch"], model: WindowModel, rows: Rows, grid: Grid, progress: OnProgress | None
) -> Iterator[Strip]:
    """Run the model on each batch, and put its output in place while the model works on the next."""
    done = 0
    finishing: Future[list[Strip]] | None = None
    with ThreadPoolExecutor(1) as finisher:
        for batch in ahead:
            logits = None if batch.views is None else model(batch.views)
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
    """Windows of one size; `views` (B, 3, h, w) is the model's input of those that `has_data`."""

    windows: Sequence[Window]
    valid: Sequence[Valid]
    has_data: Sequence[bool]
    views: Tensor | None


def _put(rows: Rows, grid: Grid, batch: _Batch, logits: Tensor | None) -> list[Strip]:
    """Take in the model's output; gives the strip, where that ends a row."""
    with torch.inference_mode():
        found = iter(()) if logits is None else iter(logits)
        for window, valid, has_data in zip(batch.windows, batch.valid, batch.has_data, strict=True):
            rows.add(window, valid, next(found) if has_data else None)
        last = batch.windows[-1]
        return [rows.finished()] if last.x + last.width == grid.width else []


def _read_ahead(
    picture: WindowSource,
    groups: Sequence[Sequence[Window]],
    model: WindowModel,
    reader: ThreadPoolExecutor,
    cancelled: Cancelled | None,
    on_read: OnRead | None,
) -> Iterator[_Batch]:
    """Windows in batches, each read and prepared while the model works on the one before."""

    def read(group: Sequence[Window]) -> _Batch:
        reads = []
        for window in group:
            reads.append(picture.read(window.y, window.x, window.height, window.width))
            if on_read is not None:
                on_read(window, reads[-1][0])
        valid = [valid for _, valid in reads]
        # The model does not run on windows without any data.
        has_data = [one is None or bool(one.any()) for one in valid]
        wanted = [rgb for (rgb, _), kept in zip(reads, has_data, strict=True) if kept]
        return _Batch(group, valid, has_data, model.prepare(wanted) if wanted else None)

    waiting: list[Future[_Batch]] = []
    for at in range(len(groups)):
        if cancelled is not None and cancelled():
            for future in waiting:
                future.cancel()
            raise CancelledError
        waiting += [reader.submit(read, coming) for coming in groups[at + len(waiting) : at + _AHEAD]]
        yield waiting.pop(0).result()
