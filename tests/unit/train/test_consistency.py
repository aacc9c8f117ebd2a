"""Consistency training: the averaged copy answers and does not learn; what it is not sure of teaches nothing."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.band_set import BandSet
from core.config import DataConfig, DistillConfig, RunConfig, TrainConfig
from core.data.transforms import ViewSampler
from core.events import EpochEvent
from core.train import step as steps
from core.train.batches import epoch_batches
from core.train.consistency import StrongViews, consistency, consistency_term, pseudo_labels
from core.train.loop import Task
from tests.unit.train.conftest import tiny_scene

MakeTask = Callable[..., Task]
IGNORED = 5
PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))
VALID = torch.ones(3, 16, 16, dtype=torch.bool)


class Linear(nn.Module):
    """Logits of five classes from the colour of a pixel alone."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Conv2d(3, 5, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.body(pixels)
        return found


def normalise(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float() / 64 - 2


def term(averaged: nn.Module, student: nn.Module, **changes: Any) -> Tensor:
    given: dict[str, Any] = {"images": PIXELS, "valid": VALID, "confidence": 0.5, "ignore_index": IGNORED}
    settings = given | {"normalise": normalise, "seed": (1, 2)} | changes
    return consistency_term(averaged=averaged, student=student, **settings)


def test_the_gradient_reaches_the_student_and_stops_before_its_copy() -> None:
    averaged, student = Linear(1), Linear(2)
    term(averaged, student).backward()
    assert all(parameter.grad is None for parameter in averaged.parameters())
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in student.parameters())


def test_one_network_as_both_learns_as_two_equal_ones_do() -> None:
    """The gradient of the student is that of the strong views alone, also where it is its own copy."""
    one, two = Linear(3), Linear(3)
    term(one, one).backward()
    term(copy.deepcopy(two), two).backward()
    torch.testing.assert_close(one.body.weight.grad, two.body.weight.grad)


def test_what_the_copy_is_not_sure_of_teaches_nothing() -> None:
    logits = torch.zeros(1, 5, 1, 3)
    logits[0, 2, 0, 0], logits[0, 1, 0, 1] = 9.0, 1.0
    valid = torch.tensor([[[True, True, True]]])
    labels = pseudo_labels(logits, valid=valid, confidence=0.95, ignore_index=IGNORED)
    assert labels.tolist() == [[[2, IGNORED, IGNORED]]]
    student = torch.randn(1, 5, 1, 3, requires_grad=True)
    consistency(logits=student, labels=labels, valid=valid, ignore_index=IGNORED).backward()
    assert student.grad is not None
    assert student.grad[..., 0].abs().sum() > 0
    assert student.grad[..., 1:].abs().sum() == 0
    nothing = consistency(logits=student, labels=torch.full_like(labels, IGNORED), valid=valid, ignore_index=IGNORED)
    assert nothing.item() == 0.0
    assert nothing.requires_grad


def test_it_is_the_sum_over_sure_pixels_divided_by_all_valid_ones() -> None:
    """Few sure pixels pull little: dividing by their own number would make the first guesses of a run weigh most."""
    student = torch.randn(1, 5, 2, 2)
    labels = torch.tensor([[[0, IGNORED], [IGNORED, IGNORED]]])
    valid = torch.tensor([[[True, True], [True, False]]])
    found = consistency(logits=student, labels=labels, valid=valid, ignore_index=IGNORED)
    assert found.item() == pytest.approx(-student.log_softmax(dim=1)[0, 0, 0, 0].item() / 3, rel=1e-5)


def test_ignored_pixels_are_in_no_sum() -> None:
    logits = 9 * torch.nn.functional.one_hot(torch.zeros(1, 2, 2, dtype=torch.long), 5).permute(0, 3, 1, 2).float()
    valid = torch.tensor([[[True, False], [False, True]]])
    labels = pseudo_labels(logits, valid=valid, confidence=0.0, ignore_index=IGNORED)
    assert labels.tolist() == [[[0, IGNORED], [IGNORED, 0]]]


def test_answers_are_pasted_where_their_pixels_are() -> None:
    """Each pixel carries its own number through, whatever its colour becomes."""
    strong = StrongViews(PIXELS, seed=(4,))
    numbers = torch.arange(3 * 16 * 16).reshape(3, 16, 16)
    moved = strong.pasted(numbers)
    assert not torch.equal(moved, numbers)
    flat = PIXELS.reshape(-1, 3)
    expected = flat[moved.reshape(-1)].reshape(PIXELS.shape)
    assert torch.equal(strong.pasted(PIXELS), expected)
    for at, (rows, columns) in enumerate(strong.rectangles):
        inside = torch.zeros(16, 16, dtype=torch.bool)
        inside[rows, columns] = True
        assert torch.equal(moved[at] // 256 == (at + 1) % 3, inside)


def test_the_same_seed_draws_the_same_strong_views_and_leaves_the_weak_ones_alone() -> None:
    before = PIXELS.clone()
    first, second, other = (StrongViews(PIXELS, seed=seed).images for seed in ((1, 2), (1, 2), (1, 3)))
    assert torch.equal(PIXELS, before)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_views_of_other_bands_are_made_stronger_too() -> None:
    """Two bands that are no colours, of 16 bits: pasted and changed, within their range and in their type."""
    deep = BandSet(("nir", "height"), depth="uint16")
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 60_000, (2, 16, 16, 2), dtype=np.uint16))
    strong = StrongViews(images, seed=(1,), bands=deep).images
    assert (strong.shape, strong.dtype) == (images.shape, images.dtype)
    assert not torch.equal(strong, images)


def test_the_copy_sees_weak_views_in_eval_mode_and_the_student_strong_ones() -> None:
    seen: dict[str, Tensor] = {}

    class Watching(Linear):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.normal = name, nn.BatchNorm2d(3)

        def forward(self, pixels: Tensor) -> Tensor:
            assert self.training == (self.name == "student")
            seen[self.name] = pixels
            return super().forward(self.normal(pixels))

    term(Watching("averaged").train(), Watching("student").train())
    assert torch.equal(seen["averaged"], normalise(PIXELS))
    assert torch.equal(seen["student"], normalise(StrongViews(PIXELS, seed=(1, 2)).images))


def test_a_run_learns_from_its_average_as_it_moves(
    make_task: MakeTask, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers is the average of the weights so far, which is what the run validates and ships."""
    answered: list[Tensor] = []
    real = steps.consistency_term

    def watched(**given: Any) -> Tensor:
        answered.append(next(given["averaged"].parameters()).detach().clone())
        return real(**given)

    monkeypatch.setattr(steps, "consistency_term", watched)
    task = make_task(epochs=2, ema=0.5, consistency=1.0, confidence=0.3)
    collector.run(task, tmp_path)
    assert len(answered) == 8
    assert not torch.equal(answered[0], answered[-1])
    assert not torch.equal(answered[-1], next(task.model.parameters()))
    assert all("consistency" in event.losses for event in collector.of(EpochEvent))
    assert any(event.losses["consistency"] > 0 for event in collector.of(EpochEvent))


def test_pictures_without_labels_are_learned_from(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    scenes = [replace(tiny_scene(1), mask=None)]
    sampler = ViewSampler(scenes, crop=32, scale=(1.0, 1.0), colour=0.2, ignore_index=IGNORED, seed=0)
    task = replace(make_task(epochs=1, ema=0.5, consistency=1.0, confidence=0.0), sampler=sampler)
    batch = next(epoch_batches(sampler, epoch=0, views=4, batch_size=4))
    assert int(batch.labels.min()) > IGNORED, "none has a label"
    before = [parameter.clone() for parameter in task.model.parameters()]
    collector.run(task, tmp_path)
    assert any(not torch.equal(*pair) for pair in zip(before, task.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"consistency": 1.0}, "EMA decay"),
        ({"consistency": 1.0, "ema": 0.9, "devices": 2}, "one device"),
        ({"consistency": -1.0, "ema": 0.9}, "from 0 to 100"),
        ({"confidence": 1.5}, "from 0 to 1"),
    ],
)
def test_what_it_cannot_have_is_refused(train: dict[str, Any], words: str) -> None:
    found = RunConfig(kind="train", train=TrainConfig(**train)).problems()
    assert any(words in problem for problem in found)


def test_a_control_keeps_what_needs_no_teacher() -> None:
    """Otherwise a gain of consistency would pass for one of the teacher."""
    config = RunConfig(
        data=DataConfig(transfer="samples"), train=TrainConfig(consistency=1.0, ema=0.9), distill=DistillConfig()
    )
    control = config.as_control("run").validate()
    assert (control.train, control.data) == (config.train, config.data)
    plain = replace(config, train=TrainConfig()).as_control("run").validate()
    assert plain.data.transfer is None
