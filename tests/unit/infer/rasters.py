"""Pictures in memory that are read in windows, and models whose answer is known."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from core.imagery.limits import Info
from core.infer.stream import Read
from core.normalise import Normaliser

UTM = "EPSG:32640"


@dataclass
class Held:
    """A picture (H, W, 3) in memory; `reads` counts its windows."""

    rgb: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None = None
    transform: tuple[float, ...] | None = None
    crs: str | None = None
    metres_per_pixel: float | None = None
    control_points: tuple[tuple[float, float, float, float], ...] = ()
    reads: list[tuple[int, int, int, int]] = field(default_factory=list)

    @property
    def info(self) -> Info:
        height, width = self.rgb.shape[:2]
        known = (self.crs, self.transform, self.metres_per_pixel, self.valid is not None)
        return Info("TIFF", width, height, (), *known, control_points=self.control_points)

    def read(self, y: int, x: int, height: int, width: int) -> Read:
        assert y >= 0
        assert x >= 0
        assert y + height <= self.rgb.shape[0]
        assert x + width <= self.rgb.shape[1]
        self.reads.append((y, x, height, width))
        place = np.s_[y : y + height, x : x + width]
        return self.rgb[place], None if self.valid is None else self.valid[place]


class Brightness(nn.Module):
    """Two classes, dark and bright: pointwise, so that tiling must not change it at all."""

    def forward(self, images: Tensor) -> Tensor:
        import torch

        light = images.mean(dim=1, keepdim=True)
        return torch.cat([-light, light], dim=1)


NORMAL = {"normaliser": Normaliser.of((127.0, 127.0, 127.0), (64.0, 64.0, 64.0), "cpu")}
