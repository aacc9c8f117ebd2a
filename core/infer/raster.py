"""A picture of any size, read window by window → its classes, row of windows by row of windows, in bounded memory.

What is kept at a time is one row of windows over the whole width: `MOST_BYTES` of it, whatever the height.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import DeviceError
from core.imagery.limits import Info
from core.infer.predict import PredictionCancelledError, Progress, evaluating
from core.infer.tiles import Window, axis_shares
from core.train.events import Cancelled

NO_DATA = 255
"""In a mask: the picture holds no data here. No class has this index (`ClassMap`)."""
MOST_BYTES = 420 * 1024**2
_SMALLEST_TILE = 128
_AHEAD = 2

Read = tuple[NDArray[np.uint8], NDArray[np.bool_] | None]


class Source(Protocol):
    """What is segmented: `core.imagery.door.Picture`, or anything else that gives windows of 8-bit colours."""

    info: Info

    def read(self, y: int, x: int, height: int, width: int) -> Read:
        """Colours (h, w, 3), and which pixels hold data (None: all)."""


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut. `tile` and `overlap` are in its pixels; `flips` averages over the four mirror images.

    `ground_ratio` is how many pixels of the picture are one pixel of what the model was trained on: 3 for a picture of
    0.1 m and a model of 0.3 m.
    """

    tile: int = 1024
    overlap: int = 64
    batch: int = 1
    flips: bool = False
    ground_ratio: float = 1.0


@dataclass(frozen=True)
class Strip:
    """Finished rows from `y` on: `mask` (h, W), `NO_DATA` where there is none, and `probabilities` (C, h, W).

    The probabilities are a view into memory that the next strip overwrites.
    """

    y: int
    mask: NDArray[np.uint8]
    probabilities: Tensor


def segment(
    picture: Source,
    model: nn.Module,
    *,
    outputs: int,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str,
    tiling: Tiling | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    seen: Callable[[Window, NDArray[np.uint8]], None] | None = None,
) -> Iterator[Strip]:
    """Strips of a picture from top to bottom; together they cover it once. `seen` gets each window that is read.

    `model` maps (B, 3, h, w) to logits (B, `outputs`, h, w). Raises `ImageError` (the picture), `DeviceError` (memory)
    and `PredictionCancelledError`.
    """
    tiling = tiling or Tiling()
    tile = fitting_tile(tiling.tile, width=picture.info.width, outputs=outputs)
    grid = _Grid(picture.info.height, picture.info.width, tile, min(tiling.overlap, tile - 1))
    look = _Look(model, mean, std, device, tiling)
    rows = _Rows(grid, outputs, device)
    done = 0
    with evaluating(model), torch.inference_mode(), ThreadPoolExecutor(1) as reader:
        model.to(device)
        for group, reads in _read_ahead(picture, grid.windows, tiling.batch, reader, cancelled):
            if seen is not None:
                for window, (rgb, _) in zip(group, reads, strict=True):
                    seen(window, rgb)
            for row, members in _by_row(group, reads):
                if row != rows.y:
                    yield rows.finished(row)
                    rows.move(row)
                rows.add(members, look(members))
            done += len(group)
            if progress is not None:
                progress(done, len(grid.windows))
        yield rows.finished(None)


def fitting_tile(tile: int, *, width: int, outputs: int) -> int:
    """`tile`, or less where a row of such windows over this width would take more than `MOST_BYTES`."""
    while tile > _SMALLEST_TILE and outputs * tile * width * 4 > MOST_BYTES:
        tile //= 2
    return tile


class _Grid:
    """Windows row by row, and the share of each in its pixels, as one factor for its rows and one for its columns."""

    def __init__(self, height: int, width: int, tile: int, overlap: int) -> None:
        self.height, self.width = height, width
        self.tall, self.wide = min(tile, height), min(tile, width)
        self.rows = dict(axis_shares(height, tile=tile, overlap=overlap))
        self.columns = dict(axis_shares(width, tile=tile, overlap=overlap))
        self.windows = [Window(y, x, self.tall, self.wide) for y in self.rows for x in self.columns]


class _Rows:
    """One row of windows over the whole width: what has been added up so far, and which pixels hold data."""

    def __init__(self, grid: _Grid, outputs: int, device: torch.device | str) -> None:
        self._grid = grid
        self.y = 0
        self._sum = torch.zeros((outputs, grid.tall, grid.width), device=device)
        self._valid = np.ones((grid.tall, grid.width), np.bool_)
        self._down = {y: torch.from_numpy(share).to(device) for y, share in grid.rows.items()}
        self._across = {x: torch.from_numpy(share).to(device) for x, share in grid.columns.items()}

    def add(self, members: Sequence[tuple[Window, Read]], found: Sequence[Tensor | None]) -> None:
        for (window, (_, valid)), probabilities in zip(members, found, strict=True):
            columns = window.slices[1]
            if valid is not None:
                self._valid[:, columns] = valid
            if probabilities is not None:
                share = torch.outer(self._down[window.y], self._across[window.x])
                self._sum[:, :, columns].addcmul_(probabilities, share)

    def finished(self, following: int | None) -> Strip:
        """The rows above `following`, where the next row of windows begins (None: all that are left)."""
        ready = self._grid.tall if following is None else following - self.y
        return Strip(self.y, _likeliest(self._sum[:, :ready], self._valid[:ready]), self._sum[:, :ready])

    def move(self, following: int) -> None:
        """Forget the rows above `following`, and make room for as many below."""
        ready = following - self.y
        kept = self._grid.tall - ready
        self._sum[:, :kept] = self._sum[:, ready:].clone()
        self._sum[:, kept:].zero_()
        self._valid[:kept] = self._valid[ready:].copy()
        self._valid[kept:] = True
        self.y = following


def _likeliest(sums: Tensor, valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The class of the highest sum (C, h, W) → (h, W). Channel by channel: three times as fast as argmax over them."""
    best = sums[0].clone()
    classes = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for index in range(1, len(sums)):
        classes.masked_fill_(sums[index] > best, index)
        torch.maximum(best, sums[index], out=best)
    mask: NDArray[np.uint8] = classes.cpu().numpy()
    mask[~valid] = NO_DATA
    return mask


class _Look:
    """The model on windows of the picture: normalised, resampled to the model's ground resolution and back."""

    def __init__(
        self,
        model: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str,
        tiling: Tiling,
    ) -> None:
        self._model, self._device, self._tiling = model, torch.device(device), tiling
        self._offset = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._scale = torch.tensor(std, device=device).view(1, 3, 1, 1)

    def __call__(self, members: Sequence[tuple[Window, Read]]) -> list[Tensor | None]:
        """Probabilities (C, h, w) of each window; None for those without any data, which are not looked at."""
        wanted = [rgb for _, (rgb, valid) in members if valid is None or valid.any()]
        found = iter(self._probabilities(wanted)) if wanted else iter(())
        return [next(found) if valid is None or valid.any() else None for _, (_, valid) in members]

    def _probabilities(self, group: Sequence[NDArray[np.uint8]]) -> Tensor:
        pixels = torch.from_numpy(np.stack(group)).to(self._device)
        # A permuted (B, h, w, 3) batch is channels-last already, which convolutions run faster on.
        views = pixels.permute(0, 3, 1, 2).float().sub_(self._offset).div_(self._scale)
        size = views.shape[-2:]
        if self._tiling.ground_ratio != 1:
            smaller = [max(1, round(side / self._tiling.ground_ratio)) for side in size]
            views = F.interpolate(views, size=smaller, mode="bilinear", antialias=True)
        try:
            found = self._averaged(views)
        except torch.OutOfMemoryError as error:
            advice = "use smaller tiles, a smaller batch or the CPU"
            raise DeviceError(f"The memory of {self._device} is full: {advice}.") from error
        if found.shape[-2:] != size:
            found = F.interpolate(found, size=size, mode="bilinear")
        return found

    def _averaged(self, views: Tensor) -> Tensor:
        """Over the picture and its mirror images, where these are asked for."""
        found: Tensor = self._model(views).float().softmax(dim=1)
        if not self._tiling.flips:
            return found
        for axes in ((-1,), (-2,), (-2, -1)):
            found = found + self._model(views.flip(axes)).float().softmax(dim=1).flip(axes)
        return found / 4


def _read_ahead(
    picture: Source, placed: Sequence[Window], batch: int, reader: ThreadPoolExecutor, cancelled: Cancelled | None
) -> Iterator[tuple[Sequence[Window], list[Read]]]:
    """Windows in batches, each read while the model looks at the one before."""

    def read(group: Sequence[Window]) -> list[Read]:
        return [picture.read(window.y, window.x, window.height, window.width) for window in group]

    groups = [placed[first : first + batch] for first in range(0, len(placed), batch)]
    waiting: list[Future[list[Read]]] = []
    for at, group in enumerate(groups):
        if cancelled is not None and cancelled():
            for future in waiting:
                future.cancel()
            raise PredictionCancelledError("The prediction was cancelled.")
        waiting += [reader.submit(read, coming) for coming in groups[at + len(waiting) : at + _AHEAD]]
        yield group, waiting.pop(0).result()


def _by_row(group: Sequence[Window], reads: list[Read]) -> Iterator[tuple[int, list[tuple[Window, Read]]]]:
    """The windows of a batch, parted where a new row begins."""
    pairs = list(zip(group, reads, strict=True))
    for y in sorted({window.y for window in group}):
        yield y, [pair for pair in pairs if pair[0].y == y]
