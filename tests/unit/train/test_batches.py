"""Batches come in order, the same ones whether from the start or from the middle."""

import threading

import numpy as np
import pytest
import torch

from core.data.transforms import ViewSampler
from core.train.batches import Batch, epoch_batches, normalise
from core.train.step import Normaliser


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


def test_normalised_is_pixel_minus_mean_over_deviation_channel_by_channel() -> None:
    images = torch.randint(0, 256, (2, 5, 6, 3), dtype=torch.uint8)
    mean, std = torch.tensor([10.0, 20.0, 30.0]), torch.tensor([2.0, 4.0, 8.0])
    found = normalise(images, mean, std, torch.device("cpu"))
    assert found.shape == (2, 3, 5, 6)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    for channel in range(3):
        expected = (images[..., channel].float() - mean[channel]) / std[channel]
        torch.testing.assert_close(found[:, channel], expected)


def test_a_normaliser_does_the_same_with_plain_numbers() -> None:
    images = torch.randint(0, 256, (1, 4, 4, 3), dtype=torch.uint8)
    own = Normaliser.of((127.0, 127.0, 127.0), (128.0, 128.0, 128.0), torch.device("cpu"))
    found = own(images)
    assert found.min() >= -127 / 128
    assert found.max() <= 1
    torch.testing.assert_close(found, (images.permute(0, 3, 1, 2).float() - 127) / 128)
