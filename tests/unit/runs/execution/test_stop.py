"""A run that is stopped anywhere, in its teacher's cache too, ends as if it had not been."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.config import DistillConfig, RunConfig
from core.events import CancelledError, MessageEvent
from tests.unit.event_collector import EventCollector
from tests.unit.runs.execution.kit import TRAIN, run, save_model, weights


@pytest.mark.parametrize(("cache_views", "stop_at"), [(0, 3), (1, 2), (1, 5), (2, 4)])
def test_stopped_and_resumed_it_ends_as_if_it_had_not_been(
    distilled: RunConfig, runs: Path, cache_views: int, stop_at: int
) -> None:
    """Stopped while it fills its cache or while it trains."""
    config = replace(distilled, distill=DistillConfig(teacher="taught", cache_views=cache_views))
    whole = run(config, runs, "whole")
    with pytest.raises(CancelledError):
        run(config, runs, "stopped", EventCollector(stop_at=stop_at))
    assert not (runs / "stopped" / "student.json").exists()
    resumed = run(config, runs, "stopped")
    assert torch.equal(weights(runs, "whole"), weights(runs, "stopped"))
    timed = {"train_seconds", "cache_seconds"}
    assert {k: v for k, v in whole.items() if k not in timed} == {k: v for k, v in resumed.items() if k not in timed}


def test_a_stopped_cache_is_not_filled_again_from_the_start(distilled: RunConfig, runs: Path) -> None:
    config = replace(distilled, distill=DistillConfig(teacher="taught", cache_views=2))
    with pytest.raises(CancelledError):
        run(config, runs, "one", EventCollector(stop_at=4))
    collector = EventCollector()
    run(config, runs, "one", collector)
    told = [event.text for event in collector.of(MessageEvent) if event.text.startswith("Stored")]
    assert len(told) == 1
    assert "2 of 2" in told[0]


def test_a_teacher_that_was_trained_again_is_asked_again(distilled: RunConfig, runs: Path) -> None:
    """The cache knows the teacher by more than its name."""
    config = replace(distilled, distill=DistillConfig(teacher="taught", cache_views=1))
    with pytest.raises(CancelledError):
        run(config, runs, "one", EventCollector(stop_at=4))
    assert (runs / "one" / "teacher_cache.logits").exists()
    (runs / "one" / "last.ckpt" / "state.safetensors").unlink(missing_ok=True)
    save_model(runs / "taught" / "student", base=4, seed=6)
    run(config, runs, "one")
    run(config, runs, "twin")
    assert torch.equal(weights(runs, "one"), weights(runs, "twin"))


def test_the_seed_decides_and_the_run_id_does_not(distilled: RunConfig, runs: Path) -> None:
    for name, seed in (("one", 0), ("twin", 0), ("other", 1)):
        run(replace(distilled, train=replace(TRAIN, seed=seed)), runs, name)
    assert torch.equal(weights(runs, "one"), weights(runs, "twin"))
    assert not torch.equal(weights(runs, "one"), weights(runs, "other"))
