"""The processes that train one model together, a device each: what they tell each other, and who speaks for all.

Every device works out the loss of the whole batch from its own share of the views (`core.losses.across`); what flows
back through such a sum flows back from all of them. So the gradients of the devices are averaged, as in
DistributedDataParallel, and the model that results is the one that a single device would make of the whole batch.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

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
        """The sum of a tensor over all devices, through which gradients flow back to all of them."""
        return _Add.apply(partial) if self.size > 1 else partial

    def gather(self, values: Tensor) -> Tensor:
        """The values of every device, stacked: any shape → (size, …). Without a gradient."""
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

    def draw_apart(self, seed: int, step: int) -> None:
        """Before a step: let layers that draw (dropout, stochastic depth) draw other numbers on every device.

        By `seed` and `step` alone, so that a resumed run draws what the other would have.
        """
        if self.size > 1:
            torch.manual_seed(hash((seed, step, self.rank)) & (2**63 - 1))

    def told(self, number: float) -> float:
        """What the first process says: only its number counts."""
        if self.size == 1:
            return number
        word = torch.tensor(number, dtype=torch.float64)
        distributed.broadcast(word, src=0)
        return float(word)

    def told_text(self, text: str = "") -> str:
        """The text of the first process."""
        length = int(self.told(len(text.encode())))
        letters = torch.zeros(length, dtype=torch.uint8)
        if self.leads:
            letters = torch.tensor(list(text.encode()), dtype=torch.uint8)
        if length and self.size > 1:
            distributed.broadcast(letters, src=0)
        return bytes(letters.tolist()).decode()

    def wait(self) -> None:
        """Until all have come this far."""
        self.told(0)
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
