"""Windows put together again, one row of them over the whole width at a time: classes, and probabilities on request."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.infer.forward import likeliest
from core.infer.tiling import NO_DATA, Window, axis_shares, spans

Valid = NDArray[np.bool_] | None


@dataclass(frozen=True)
class Strip:
    """Finished rows from `y` on: `mask` (h, W), `NO_DATA` where there is none, and, on request, `probabilities`.

    These (C, h, W) are a view into memory that the next strip overwrites.
    """

    y: int
    mask: NDArray[np.uint8]
    probabilities: Tensor | None = None


class Grid:
    """Windows row by row, and the share of each in its pixels, as one factor for its rows and one for its columns."""

    def __init__(self, height: int, width: int, tile: int, overlap: int) -> None:
        self.height, self.width, self.overlap = height, width, overlap
        self.rows = spans(height, tile=tile, overlap=overlap)
        self.columns = spans(width, tile=tile, overlap=overlap)
        self.down = dict(axis_shares(height, tile=tile, overlap=overlap))
        self.across = dict(axis_shares(width, tile=tile, overlap=overlap))
        self.windows = [Window(y, x, tall, wide) for y, tall in self.rows for x, wide in self.columns]

    @property
    def in_pairs(self) -> bool:
        """Whether no more than two windows share a pixel along either side."""
        return all(
            before + long <= after
            for side in (self.rows, self.columns)
            for (before, long), (after, _) in zip(side, side[2:], strict=False)
        )

    def groups(self, batch: int) -> list[list[Window]]:
        """Batches of windows of one size out of one row."""
        found: list[list[Window]] = []
        for window in self.windows:
            last = found[-1] if found else []
            alike = last and (last[0].y, last[0].width) == (window.y, window.width)
            if alike and len(last) < batch:
                last.append(window)
            else:
                found.append([window])
        return found


class Rows(Protocol):
    """Takes the windows of a row from left to right, then gives its finished pixels."""

    def add(self, window: Window, valid: Valid, logits: Tensor | None) -> None:
        """Take one window.

        Args:
            window: Where it lies.
            valid: Boolean (h, w): its pixels that hold data. None: all of them.
            logits: (C, h, w); None where the window holds no data.
        """

    def finished(self) -> Strip:
        """The pixels that no later row adds to."""


class Blended:
    """Probabilities of every pixel, each window fading into its neighbours: (C, h, W) in memory."""

    def __init__(self, grid: Grid, outputs: int, device: torch.device | str) -> None:
        self._grid, self._row, self._ready = grid, 0, 0
        tall = max(tall for _, tall in grid.rows)
        self._sum = torch.zeros((outputs, tall, grid.width), device=device)
        self._valid = np.ones((tall, grid.width), np.bool_)
        self._down = {y: torch.from_numpy(share).to(device) for y, share in grid.down.items()}
        self._across = {x: torch.from_numpy(share).to(device) for x, share in grid.across.items()}

    def add(self, window: Window, valid: Valid, logits: Tensor | None) -> None:
        """As `Rows.add`: boolean (h, w), logits (C, h, w).

        Args:
            window: Where it lies.
            valid: Its pixels that hold data.
            logits: Of its classes.
        """
        self._move()
        columns = window.slices[1]
        if valid is not None:
            self._valid[: window.height, columns] = valid
        if logits is not None:
            share = torch.outer(self._down[window.y], self._across[window.x])
            self._sum[:, : window.height, columns].addcmul_(logits.softmax(dim=0), share)

    def finished(self) -> Strip:
        rows = self._grid.rows
        y, tall = rows[self._row]
        self._row += 1
        self._ready = tall if self._row == len(rows) else rows[self._row][0] - y
        mask = likeliest(self._sum[:, : self._ready])
        mask[~self._valid[: self._ready]] = NO_DATA
        return Strip(y, mask, self._sum[:, : self._ready])

    def _move(self) -> None:
        """Forget the rows that are finished, and make room for as many below."""
        ready, self._ready = self._ready, 0
        if ready:
            kept = self._sum.shape[1] - ready
            self._sum[:, :kept] = self._sum[:, ready:].clone()
            self._sum[:, kept:].zero_()
            self._valid[:kept] = self._valid[ready:].copy()
            self._valid[kept:] = True


class Stitched:
    """Classes alone: probabilities are worked out and blended only where windows overlap, by the same shares."""

    def __init__(self, grid: Grid, outputs: int) -> None:
        self._grid, self._outputs, self._row = grid, outputs, 0
        self._above = self._sums(grid.overlap, grid.width)
        self._begin()

    def _begin(self) -> None:
        self._mask = np.zeros((self._grid.rows[self._row][1], self._grid.width), np.uint8)
        self._valid: Valid = None
        self._below = self._sums(self._grid.overlap, self._grid.width)
        self._beside = self._sums(len(self._mask), self._grid.overlap)

    def _sums(self, height: int, width: int) -> NDArray[np.float32]:
        return np.zeros((self._outputs, height, width), np.float32)

    def add(self, window: Window, valid: Valid, logits: Tensor | None) -> None:
        """As `Rows.add`: boolean (h, w), logits (C, h, w).

        Args:
            window: Where it lies.
            valid: Its pixels that hold data.
            logits: Of its classes.
        """
        columns, overlap = window.slices[1], self._grid.overlap
        if valid is not None:
            if self._valid is None:
                self._valid = np.ones(self._mask.shape, np.bool_)
            self._valid[:, columns] = valid
        left, self._beside = self._beside, self._sums(window.height, overlap)
        if logits is not None:
            self._mask[:, columns] = likeliest(logits)
            if overlap:
                self._fade(window, logits, left)
        if overlap and window.x:
            self._mask[:, window.x : window.x + overlap] = likeliest(left)

    def _fade(self, window: Window, logits: Tensor, left: NDArray[np.float32]) -> None:
        """Add the output of a window for the pixels that it shares with its neighbours, on up to four sides."""
        columns, overlap = window.slices[1], self._grid.overlap
        down, across = self._grid.down[window.y], self._grid.across[window.x]
        if window.y:
            _add(self._above[:, :, columns], logits[:, :overlap], down[:overlap], across)
        if window.y + window.height < self._grid.height:
            _add(self._below[:, :, columns], logits[:, -overlap:], down[-overlap:], across)
        if window.x:
            _add(left, logits[:, :, :overlap], np.ones_like(down), across[:overlap])
        if window.x + window.width < self._grid.width:
            _add(self._beside, logits[:, :, -overlap:], np.ones_like(down), across[-overlap:])

    def finished(self) -> Strip:
        y, overlap = self._grid.rows[self._row][0], self._grid.overlap
        if overlap and self._row:
            self._mask[:overlap] = likeliest(self._above)
        if self._valid is not None:
            self._mask[~self._valid] = NO_DATA
        self._row += 1
        if self._row == len(self._grid.rows):
            return Strip(y, self._mask)
        strip = Strip(y, self._mask[: self._grid.rows[self._row][0] - y])
        self._above = self._below
        self._begin()
        return strip


def _add(sums: NDArray[np.float32], logits: Tensor, down: NDArray[np.float32], across: NDArray[np.float32]) -> None:
    """To sums (C, h, w) the probabilities of logits of that shape, times the share of the window in each pixel."""
    found: NDArray[np.float32] = logits.softmax(dim=0).cpu().numpy()
    sums += found * np.outer(down, across)
