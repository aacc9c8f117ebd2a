"""A model of other classes, in those of the data: probabilities of what stands for one class are summed."""

import math

import torch
from torch import Tensor, nn

from core.class_mapping import ClassMapping

_NOTHING = math.log(1e-6)
"""The logarithm of the share that a class gets of which the model knows nothing: half precision can hold it."""


def in_own_classes(logits: Tensor, mapping: ClassMapping) -> Tensor:
    """A model's logits as those of the data's classes: logarithms of summed probabilities.

    Args:
        logits: (B, C, H, W), of the model's classes.
        mapping: Which of them stand for which of the data's; those that stand for none have no part in it.

    Returns:
        (B, D, H, W), float32.
    """
    logits = logits.float()
    groups = [[at for at, to in enumerate(mapping.to) if to == number] for number in range(len(mapping.own))]
    known = [logits[:, group].logsumexp(dim=1) if group else None for group in groups]
    every = torch.stack([found for found in known if found is not None], dim=1).logsumexp(dim=1)
    return torch.stack([every + _NOTHING if found is None else found for found in known], dim=1)


class MappedModel(nn.Module):
    """A model that answers in the data's classes."""

    def __init__(self, model: nn.Module, mapping: ClassMapping) -> None:
        super().__init__()
        self.model, self.mapping = model, mapping
        self.in_channels = int(getattr(model, "in_channels", 3))

    def forward(self, pixels: Tensor) -> Tensor:
        """One forward pass.

        Args:
            pixels: (B, 3, H, W), normalised.

        Returns:
            Logits (B, D, H, W) of the data's classes.
        """
        return in_own_classes(self.model(pixels), self.mapping)
