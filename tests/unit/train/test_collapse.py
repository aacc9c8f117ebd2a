"""A model that calls everything one class is found out, and the person is told what to try."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from core.train.events import MessageEvent
from core.train.loop import Task

MakeTask = Callable[..., Task]


def one_class_only(task: Task) -> Task:
    """The same task with a model that says class 2 whatever it sees, and hardly learns otherwise."""
    with torch.no_grad():
        head = task.model.head
        head.weight.zero_()  # type: ignore[union-attr,operator]
        head.bias.copy_(torch.tensor([0.0, 0.0, 1000.0, 0.0, 0.0]))  # type: ignore[union-attr,operator]
    return task


def test_a_collapse_is_told_once_with_advice(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    outcome = ear.run(one_class_only(make_task(epochs=3, learning_rate=1e-9)), tmp_path)
    (warning,) = [event for event in ear.of(MessageEvent) if event.level == "warning"]
    assert "Collapsed: after epoch 1" in warning.text
    assert "Road" in warning.text
    assert "lower learning rate" in warning.text
    assert outcome.collapsed


def test_one_class_in_the_first_quarter_is_no_collapse_yet(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    ear.run(one_class_only(make_task(epochs=8, learning_rate=1e-9)), tmp_path)
    (warning,) = [event for event in ear.of(MessageEvent) if event.level == "warning"]
    assert "Collapsed: after epoch 2" in warning.text


def test_a_run_whose_numbers_explode_is_called_collapsed(make_task: MakeTask, ear: Any, tmp_path: Path) -> None:
    task = make_task(epochs=1)
    with torch.no_grad():
        task.model.head.bias.fill_(math.nan)  # type: ignore[union-attr,operator]
    assert ear.run(task, tmp_path).collapsed
