"""Answers to whole pictures, cut as the views are: where a teacher looks at single pixels, they are its own answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.data.scene import Scene
from core.data.transforms import ViewSampler
from core.normalise import Normaliser
from core.train import picture_cache
from core.train.batches import epoch_batches
from core.train.distributed import Group
from core.train.picture_cache import PictureCache
from core.train.step import FrozenTeacher, TeacherOutput

SIZES = ((64, 80), (20, 50), (1100, 300))
"""One smaller than a view, and one that goes to the teacher in windows."""


class Pointwise(nn.Module):
    """Looks at single pixels, and counts them. `sign` makes it another teacher."""

    def __init__(self, sign: int = 1) -> None:
        super().__init__()
        self.sign, self.seen = sign, 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += images[:, 0].numel()
        red, green, blue = images.unbind(dim=1)
        return self.sign * torch.stack([red, green, blue, red * green, blue - red], dim=1)


def teacher(sign: int = 1, **more: Any) -> tuple[FrozenTeacher, Pointwise]:
    model = Pointwise(sign)
    normaliser = Normaliser.of((120.0,) * 3, (60.0,) * 3, torch.device("cpu"))
    return FrozenTeacher(model, normaliser, torch.float32, **more), model


def sampler(**changes: Any) -> ViewSampler:
    """Scenes whose red says their class, 50 x label."""
    random = np.random.default_rng(0)
    scenes = []
    for height, width in SIZES:
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        mask = random.integers(0, 5, (height, width), np.uint8)
        image[..., 0] = 50 * mask
        scenes.append(Scene(f"{height} by {width}", image, mask))
    settings: dict[str, Any] = {"crop": 32, "scale": (1.0, 1.0), "colour": 0.0, "ignore_index": 5, "seed": 0}
    return ViewSampler(scenes=scenes, **(settings | changes))


def build(path: Path, views: ViewSampler, frozen: FrozenTeacher, **changes: Any) -> PictureCache | None:
    settings: dict[str, Any] = {
        "batch_size": 4,
        "outputs": 5,
        "form": "float16",
        "identity": {"teacher": "t"},
        "emit": lambda _: None,
        "cancelled": lambda: False,
    }
    return picture_cache.build(path / "cache.logits", teacher=frozen, sampler=views, **(settings | changes))


def built(path: Path, views: ViewSampler, frozen: FrozenTeacher, **changes: Any) -> PictureCache:
    found = build(path, views, frozen, **changes)
    assert found is not None
    return found


@pytest.mark.parametrize(("form", "within"), [("float16", 0.005), ("uint8", 0.03)])
@pytest.mark.parametrize("paste", [0.0, 0.7])
def test_at_the_pictures_own_scale_they_are_the_teachers_answers(
    tmp_path: Path, form: str, within: float, paste: float
) -> None:
    views, (frozen, _) = sampler(paste=paste), teacher()
    cache = built(tmp_path, views, frozen, form=form)
    for epoch in range(4):
        for batch in epoch_batches(views, epoch=epoch, views=16, batch_size=4):
            said = cache.output(batch).logits
            assert (said - frozen.output(batch.images).logits).abs().max() < within
            assert said.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("scale", [(0.5, 2.0), (0.3, 0.4)])
def test_at_any_scale_they_go_where_the_labels_go(tmp_path: Path, scale: tuple[float, float]) -> None:
    views, (frozen, _) = sampler(scale=scale, colour=0.5, paste=0.5), teacher()
    cache = built(tmp_path, views, frozen)
    for batch in epoch_batches(views, epoch=1, views=48, batch_size=4):
        classes = ((cache.output(batch).logits[:, 0].float() * 60 + 120) / 50).round().long()
        valid = batch.labels != 5
        assert valid.float().mean() > 0.1
        assert torch.equal(classes[valid], batch.labels[valid])


def test_the_teacher_sees_each_picture_once_however_many_epochs_there_are(tmp_path: Path) -> None:
    views, (frozen, model) = sampler(), teacher()
    cache = built(tmp_path, views, frozen)
    asked = model.seen
    least = sum(height * width for height, width in SIZES)
    assert least <= asked < 2 * least, "windows overlap"
    for epoch in range(3):
        for batch in epoch_batches(views, epoch=epoch, views=8, batch_size=4):
            cache.output(batch)
    assert model.seen == asked


def test_mirror_images_are_averaged_once_a_picture(tmp_path: Path) -> None:
    frozen, model = teacher(average_flips=True)
    built(tmp_path / "mirrored", sampler(), frozen)
    plain, other = teacher()
    built(tmp_path / "plain", sampler(), plain)
    assert model.seen == 4 * other.seen


def test_a_devices_answers_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    views, (frozen, _) = sampler(paste=0.8), teacher()
    cache = built(tmp_path, views, frozen)
    for rank in (0, 1):
        shares = epoch_batches(views, epoch=0, views=8, batch_size=4, group=Group(rank, 2))
        for share, whole in zip(shares, epoch_batches(views, epoch=0, views=8, batch_size=4), strict=True):
            rows = [view - whole.first for view in share.views]
            assert torch.equal(cache.output(share).logits, cache.output(whole).logits[rows])


def test_the_room_it_takes_is_known_before(tmp_path: Path) -> None:
    views = sampler()
    built(tmp_path, views, teacher()[0])
    expected = picture_cache.bytes_needed(views.scenes, outputs=5, form="float16")
    assert sum(path.stat().st_size for path in tmp_path.glob("*.logits")) == expected


def stop_after(pictures: int) -> Callable[[], bool]:
    asked = iter(range(10**6))
    return lambda: next(asked) >= pictures


def test_interrupted_it_goes_on_with_the_next_picture(tmp_path: Path) -> None:
    views = sampler()
    assert build(tmp_path, views, teacher()[0], cancelled=stop_after(2)) is None
    frozen, model = teacher()
    cache = built(tmp_path, views, frozen)
    whole, other = teacher()
    built(tmp_path / "whole", sampler(), whole)
    assert 0 < model.seen == other.seen - SIZES[0][0] * SIZES[0][1] - SIZES[1][0] * SIZES[1][1]
    batch = next(iter(epoch_batches(views, epoch=0, views=4, batch_size=4)))
    assert (cache.output(batch).logits - frozen.output(batch.images).logits).abs().max() < 0.005


@pytest.mark.parametrize("change", ["identity", "form", "pictures", "mark", "cut"])
def test_what_was_made_from_something_else_is_made_again(tmp_path: Path, change: str) -> None:
    views, (frozen, model) = sampler(), teacher(sign=-1)
    built(tmp_path, views, teacher()[0])
    changes: dict[str, Any] = {"identity": {"identity": {"teacher": "u"}}, "form": {"form": "uint8"}}.get(change, {})
    if change == "pictures":
        views = replace(views, scenes=views.scenes[::-1])
    if change == "mark":
        (tmp_path / "cache.json").write_text("[]")
    if change == "cut":
        (tmp_path / "cache.1.logits").write_bytes(b"short")
    cache = built(tmp_path, views, frozen, **changes)
    assert model.seen
    batch = next(iter(epoch_batches(views, epoch=0, views=4, batch_size=4)))
    assert (cache.output(batch).logits - frozen.output(batch.images).logits).abs().max() < 0.03


def test_the_same_again_asks_the_teacher_nothing(tmp_path: Path) -> None:
    built(tmp_path, sampler(), teacher()[0])
    frozen, model = teacher()
    cache = built(tmp_path, sampler(), frozen)
    assert model.seen == 0
    assert cache.seconds == pytest.approx(json.loads((tmp_path / "cache.json").read_text())["seconds"], abs=1.0)


def test_its_seconds_are_those_of_the_runs_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the processor worked, where the run counts these: whoever asks the teacher pays as a step does."""
    now = [0.0]
    frozen, _ = teacher()

    def slow(images: Tensor) -> TeacherOutput:
        now[0] += 10.0
        return TeacherOutput(torch.zeros(len(images), 5, *images.shape[1:3]))

    monkeypatch.setattr(frozen, "output", slow)
    cache = built(tmp_path, sampler(), frozen, clock=lambda: now[0])
    assert cache.seconds == pytest.approx(now[0])
    assert now[0] > 0
