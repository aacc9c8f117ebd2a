"""Latency: warm-up left out, models in turns, settings put back."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.benchmark.latency import compare, measure
from core.errors import ConfigError

CPU = torch.device("cpu")


class Timed(nn.Module):
    """Says who ran in `calls`, and makes the clock go on by the next of `durations` seconds."""

    def __init__(self, name: str, durations: list[float], now: list[float], calls: list[str]) -> None:
        super().__init__()
        self.name, self.durations, self.now, self.calls = name, iter(durations), now, calls

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        self.calls.append(self.name)
        self.now[0] += next(self.durations)
        return images


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def clock(now: list[float]) -> Callable[[], float]:
    return lambda: now[0]


def test_percentiles_are_of_the_passes_after_the_warm_up(now: list[float], clock: Callable[[], float]) -> None:
    durations = [0.010, 0.020, 0.030, 0.040, 0.100]
    model = Timed("a", [9.0, 9.0, *durations], now, [])
    found = measure(model, size=100, batch=2, device=CPU, repeats=5, warmup=2, clock=clock)
    assert found.median_ms == pytest.approx(30)
    assert found.mean_ms == pytest.approx(40)
    assert found.p95_ms == pytest.approx(1000 * np.percentile(durations, 95))
    assert found.megapixels_per_second == pytest.approx(2 * 100 * 100 / 1e6 / 0.030)
    assert (found.size, found.batch) == (100, 2)


def test_models_take_turns(now: list[float], clock: Callable[[], float]) -> None:
    calls: list[str] = []
    models = {name: Timed(name, [0.001] * 4, now, calls) for name in "ab"}
    compare(models, size=8, device=CPU, repeats=3, warmup=1, clock=clock)
    assert calls == ["a", "b"] * 4


def test_threads_and_mode_are_put_back() -> None:
    before = torch.get_num_threads()
    model = nn.Conv2d(3, 2, 1).train()
    found = measure(model, size=16, device=CPU, repeats=2, warmup=0, threads=before + 1)
    assert found.threads == before + 1
    assert torch.get_num_threads() == before
    assert model.training
    assert found.median_ms > 0


@pytest.mark.parametrize("option", ["size", "batch", "repeats", "threads"])
def test_counts_below_one_are_refused_by_name(option: str) -> None:
    with pytest.raises(ConfigError, match=option.capitalize()):
        measure(nn.Identity(), device=CPU, **{option: 0})
