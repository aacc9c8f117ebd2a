"""The processes that train one model together, a device each: what they exchange, and which of them reports.

Every device works out the loss of the whole batch from its own share of the views (`core.losses.sums`); the gradient
of such a sum flows to all of them. So the gradients of the devices are averaged, as in DistributedDataParallel, and the
model that results is the one that a single device would make of the whole batch.

Batch normalisation too takes its statistics from the views of all devices: on a share of the batch alone, a model would
learn something else. torch.nn.SyncBatchNorm does the same on GPUs only; this one works wherever tensors can be summed
over devices.
"""

import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from core.errors import ModelError

_PATIENCE = timedelta(hours=12)
"""Who waits for a validation must not give up. A process that is gone is noticed at once: its connection breaks."""


@dataclass(frozen=True)
class Group:
    """`size` processes, this one being number `rank`. All of them must call the same methods in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that validates, saves and reports."""
        return self.rank == 0

    def positions(self, count: int, parts: int = 1) -> list[int]:
        """Which of a batch of `count` views are this device's, when each of `parts` parts of it is shared evenly."""
        part, share = count // parts, count // parts // self.size
        return [at * part + self.rank * share + view for at in range(parts) for view in range(share)]

    def add(self, partial: Tensor) -> Tensor:
        """The sum of a tensor over all devices, through which gradients flow back to all of them.

        Args:
            partial: Of any shape (…).

        Returns:
            Of the same shape (…).
        """
        return _Add.apply(partial) if self.size > 1 else partial

    def gather(self, values: Tensor) -> Tensor:
        """The values of every device, without a gradient.

        Args:
            values: (N, …) of any shape, the same on all devices.

        Returns:
            (D, N, …), D being the number of devices.
        """
        found = [torch.empty_like(values) for _ in range(self.size)]
        distributed.all_gather(found, values.contiguous())
        return torch.stack(found)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """In one message: the models are small, and hiding it behind the backward pass would gain little."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def seed_apart(self, seed: int, step: int) -> None:
        """Before a step: let layers that draw (dropout, stochastic depth) draw other numbers on every device.

        By `seed` and `step` alone, so that a resumed run draws what the other would have.
        """
        if self.size > 1:
            torch.manual_seed(hash((seed, step, self.rank)) & (2**63 - 1))

    def broadcast(self, number: float) -> float:
        """What the first process says: only its number counts."""
        if self.size == 1:
            return number
        word = torch.tensor(number, dtype=torch.float64)
        distributed.broadcast(word, src=0)
        return float(word)

    def broadcast_text(self, text: str = "") -> str:
        """The text of the first process."""
        length = int(self.broadcast(len(text.encode())))
        letters = torch.zeros(length, dtype=torch.uint8)
        if self.leads:
            letters = torch.tensor(list(text.encode()), dtype=torch.uint8)
        if length and self.size > 1:
            distributed.broadcast(letters, src=0)
        return bytes(letters.tolist()).decode()

    def wait(self) -> None:
        """Until all have come this far."""
        self.broadcast(0)
        self.add(torch.zeros(()))


ALONE = Group()


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: object, partial: Tensor) -> Tensor:
        return _summed(partial)

    @staticmethod
    def backward(_ctx: object, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(partial: Tensor) -> Tensor:
    total = partial.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


def started_by_torchrun() -> bool:
    """Whether somebody outside has started a process for each device and told them who they are."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))


def own_rank() -> int:
    """Which process this is, of those that torchrun has started; 0 where it has not."""
    return int(os.environ["RANK"]) if started_by_torchrun() else 0


def join() -> Group:
    """Meet the processes that the environment tells of, as torchrun sets it, unless they have met before."""
    if not distributed.is_initialized():
        distributed.init_process_group(_backend(), timeout=_PATIENCE)
    return Group(distributed.get_rank(), distributed.get_world_size())


def open_store(host: str, port: int = 0) -> Any:
    """Where processes find each other: a new one at a free port, or the one that another process has at `port`."""
    new = port == 0
    return distributed.TCPStore(host, port, is_master=new, wait_for_workers=False)  # type: ignore[attr-defined]


def meet(store: Any, *, rank: int, size: int) -> Group:
    """Meet the others through a store that each of them has opened."""
    distributed.init_process_group(_backend(), store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    return Group(rank, size)


def part() -> None:
    """Leave the group, if there is one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _backend() -> str:
    """Words go through the CPU even where tensors are on GPUs: reading them does not wait for these."""
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and distributed.is_nccl_available() else "gloo"


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
