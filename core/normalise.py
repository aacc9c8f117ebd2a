"""Picture bytes as what a network takes: the one normalisation for training, prediction, export and benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.cards import ModelCard


@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation of a model's input channels, (C,), on 0..255, on the model's device.

    `core/export/surround.py` puts the same numbers into an exported graph, from the same card.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, mean: Sequence[float], std: Sequence[float], device: torch.device | str) -> "Normaliser":
        """A normaliser of plain numbers, in float32.

        Args:
            mean: C numbers on 0..255.
            std: C numbers on 0..255, above 0.
            device: Where its output is to lie.
        """
        return cls(*(torch.tensor(values, dtype=torch.float32, device=device) for values in (mean, std)))

    @classmethod
    def of_card(cls, card: ModelCard, device: torch.device | str) -> "Normaliser":
        """That of the model which `card` describes."""
        return cls.of(card.mean, card.std, device)

    @property
    def device(self) -> torch.device:
        """Where its output lies."""
        return self.mean.device

    def __call__(self, images: Tensor | NDArray[np.uint8]) -> Tensor:
        """(Bytes - mean) / std, channel by channel.

        Args:
            images: uint8 (B, H, W, C) on any device; left as they are.

        Returns:
            (B, C, H, W) in the type of `mean` (float32), channels last in memory, on `device`.
        """
        if not isinstance(images, Tensor):
            # PyTorch warns of arrays that cannot be written to.
            images = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        batch, height, width, channels = images.shape
        # Rows of interleaved channels against one row of offsets: several times as fast as broadcasting over channels.
        rows = images.to(self.device, non_blocking=True).reshape(-1, channels * width).to(self.mean.dtype, copy=True)
        rows.sub_(self.mean.repeat(width)).div_(self.std.repeat(width))
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)
