"""Batch normalisation over the views of all devices: on a share of the batch alone, a model would learn another thing.

torch.nn.SyncBatchNorm does the same on GPUs only; this one works wherever tensors can be summed over devices.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from core.errors import ModelError
from core.train.group import Group

_AXES = (0, 2, 3)


def share_statistics(model: nn.Module, group: Group) -> int:
    """Let the batch normalisations of `model` use the statistics of the whole batch while they train; how many.

    Weights, names and what they do in eval mode stay. Raises `ModelError` for a kind that cannot be shared.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)] if group.size > 1 else []
    for layer in layers:
        # timm's normalisation has its dropout and activation built in, and its forward pass is that of batch norm.
        known = isinstance(layer, nn.BatchNorm2d) and layer.affine and layer.running_mean is not None
        if not known or not (type(layer) is nn.BatchNorm2d or (hasattr(layer, "drop") and hasattr(layer, "act"))):
            raise ModelError(
                f"{type(layer).__name__} cannot share its statistics over devices: train this model on one device."
            )
        layer.forward = functools.partial(_forward, layer, layer.forward, group)  # type: ignore[method-assign]
    return len(layers)


def _forward(layer: _BatchNorm, alone: Callable[[Tensor], Tensor], group: Group, features: Tensor) -> Tensor:
    if not layer.training:
        return alone(features)
    normal: Tensor
    normal, mean, variance = _Normalise.apply(features, layer.weight, layer.bias, layer.eps, group)
    _remember(layer, mean, variance, count=features.numel() // features.shape[1] * group.size)
    for name in ("drop", "act"):
        normal = getattr(layer, name)(normal) if hasattr(layer, name) else normal
    return normal


@torch.no_grad()
def _remember(layer: _BatchNorm, mean: Tensor, variance: Tensor, *, count: int) -> None:
    """The running statistics, as `nn.BatchNorm2d` keeps them: of the variance the unbiased one."""
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.num_batches_tracked is not None
    layer.num_batches_tracked += 1
    share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), share)
    layer.running_var.lerp_((variance * (count / max(1, count - 1))).to(layer.running_var.dtype), share)


class _Normalise(torch.autograd.Function):
    """(x − mean) / √(variance + eps) · weight + bias, mean and variance being those of the whole batch, by channel."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, eps: float, group: Group
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = torch.promote_types(features.dtype, torch.float32)
        variance, mean = torch.var_mean(features.to(wide), dim=_AXES, correction=0)
        # Every device has as many views, so the mean over all of them is the mean of the means.
        means, variances = group.gather(torch.stack([mean, variance])).unbind(dim=1)
        mean = means.mean(dim=0)
        variance = variances.mean(dim=0) + (means - mean).square().mean(dim=0)
        normal = functional.batch_norm(features, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(features, weight, mean, (variance + eps).rsqrt())
        ctx.group = group
        ctx.mark_non_differentiable(mean, variance)
        return normal, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        features, weight, mean, scale = ctx.saved_tensors
        gradient = gradients[0].to(mean.dtype)
        standard = (features.to(mean.dtype) - _wide(mean)) * _wide(scale)
        for_bias, for_weight = gradient.sum(dim=_AXES), (gradient * standard).sum(dim=_AXES)
        count = features.numel() // features.shape[1] * ctx.group.size
        along_mean, along_scale = ctx.group.add(torch.stack([for_bias, for_weight])) / count
        back = _wide(weight * scale) * (gradient - _wide(along_mean) - standard * _wide(along_scale))
        return back.to(features.dtype), for_weight.to(weight.dtype), for_bias.to(weight.dtype), None, None


def _wide(by_channel: Tensor) -> Tensor:
    """(C,) → (C, 1, 1)."""
    return by_channel[:, None, None]
