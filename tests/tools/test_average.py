"""Averaged weights: each model by its share, and only models that are one network."""

from dataclasses import replace

import pytest
import torch

from core.checkpoint import Loaded, ModelCard
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.errors import ConfigError
from core.models import build_model
from tools.average import averaged


def loaded(seed: int, base: int = 2) -> Loaded:
    torch.manual_seed(seed)
    config = ModelConfig("compact", {"base": base})
    model = build_model(config, outputs=AERIAL.outputs).train()
    model(torch.randn(2, 3, 64, 64))
    card = ModelCard(f"model {seed}", config, AERIAL, (127.0,) * 3, (128.0,) * 3, parameters=1, macs_256=1)
    return Loaded(model.eval(), card)


def test_each_weight_and_statistic_is_the_mean_by_shares() -> None:
    one, other = loaded(0), loaded(1)
    found = averaged([one, other], [0.25, 0.75])
    assert set(found) == set(one.model.state_dict())
    for key, value in found.items():
        ours, theirs = one.model.state_dict()[key], other.model.state_dict()[key]
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.25 * ours + 0.75 * theirs)
        else:
            assert torch.equal(value, theirs)
    for at in (0, 1):
        alone = averaged([one, other], [1.0 - at, float(at)])
        torch.testing.assert_close(alone, (one, other)[at].model.state_dict())


@pytest.mark.parametrize("shares", [[0.5, 0.6], [1.5, -0.5], [1.0]])
def test_shares_sum_to_one(shares: list[float]) -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        averaged([loaded(0), loaded(1)], shares)


def test_another_network_or_other_classes_are_refused() -> None:
    other = loaded(1)
    renamed = replace(other, card=replace(other.card, classes=replace(AERIAL, names=("A", "B", "C", "D", "E", "F"))))
    for wrong in (loaded(1, base=4), renamed):
        with pytest.raises(ConfigError, match="another network"):
            averaged([loaded(0), wrong], [0.5, 0.5])
