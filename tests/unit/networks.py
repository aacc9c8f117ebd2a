"""Random weights that still tell classes apart: left alone, a random network sees one class everywhere."""

import torch
from torch import Tensor, nn


def balance(model: nn.Module, head: nn.Conv2d, images: Tensor) -> nn.Module:
    """Shift and scale the last convolution so that, over `images`, all logits have mean 0 and deviation 1."""
    with torch.no_grad():
        logits = model.eval()(images).transpose(0, 1).flatten(1)
        mean, deviation = logits.mean(dim=1), logits.std(dim=1)
        assert head.bias is not None
        head.bias.sub_(mean).div_(deviation)
        head.weight.div_(deviation.view(-1, 1, 1, 1))
    return model


def noise(side: int = 64) -> Tensor:
    """Pictures as a network takes them, rough and smooth: (2, 3, side, side)."""
    generator = torch.Generator().manual_seed(0)
    rough = torch.randn(1, 3, side, side, generator=generator)
    smooth = nn.functional.interpolate(torch.randn(1, 3, 4, 4, generator=generator), size=(side, side), mode="bicubic")
    return torch.cat([rough, smooth])
