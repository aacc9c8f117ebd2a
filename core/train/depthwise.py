"""Depthwise convolutions that a CPU differentiates faster in float32 than in bfloat16 (docs/LOG.md has the figures)."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn


def keep_in_single(model: nn.Module) -> int:
    """Let the strided and the large depthwise convolutions of `model` leave CPU autocast; how many they are.

    Their backward pass in bfloat16 has no fast kernel on a CPU: it takes up to 16 times as long as in float32, and a
    third of a training step of a U-Net on EfficientNet-Lite0. Weights, names and what flows on keep their form.
    """
    slow = [module for module in model.modules() if isinstance(module, nn.Conv2d) and _is_slow(module)]
    for module in slow:
        module.forward = functools.partial(_in_single, module.forward)  # type: ignore[method-assign]
    return len(slow)


def _is_slow(module: nn.Conv2d) -> bool:
    depthwise = module.groups == module.in_channels > 1
    return depthwise and (max(module.stride) > 1 or max(module.kernel_size) > 3)


def _in_single(forward: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    with torch.autocast(features.device.type, enabled=False):
        return forward(features.float()).to(features.dtype)
