"""A control is the same run without a teacher, in the same time: else a gain means nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core import checkpoint
from core.config import DistillConfig, RunConfig
from core.errors import ConfigError
from core.runs import execution
from core.train.loop import Outcome, Task
from tests.unit.runs.execution.kit import TRAIN, run, weights


def test_a_control_has_the_seconds_of_the_run_it_controls_for(
    labels: RunConfig, runs: Path, caught: list[Task]
) -> None:
    run(replace(labels, control_of="taught"), runs, "control")
    assert caught[0].config.train.match_seconds == 123.5
    assert caught[0].teacher_outputs is None


def test_a_run_that_controls_for_nothing_has_no_budget(labels: RunConfig, runs: Path, caught: list[Task]) -> None:
    run(labels, runs, "one")
    assert caught[0].config.train.match_seconds is None


def test_the_seconds_of_the_teachers_cache_are_in_the_budget(
    distilled: RunConfig, labels: RunConfig, runs: Path, caught: list[Task]
) -> None:
    assert distilled.distill is not None
    cached = replace(distilled, distill=replace(distilled.distill, cache_views=1))
    summary = run(cached, runs, "parent")
    assert summary["cache_seconds"] > 0
    run(replace(labels, control_of="parent"), runs, "control")
    assert caught[1].config.train.match_seconds == pytest.approx(60.0 + summary["cache_seconds"])


def test_a_control_starts_from_the_same_weights_and_sees_the_same_views(
    distilled: RunConfig, labels: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[tuple[Tensor, bytes]] = []

    def fit(task: Task, **_: object) -> Outcome:
        start = torch.cat([p.detach().flatten().clone() for p in task.model.parameters()])
        starts.append((start, task.sampler.batch(3, range(4))[0].tobytes()))
        return Outcome(task.model.state_dict(), {}, 0.5, 1, 1, 60.0, False)

    monkeypatch.setattr(execution, "fit", fit)
    run(distilled, runs, "one")
    run(replace(labels, control_of="one"), runs, "control")
    run(replace(labels, train=replace(TRAIN, seed=1)), runs, "other")
    assert torch.equal(starts[0][0], starts[1][0])
    assert starts[0][1] == starts[1][1]
    assert not torch.equal(starts[0][0], starts[2][0])
    assert starts[0][1] != starts[2][1]


def test_a_control_of_a_run_that_left_no_model_is_refused_in_plain_words(labels: RunConfig, runs: Path) -> None:
    with pytest.raises(ConfigError, match="left no student: retry that run first"):
        run(replace(labels, control_of="nowhere"), runs, "control")


def test_more_alpha_than_the_teacher_can_matter_is_the_control(
    distilled: RunConfig, labels: RunConfig, runs: Path
) -> None:
    """With alpha 1 a distillation is a run on labels alone, to the bit."""
    run(replace(distilled, distill=DistillConfig(teacher="taught", alpha=1.0)), runs, "one")
    run(labels, runs, "labels")
    assert torch.equal(weights(runs, "one"), weights(runs, "labels"))


def test_a_budget_of_seconds_holds_the_teachers_cache_too(distilled: RunConfig, runs: Path, caught: list[Task]) -> None:
    assert distilled.distill is not None
    distill = replace(distilled.distill, cache_views=1)
    summary = run(replace(distilled, distill=distill, train=replace(TRAIN, match_seconds=100.0)), runs, "one")
    assert caught[0].config.train.match_seconds == pytest.approx(100.0 - summary["cache_seconds"])
    card = checkpoint.load_card(runs / "one" / "student")
    assert card.training["match_seconds"] == 100.0, "the card holds what was asked for"
