"""A model that calls everything one class is found out, and the person is told what to try."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.events import COLLAPSED, EpochEvent, MessageEvent
from core.train import loop
from core.train.loop import Task
from core.train.validate import Validation

MakeTask = Callable[..., Task]


def one_class_only(task: Task) -> Task:
    """The same task with a model that says class 2 whatever it sees, and hardly learns otherwise."""
    with torch.no_grad():
        head = task.model.head
        head.weight.zero_()  # type: ignore[union-attr,operator]
        head.bias.copy_(torch.tensor([0.0, 0.0, 1000.0, 0.0, 0.0]))  # type: ignore[union-attr,operator]
    return task


def test_a_collapse_is_told_once_with_advice(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    outcome = collector.run(one_class_only(make_task(epochs=3, learning_rate=1e-9)), tmp_path)
    (warning,) = [event for event in collector.of(MessageEvent) if event.level == "warning"]
    assert "Collapsed: after epoch 1" in warning.text
    assert "Road" in warning.text
    assert "lower learning rate" in warning.text
    assert outcome.collapsed


def test_one_class_in_the_first_quarter_is_no_collapse_yet(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    collector.run(one_class_only(make_task(epochs=8, learning_rate=1e-9)), tmp_path)
    (warning,) = [event for event in collector.of(MessageEvent) if event.level == "warning"]
    assert "Collapsed: after epoch 2" in warning.text


def test_every_validation_tells_whether_the_model_is_collapsed(
    make_task: MakeTask, collector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model may recover, and collapse again: it is warned of anew."""
    validate, found = loop.validate, iter(["Road", None, "Land"])

    def pretend(*given: Any) -> Validation:
        return replace(validate(*given), only_class=next(found))

    monkeypatch.setattr(loop, "validate", pretend)
    collector.run(make_task(epochs=3), tmp_path)
    assert [event.collapsed for event in collector.of(EpochEvent)] == [True, False, True]
    assert len([event for event in collector.of(MessageEvent) if event.text.startswith(COLLAPSED)]) == 2


def test_a_run_whose_numbers_explode_is_called_collapsed(make_task: MakeTask, collector: Any, tmp_path: Path) -> None:
    task = make_task(epochs=1)
    with torch.no_grad():
        task.model.head.bias.fill_(math.nan)  # type: ignore[union-attr,operator]
    assert collector.run(task, tmp_path).collapsed
