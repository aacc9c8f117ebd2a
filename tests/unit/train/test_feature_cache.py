"""What a teacher's module gave is stored beside its logits, and comes back in half precision."""

from pathlib import Path

import torch
from torch import nn

from core.data.transforms import ViewSampler
from core.models.tap import Tap
from core.normalise import Normaliser
from core.train import view_cache
from core.train.batches import Batch, epoch_batches
from core.train.step import FrozenTeacher
from tests.unit.train.test_view_cache import EPOCHS, VIEWS, Counting, built, teacher


def test_features_are_stored_beside_the_logits(tmp_path: Path, sampler: ViewSampler) -> None:
    """Of the tapped module, in half precision even where logits take a byte; their disk is known before."""
    model = nn.Sequential(nn.AvgPool2d(8), nn.Upsample(scale_factor=8), Counting())
    normaliser = Normaliser.of((120.0,) * 3, (60.0,) * 3, torch.device("cpu"))
    with Tap(model, "0") as tap:
        frozen = FrozenTeacher(model, normaliser, torch.float32, tap=tap)
        cache = built(tmp_path, sampler, frozen, form="uint8", features=(3, 4, 4))
        live = [frozen.output(batch.images).features for batch in batches(sampler)]
    stored = [cache.output(batch).features for batch in batches(sampler)]
    assert len(stored) == EPOCHS * VIEWS // 4
    for one, other in zip(live, stored, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one.half(), other)
    expected = view_cache.bytes_needed(epochs=EPOCHS, views=VIEWS, outputs=5, crop=32, form="uint8", features=(3, 4, 4))
    assert sum(path.stat().st_size for path in tmp_path.iterdir() if path.suffix != ".json") == expected
    assert expected == 2 * 8 * (5 * 32 * 32 + 8 + 3 * 4 * 4 * 2)


def batches(sampler: ViewSampler) -> list[Batch]:
    return [
        batch for epoch in range(EPOCHS) for batch in epoch_batches(sampler, epoch=epoch, views=VIEWS, batch_size=4)
    ]


def test_logits_alone_do_not_pass_for_features(tmp_path: Path, sampler: ViewSampler) -> None:
    """A cache that was made without them is made again."""
    built(tmp_path, sampler, teacher()[0])
    model = nn.Sequential(nn.AvgPool2d(8), nn.Upsample(scale_factor=8), Counting())
    normaliser = Normaliser.of((120.0,) * 3, (60.0,) * 3, torch.device("cpu"))
    with Tap(model, "0") as tap:
        frozen = FrozenTeacher(model, normaliser, torch.float32, tap=tap)
        built(tmp_path, sampler, frozen, features=(3, 4, 4))
    assert model[2].shown == EPOCHS * VIEWS
