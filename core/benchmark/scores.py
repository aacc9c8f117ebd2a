"""How right an artefact is: scored as `core.evaluate` scores a model, but through the very file that was timed."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from core.benchmark.artefacts import Artefact
from core.data.scene import Scene
from core.evaluate import Report, evaluate
from core.normalise import Normaliser


class _AsModule(nn.Module):
    """An artefact as a network that takes (B, 3, H, W) bytes as floats, from 0 to 255."""

    def __init__(self, artefact: Artefact) -> None:
        super().__init__()
        self._run = artefact.run

    def forward(self, views: Tensor) -> Tensor:
        pixels = views.to(torch.uint8)
        return torch.from_numpy(np.ascontiguousarray(self._run(pixels.permute(0, 2, 3, 1).contiguous().numpy())))


def score(artefact: Artefact, scenes: Sequence[Scene]) -> Report:
    """Scores on scenes with masks. Raises what `core.evaluate.evaluate` raises."""
    # An artefact normalises by itself.
    bytes_as_they_are = Normaliser.of((0.0,) * 3, (1.0,) * 3, "cpu")
    return evaluate(_AsModule(artefact), scenes, artefact.card.classes, normaliser=bytes_as_they_are, batch=1)
