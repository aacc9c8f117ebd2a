"""What stands around a brought network, so that it takes pictures of any size and gives logits like every other model.

Pictures that the network does not take whole are cut into overlapping tiles whose probabilities are blended; scores
that come at a fraction of the side are resampled; probabilities become their logarithms.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.brought.found import PERCENT_SHARED
from core.errors import ModelError

_SMALLEST_SHARE = 1e-7
_AT_ONCE = 8
MOST_FACTOR = 8.0


@dataclass(frozen=True)
class Surroundings:
    """How a network is fed and read, from a card.

    Attributes:
        outputs: Classes that it answers with.
        tile: The side of its pictures. None: any.
        fixed: Whether it takes no other side; otherwise smaller pictures go whole.
        overlap: Share of a tile that neighbours have in common, in per cent.
        multiple: Sides are padded to a multiple of this.
        probabilities: Whether it gives these instead of logits.
        binary: Whether it gives one channel, for the second of two classes.
        bgr: Whether it takes blue first.
        inputs: How many bands it takes.
    """

    outputs: int
    tile: int | None = None
    fixed: bool = False
    overlap: int = PERCENT_SHARED
    multiple: int = 1
    probabilities: bool = False
    binary: bool = False
    bgr: bool = False
    inputs: int = 3

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> "Surroundings":
        """From the arguments of a card."""
        return cls(
            outputs=len(arguments["classes"]),
            tile=arguments.get("tile"),
            fixed=bool(arguments.get("fixed")),
            overlap=int(arguments.get("overlap", PERCENT_SHARED)),
            multiple=int(arguments.get("multiple", 1)),
            probabilities=arguments.get("output") == "probabilities",
            binary=bool(arguments.get("binary")),
            bgr=arguments.get("order") == "bgr",
            inputs=int(arguments.get("inputs", 3)),
        )


class BroughtNetwork(nn.Module):
    """Normalised picture (B, D, H, W) → logits (B, C, H, W) of the network's own classes, for any H and W.

    `network` maps (b, D, h, w) to scores (b, C, h', w'). `digest` stands in for weights that lie elsewhere. Where the
    network is not a module whose parts can be named, `logits_only` is true: no features can be tapped. `note` is a
    sentence where it runs elsewhere than was asked for.
    """

    def __init__(
        self, network: nn.Module, around: Surroundings, *, digest: str = "", logits_only: bool = False
    ) -> None:
        super().__init__()
        self.network, self.around, self.logits_only = network, around, logits_only
        self.note = ""
        self.in_channels = around.inputs
        self.register_buffer("digest", torch.tensor(list(digest.encode("ascii")), dtype=torch.uint8))

    @torch.compiler.disable  # type: ignore[untyped-decorator, unused-ignore]
    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, 3, H, W), normalised.

        Returns:
            Logits (B, C, H, W).

        Raises:
            ModelError: The network gives something else than its card says.
        """
        if self.around.bgr:
            image = image.flip(1)
        height, width = image.shape[-2:]
        tile, fixed = self.around.tile, self.around.fixed
        if tile is None or (not fixed and max(height, width) <= tile):
            return self._logits(_padded(image, self.around.multiple))[..., :height, :width]
        if (height, width) == (tile, tile):
            return self._logits(image)
        return self._tiled(image, tile)

    def _tiled(self, image: Tensor, tile: int) -> Tensor:
        """By tiles, whose probabilities count the more the nearer to the middle of a tile."""
        height, width = image.shape[-2:]
        image = functional.pad(image, (0, max(0, tile - width), 0, max(0, tile - height)), mode="replicate")
        rows, columns = (_starts(side, tile, self.around.overlap) for side in image.shape[-2:])
        ramp = 1 - (2 * torch.arange(tile, device=image.device) + 1 - tile).abs() / (tile + 1)
        share = ramp[:, None] * ramp[None, :]
        summed = image.new_zeros((len(image), self.around.outputs, *image.shape[-2:]), dtype=torch.float32)
        total = image.new_zeros(image.shape[-2:], dtype=torch.float32)
        for top in rows:
            for left in columns:
                part = (slice(top, top + tile), slice(left, left + tile))
                summed[..., part[0], part[1]] += self._logits(image[..., part[0], part[1]]).softmax(dim=1) * share
                total[part] += share
        return (summed / total)[..., :height, :width].clamp_min(_SMALLEST_SHARE).log()

    def _logits(self, image: Tensor) -> Tensor:
        scores = torch.cat([self.network(part) for part in torch.split(image, _AT_ONCE)]).to(image.device)
        channels = 1 if self.around.binary else self.around.outputs
        if scores.ndim != 4 or scores.shape[:2] != (len(image), channels):
            raise ModelError(
                f"The model gives {tuple(scores.shape)} for {len(image)} pictures and {channels} channels: its file "
                "says something else than it does. Export it anew, or import it with other classes."
            )
        if scores.shape[-2:] != image.shape[-2:]:
            scores = functional.interpolate(scores.float(), size=image.shape[-2:], mode="bilinear", align_corners=False)
        if self.around.probabilities:
            shares = scores.float()
            shares = torch.cat([1 - shares, shares], dim=1) if self.around.binary else shares
            return shares.clamp_min(_SMALLEST_SHARE).log()
        return torch.cat([torch.zeros_like(scores), scores], dim=1) if self.around.binary else scores


class ResampledModel(nn.Module):
    """A model that sees pictures `factor` times as large as they come, and answers in their own size.

    So a model that was trained at 0.1 m a pixel sees a picture of 0.5 m five times as large.
    """

    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__()
        self.model, self.factor = model, factor
        self.in_channels = int(getattr(model, "in_channels", 3))

    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, 3, H, W), normalised.

        Returns:
            Logits (B, C, H, W).
        """
        size = image.shape[-2:]
        sides = [max(1, round(side * self.factor)) for side in size]
        seen = functional.interpolate(image.float(), size=sides, mode="bilinear", antialias=True)
        shares = functional.interpolate(self.model(seen).float().softmax(dim=1), size=size, mode="bilinear")
        return shares.clamp_min(_SMALLEST_SHARE).log()


def resampling(*, picture_metres: float | None, model_metres: float | None) -> float:
    """How much larger a model has to see pictures; 1 where either resolution is unknown, or they differ by under 10 %.

    Args:
        picture_metres: The ground width of a pixel of the pictures.
        model_metres: That of the pictures which the model was trained on.

    Raises:
        ModelError: They differ by more than `MOST_FACTOR`.
    """
    if not picture_metres or not model_metres:
        return 1.0
    factor = picture_metres / model_metres
    if not 1 / MOST_FACTOR <= factor <= MOST_FACTOR:
        raise ModelError(
            f"The model was trained at {model_metres:g} m a pixel and the pictures have {picture_metres:g} m: that is "
            f"more than {MOST_FACTOR:g} to 1. Choose another model, or correct its resolution."
        )
    return 1.0 if abs(math.log(factor)) < math.log(1.1) else factor


def _padded(image: Tensor, multiple: int) -> Tensor:
    more = [-side % multiple for side in image.shape[-2:]]
    return functional.pad(image, (0, more[1], 0, more[0]), mode="replicate") if any(more) else image


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin, evenly, so that neighbours share at least `overlap` per cent."""
    step = max(1, tile * (100 - overlap) // 100)
    count = 1 + -(-(side - tile) // step)
    return [round(at * (side - tile) / max(1, count - 1)) for at in range(count)]
