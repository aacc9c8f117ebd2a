"""Batches of training views, made ahead of time by a thread so that the step does not wait for them."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.transforms import ViewSampler
from core.train.distributed import ALONE, Group

_AHEAD = 3


@dataclass(frozen=True)
class Batch:
    """`images` (B, H, W, D) on the CPU, `labels` int64 (B, H, W), and which of the epoch's `views` they are.

    `first` is where the whole batch begins, of which these views may be one device's share; `turn` how often they have
    been seen before.
    """

    images: Tensor
    labels: Tensor
    epoch: int
    first: int
    views: Sequence[int]
    turn: int = 0


def epoch_batches(
    sampler: ViewSampler,
    *,
    epoch: int,
    views: int,
    batch_size: int,
    start_step: int = 0,
    workers: int = 1,
    group: Group = ALONE,
    parts: int = 1,
    turn: int = 0,
) -> Iterator[Batch]:
    """The whole batches of one epoch from `start_step` on; views that do not fill a batch are left out.

    A `batch_size` is that of all devices in `group`. Each gets its share of every one of the `parts` of a batch.
    """
    mine = group.positions(batch_size, parts) if group.size > 1 else None

    def make(step: int) -> Batch:
        first = step * batch_size
        whole = range(first, first + batch_size)
        images, masks = sampler.batch(epoch, whole, only=mine)
        views = whole if mine is None else [whole[position] for position in mine]
        return Batch(torch.from_numpy(images), torch.from_numpy(masks).long(), epoch, first, views, turn)

    steps = iter(range(start_step, views // batch_size))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending: deque[Future[Batch]] = deque()
        try:
            for step in steps:
                pending.append(pool.submit(make, step))
                if len(pending) > _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
