"""How right an artefact is: scored as `core.evaluate` scores a model, but through the very file that was timed."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from core.benchmark.artefacts import Artefact
from core.data.scene import Scene
from core.evaluate import Report, evaluate


class _AsModule(nn.Module):
    """An artefact behind the face of a network: takes the picture back out of its normalisation."""

    def __init__(self, artefact: Artefact) -> None:
        super().__init__()
        self._run = artefact.run
        self._mean = torch.tensor(artefact.card.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(artefact.card.std).view(1, 3, 1, 1)

    def forward(self, views: Tensor) -> Tensor:
        pixels = (views * self._std + self._mean).round().clamp(0, 255).to(torch.uint8)
        return torch.from_numpy(np.ascontiguousarray(self._run(pixels.permute(0, 2, 3, 1).contiguous().numpy())))


def score(artefact: Artefact, scenes: Sequence[Scene]) -> Report:
    """Scores on scenes with masks. Raises what `core.evaluate.evaluate` raises."""
    card = artefact.card
    return evaluate(_AsModule(artefact), scenes, card.classes, mean=card.mean, std=card.std, device="cpu", batch=1)
