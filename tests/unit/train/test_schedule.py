"""The learning rate is a curve one can draw from the settings alone; weight decay touches only what it should."""

from itertools import pairwise
from typing import Literal

import pytest
import torch
from torch import nn

from core.config import ModelConfig, TrainConfig
from core.models import build_model
from core.train.schedule import build_optimiser, learning_rate

Schedule = Literal["one-cycle", "cosine"]
PEAK = 0.02


def curve(schedule: Schedule, steps: int) -> list[float]:
    config = TrainConfig(learning_rate=PEAK, schedule=schedule)
    return [learning_rate(config, step, steps) for step in range(steps)]


@pytest.mark.parametrize(("schedule", "peak_at"), [("one-cycle", 0.25), ("cosine", 0.02)])
def test_it_climbs_from_a_25th_to_the_peak_and_falls_to_a_1000th(schedule: Schedule, peak_at: float) -> None:
    rates = curve(schedule, 1001)
    top = round(1000 * peak_at)
    assert rates[0] == pytest.approx(PEAK / 25)
    assert rates[top] == pytest.approx(PEAK)
    assert rates[-1] == pytest.approx(PEAK / 1000)
    assert max(rates) <= PEAK * (1 + 1e-12)
    assert all(a < b for a, b in pairwise(rates[: top + 1]))
    assert all(a > b for a, b in pairwise(rates[top:]))


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_it_never_jumps(schedule: Schedule) -> None:
    """Twice the steps, half the largest difference between two of them: so there is no jump between the pieces."""

    def largest(steps: int) -> float:
        return max(abs(a - b) for a, b in pairwise(curve(schedule, steps)))

    assert largest(20_001) == pytest.approx(largest(10_001) / 2, rel=0.05)


def test_the_middle_of_the_cosine_is_the_mean_rate() -> None:
    rates = curve("one-cycle", 801)
    assert rates[500] == pytest.approx((PEAK + PEAK / 1000) / 2)
    assert rates[100] == pytest.approx((PEAK + PEAK / 25) / 2)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_run_of_few_steps_has_usable_rates(schedule: Schedule, steps: int) -> None:
    assert all(PEAK / 1001 < rate <= PEAK for rate in curve(schedule, steps))


def test_weight_decay_is_on_weights_and_not_on_biases_and_norms() -> None:
    model = build_model(ModelConfig("unet", {"base": 2}), outputs=5)
    optimiser = build_optimiser(model, TrainConfig(weight_decay=0.1))
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            convolution = isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
            assert decay[id(parameter)] == (0.1 if convolution and name == "weight" else 0.0)


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    held = {id(p) for group in build_optimiser(model, TrainConfig()).param_groups for p in group["params"]}
    assert held == {id(p) for p in model[1].parameters()}


def test_a_step_goes_down_the_slope() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimiser = build_optimiser(model, TrainConfig(learning_rate=1e-2))
    inputs = torch.randn(8, 3)
    before = model(inputs).square().mean()
    before.backward()
    optimiser.step()
    assert model(inputs).square().mean() < before
