"""A committee and a picture of any size → its probabilities and, in the same pass, how much its members disagree."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.infer.predict import Prediction, predict
from core.infer.tiling import TILE
from core.models.committee import Committee
from core.normalise import Normaliser

_SMALLEST_SHARE = 1e-7


class _WithDisagreement(nn.Module):
    """Logits (B, C + 2, H, W): half of all probability for the classes, half for disagreeing and agreeing.

    So whatever blends probabilities of windows blends the disagreement as well.
    """

    def __init__(self, committee: Committee) -> None:
        super().__init__()
        self.committee = committee

    def forward(self, image: Tensor) -> Tensor:
        logits, agreed = self.committee.answer(image)
        both = torch.stack([1 - agreed, agreed], dim=1).clamp_min(_SMALLEST_SHARE)
        return torch.cat([logits.log_softmax(dim=1), (both / both.sum(dim=1, keepdim=True)).log()], dim=1) - math.log(2)


def predict_with_members(
    model: nn.Module, image: NDArray[Any], *, normaliser: Normaliser, tile: int = TILE
) -> tuple[Prediction, NDArray[np.float32] | None]:
    """Segment a picture, as `core.infer.predict.predict`, which also says what is raised.

    Args:
        model: Any; only a committee of several members can disagree.
        image: (H, W, bands).
        normaliser: Of the model's card.
        tile: Side of a window in pixels.

    Returns:
        The prediction, and (H, W) from 0 (all members say the same) to 1 (each is certain of a class of its own); None
        where there are no members.
    """
    if not isinstance(model, Committee) or len(model.members) < 2:
        return predict(model, image, normaliser=normaliser, tile=tile), None
    found = predict(_WithDisagreement(model).eval(), image, normaliser=normaliser, tile=tile).probabilities
    shares = found[:-2] / found[:-2].sum(axis=0, keepdims=True)
    unsure: NDArray[np.float32] = found[-2] / (found[-2] + found[-1])
    return Prediction(shares), unsure
