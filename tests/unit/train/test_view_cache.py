"""The teacher's stored outputs are its answers to the very views, and are made again when those have changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.config import DistillConfig
from core.data.transforms import ViewSampler
from core.events import EpochEvent
from core.normalise import Normaliser
from core.train import view_cache
from core.train.batches import Batch, epoch_batches
from core.train.loop import Task
from core.train.step import FrozenTeacher, TeacherOutput
from core.train.view_cache import ViewCache

VIEWS, EPOCHS = 8, 2


class Counting(nn.Module):
    """A fixed teacher that counts the views it was shown. `sign` makes it another one."""

    def __init__(self, sign: int = 1) -> None:
        super().__init__()
        self.sign, self.shown = sign, 0

    def forward(self, images: Tensor) -> Tensor:
        self.shown += len(images)
        red, green, blue = images.unbind(dim=1)
        return self.sign * torch.stack([red, green, blue, red * green, blue - red], dim=1)


def teacher(sign: int = 1) -> tuple[FrozenTeacher, Counting]:
    model = Counting(sign)
    normaliser = Normaliser.of((120.0,) * 3, (60.0,) * 3, torch.device("cpu"))
    return FrozenTeacher(model, normaliser, torch.float32), model


def build(path: Path, sampler: ViewSampler, frozen: FrozenTeacher, **changes: Any) -> ViewCache | None:
    settings: dict[str, Any] = {
        "teacher": frozen,
        "sampler": sampler,
        "epochs": EPOCHS,
        "views": VIEWS,
        "batch_size": 4,
        "outputs": 5,
        "form": "float16",
        "identity": {"teacher": "t", "scale": (0.5, 2.0)},
        "emit": lambda _: None,
        "cancelled": lambda: False,
    }
    return view_cache.build(path / "cache.logits", **(settings | changes))


def built(path: Path, sampler: ViewSampler, frozen: FrozenTeacher, **changes: Any) -> ViewCache:
    found = build(path, sampler, frozen, **changes)
    assert found is not None
    return found


def assert_replays(cache: ViewCache, frozen: FrozenTeacher, sampler: ViewSampler, epochs: int = EPOCHS) -> None:
    for epoch in range(epochs):
        for batch in epoch_batches(sampler, epoch=epoch, views=VIEWS, batch_size=4):
            assert torch.equal(cache.output(batch).logits, frozen.output(batch.images).logits.half())


def test_it_replays_the_teachers_answers_rounded_to_half_precision(tmp_path: Path, sampler: ViewSampler) -> None:
    frozen, model = teacher()
    cache = built(tmp_path, sampler, frozen)
    assert model.shown == EPOCHS * VIEWS
    assert_replays(cache, frozen, sampler)


def test_views_that_fill_no_batch_take_no_room(tmp_path: Path, sampler: ViewSampler) -> None:
    frozen, model = teacher()
    cache = built(tmp_path, sampler, frozen, views=VIEWS + 3)
    assert model.shown == EPOCHS * VIEWS
    assert_replays(cache, frozen, sampler)


def test_the_room_it_takes_is_known_before(tmp_path: Path, sampler: ViewSampler) -> None:
    built(tmp_path, sampler, teacher()[0])
    expected = view_cache.bytes_needed(epochs=EPOCHS, views=VIEWS, outputs=5, crop=32, form="float16")
    assert (tmp_path / "cache.logits").stat().st_size == expected == 2 * 8 * 5 * 32 * 32 * 2


def test_the_same_again_asks_the_teacher_nothing(tmp_path: Path, sampler: ViewSampler) -> None:
    built(tmp_path, sampler, teacher()[0])
    frozen, model = teacher()
    cache = built(tmp_path, sampler, frozen)
    assert model.shown == 0
    assert_replays(cache, frozen, sampler)


@pytest.mark.parametrize("change", [{"teacher": "other", "scale": (0.5, 2.0)}, {"teacher": "t", "scale": (0.5, 1.0)}])
def test_another_identity_makes_it_again(tmp_path: Path, sampler: ViewSampler, change: dict[str, object]) -> None:
    built(tmp_path, sampler, teacher()[0])
    frozen, model = teacher(sign=-1)
    cache = built(tmp_path, sampler, frozen, identity=change)
    assert model.shown == EPOCHS * VIEWS
    assert_replays(cache, frozen, sampler)


def stop_after(batches: int) -> Callable[[], bool]:
    asked = iter(range(10**6))
    return lambda: next(asked) >= batches


@pytest.mark.parametrize(("batches", "left"), [(0, 16), (1, 16), (2, 8), (3, 8)])
def test_interrupted_it_goes_on_after_the_last_whole_epoch(
    tmp_path: Path, sampler: ViewSampler, batches: int, left: int
) -> None:
    assert build(tmp_path, sampler, teacher()[0], cancelled=stop_after(batches)) is None
    frozen, model = teacher()
    cache = built(tmp_path, sampler, frozen)
    assert model.shown == left
    assert_replays(cache, frozen, sampler)


def test_a_cache_overwritten_in_part_by_another_is_not_taken_for_the_first(
    tmp_path: Path, sampler: ViewSampler
) -> None:
    built(tmp_path, sampler, teacher()[0])
    other = {"teacher": "other"}
    assert build(tmp_path, sampler, teacher(sign=-1)[0], identity=other, cancelled=stop_after(1)) is None
    frozen, _ = teacher()
    assert_replays(built(tmp_path, sampler, frozen), frozen, sampler)


def test_a_cache_cut_short_is_made_again(tmp_path: Path, sampler: ViewSampler) -> None:
    built(tmp_path, sampler, teacher()[0])
    path = tmp_path / "cache.logits"
    path.write_bytes(path.read_bytes()[:-1000])
    frozen, _ = teacher()
    assert_replays(built(tmp_path, sampler, frozen), frozen, sampler)


def test_more_views_an_epoch_make_it_again(tmp_path: Path, sampler: ViewSampler) -> None:
    """Where each epoch begins in the file depends on it."""
    built(tmp_path, sampler, teacher()[0], views=12)
    frozen, _ = teacher()
    assert_replays(built(tmp_path, sampler, frozen), frozen, sampler)


def test_a_longer_cache_holds_all_its_epochs(tmp_path: Path, sampler: ViewSampler) -> None:
    built(tmp_path, sampler, teacher()[0])
    frozen, _ = teacher()
    assert_replays(built(tmp_path, sampler, frozen, epochs=3), frozen, sampler, epochs=3)


@pytest.mark.parametrize("mark", ["", "{", "[]", "{}", '{"identity": null}', "3"])
def test_a_mark_that_says_nothing_makes_it_again(tmp_path: Path, sampler: ViewSampler, mark: str) -> None:
    built(tmp_path, sampler, teacher()[0])
    (tmp_path / "cache.json").write_text(mark)
    frozen, model = teacher()
    assert_replays(built(tmp_path, sampler, frozen), frozen, sampler)
    assert model.shown >= EPOCHS * VIEWS


def test_the_seconds_of_all_attempts_are_counted(
    tmp_path: Path, sampler: ViewSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    clock = {"clock": lambda: now[0]}

    def slow(images: Tensor) -> TeacherOutput:
        now[0] += 10.0
        return TeacherOutput(torch.zeros(len(images), 5, 32, 32))

    frozen, _ = teacher()
    monkeypatch.setattr(frozen, "output", slow)
    assert build(tmp_path, sampler, frozen, cancelled=stop_after(2), **clock) is None
    now[0] = 500.0
    assert built(tmp_path, sampler, frozen, **clock).seconds == pytest.approx(40.0)
    assert json.loads((tmp_path / "cache.json").read_text())["seconds"] == pytest.approx(40.0)


def test_very_large_answers_stay_finite(tmp_path: Path, sampler: ViewSampler) -> None:
    """Half precision ends at 65,504; beyond it is infinity, and the loss would be no number."""
    frozen, model = teacher()
    model.sign = 10**6
    cache = built(tmp_path, sampler, frozen)
    for batch in epoch_batches(sampler, epoch=0, views=VIEWS, batch_size=4):
        assert torch.isfinite(cache.output(batch).logits).all()


def test_with_or_without_it_an_epoch_is_the_same_but_for_rounding(
    make_task: Callable[..., Task], make_collector: Callable[..., Any], sampler: ViewSampler, tmp_path: Path
) -> None:
    """The same views in the same order, and a loss that differs by no more than half precision explains."""
    frozen, _ = teacher()
    cache = built(tmp_path, sampler, frozen, epochs=1, views=16)
    seen: dict[str, list[bytes]] = {"cached": [], "live": []}
    losses: dict[str, float] = {}
    for name, views in seen.items():

        def answers(batch: Batch, name: str = name, views: list[bytes] = views) -> TeacherOutput:
            views.append(batch.images.numpy().tobytes())
            return cache.output(batch) if name == "cached" else frozen.output(batch.images)

        task = make_task(
            epochs=1,
            learning_rate=1e-4,
            distill=DistillConfig(alpha=0.5, cache_views=1, losses={"soft_targets": 1.0}),
            teacher_outputs=answers,
            view_epochs=1 if name == "cached" else None,
        )
        collector = make_collector()
        collector.run(task, tmp_path / name)
        losses[name] = collector.of(EpochEvent)[0].losses["soft_targets"]
    assert seen["cached"] == seen["live"]
    assert len(set(seen["live"])) == 4
    assert losses["cached"] == pytest.approx(losses["live"], rel=1e-3)
    assert losses["cached"] != losses["live"]
