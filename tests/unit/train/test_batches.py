"""Batches come in order, the same ones whether from the start or from the middle."""

import threading

import numpy as np
import pytest
import torch

from core.data.transforms import ViewSampler
from core.train.batches import Batch, epoch_batches


def batches(sampler: ViewSampler, **settings: int) -> list[Batch]:
    return list(epoch_batches(sampler, **({"epoch": 2, "views": 19, "batch_size": 4} | settings)))


def test_they_are_the_views_of_the_epoch_in_order(sampler: ViewSampler) -> None:
    found = batches(sampler)
    assert [batch.first for batch in found] == [0, 4, 8, 12]
    assert {batch.epoch for batch in found} == {2}
    for batch in found:
        images, masks = sampler.batch(2, range(batch.first, batch.first + 4))
        np.testing.assert_array_equal(batch.images.numpy(), images)
        np.testing.assert_array_equal(batch.labels.numpy(), masks)
        assert batch.images.dtype == torch.uint8
        assert batch.labels.dtype == torch.int64


@pytest.mark.parametrize("start", [0, 1, 3, 4, 9])
def test_from_the_middle_they_are_the_same(sampler: ViewSampler, start: int) -> None:
    whole, rest = batches(sampler), batches(sampler, start_step=start)
    assert len(rest) == max(0, 4 - start)
    for one, other in zip(whole[start:], rest, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.first == other.first


@pytest.mark.parametrize("workers", [1, 4])
def test_more_workers_change_nothing(sampler: ViewSampler, workers: int) -> None:
    found = batches(sampler, views=64, workers=workers)
    assert [batch.first for batch in found] == list(range(0, 64, 4))
    for one, other in zip(found, batches(sampler, views=64), strict=True):
        assert torch.equal(one.images, other.images)


def test_an_error_in_a_view_reaches_the_loop(sampler: ViewSampler, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no room for a view")

    monkeypatch.setattr(ViewSampler, "view", broken)
    with pytest.raises(MemoryError, match="no room"):
        batches(sampler)


def test_leaving_early_leaves_no_thread_behind(sampler: ViewSampler) -> None:
    before = threading.active_count()
    stream = epoch_batches(sampler, epoch=0, views=400, batch_size=4)
    next(stream)
    stream.close()
    assert threading.active_count() == before
