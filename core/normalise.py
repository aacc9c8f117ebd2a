"""Pictures as what a network takes: the one normalisation for training, prediction, export and benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.band_set import COLOURS, BandSet
from core.cards import ModelCard
from core.errors import ImageError


@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation of a model's input channels, (C,), in the units of the pictures, on its device.

    `core/export/surround.py` puts the same numbers into an exported graph, from the same card.

    Attributes:
        mean: float32 (C,); of 8-bit values on 0..255.
        std: float32 (C,), above 0.
        bands: Of the pictures that it is given, which may have more than the model takes.
        places: Where the model's C bands are among them; empty: they are the same, in the same order.
    """

    mean: Tensor
    std: Tensor
    bands: BandSet = COLOURS
    places: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str,
        *,
        bands: BandSet | None = None,
        places: tuple[int, ...] = (),
    ) -> "Normaliser":
        """A normaliser of plain numbers, in float32.

        Args:
            mean: C numbers in the units of the pictures.
            std: C numbers, above 0.
            device: Where its output is to lie.
            bands: Of the pictures. None: colours.
            places: Which of them the model takes.
        """
        middle, spread = (torch.tensor(values, dtype=torch.float32, device=device) for values in (mean, std))
        return cls(middle, spread, bands or COLOURS, places)

    @classmethod
    def of_card(cls, card: ModelCard, device: torch.device | str, bands: BandSet | None = None) -> "Normaliser":
        """That of the model which `card` describes.

        Args:
            card: Of the model.
            device: Where its output is to lie.
            bands: Of the pictures. None: colours.

        Raises:
            ConfigError: The pictures lack a band that the model takes, or have another depth.
        """
        given = bands or COLOURS
        return cls.of(card.mean, card.std, device, bands=given, places=given.places_of(card.bands))

    @property
    def device(self) -> torch.device:
        """Where its output lies."""
        return self.mean.device

    def check(self, image: NDArray[Any]) -> None:
        """Whether a picture can be taken.

        Args:
            image: A picture (H, W, D) of the D bands of `bands`.

        Raises:
            ImageError: It has another shape or type, or no pixel.
        """
        wanted = self.bands
        if image.ndim == 3 and image.shape[2] == len(wanted) and image.dtype == wanted.depth and image.size:
            return
        kind = "8-bit RGB, (height, width, 3)"
        if not wanted.is_colours:
            kind = f"{wanted.depth}, (height, width, {len(wanted)}) of {wanted}"
        raise ImageError(f"A picture must be {kind}, not {image.dtype} {image.shape}.")

    def __call__(self, images: Tensor | NDArray[Any]) -> Tensor:
        """(Values - mean) / std, channel by channel.

        Args:
            images: (B, H, W, D) of the D bands of `bands`, in their type, on any device; left as they are.

        Returns:
            (B, C, H, W) in the type of `mean` (float32), channels last in memory, on `device`.
        """
        if not isinstance(images, Tensor):
            # PyTorch warns of arrays that cannot be written to.
            images = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        if self.places:
            images = _taken(images, self.places)
        batch, height, width, channels = images.shape
        # Rows of interleaved channels against one row of offsets: several times as fast as broadcasting over channels.
        rows = images.to(self.device, non_blocking=True).reshape(-1, channels * width).to(self.mean.dtype, copy=True)
        rows.sub_(self.mean.repeat(width)).div_(self.std.repeat(width))
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _taken(images: Tensor, places: tuple[int, ...]) -> Tensor:
    """Some channels of pictures (B, H, W, D): a view where they stand side by side."""
    first, count = places[0], len(places)
    if places == tuple(range(first, first + count)):
        return images[..., first : first + count]
    if images.dtype == torch.uint16:
        # torch picks no values of this type; the bits are the same.
        return images.view(torch.int16)[..., list(places)].view(torch.uint16)
    return images[..., list(places)]
