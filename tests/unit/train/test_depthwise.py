"""Some depthwise convolutions leave autocast; what they compute, and what is saved, stays the same."""

import copy

import pytest
import torch
from torch import nn

from core.config import ModelConfig
from core.models import build_model
from core.train.compiling import keep_in_float32

LITE = ModelConfig("smp", {"architecture": "Unet", "encoder": "tu-tf_efficientnet_lite0", "decoder_channels": [8] * 5})


def depthwise(size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(8, 8, size, stride=stride, padding=size // 2, groups=8)


@pytest.mark.parametrize(("size", "stride", "slow"), [(3, 1, 0), (3, 2, 1), (5, 1, 1), (5, 2, 1)])
def test_only_those_that_bfloat16_slows_down(size: int, stride: int, slow: int) -> None:
    assert keep_in_float32(nn.Sequential(depthwise(size, stride), nn.Conv2d(8, 8, 5, stride=2))) == slow


def test_under_autocast_they_compute_in_float32_and_give_back_what_flowed_in() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(depthwise(5, 2))
    kept = copy.deepcopy(plain)
    keep_in_float32(kept)
    images = torch.randn(2, 8, 16, 16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = kept(images)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, plain(images.float()).bfloat16())


def test_a_real_encoder_learns_the_same_and_is_saved_under_the_same_names() -> None:
    torch.manual_seed(0)
    plain = build_model(LITE, outputs=5).eval()
    kept = copy.deepcopy(plain)
    assert keep_in_float32(kept) == 11
    images = torch.randn(1, 3, 64, 64)
    for model in (plain, kept):
        model(images).square().mean().backward()
    assert plain.state_dict().keys() == kept.state_dict().keys()
    for (name, one), other in zip(plain.named_parameters(), kept.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)


def test_a_copy_has_weights_of_its_own() -> None:
    """Averaged weights are kept in a copy of the model, which must not look at the original's."""
    model = nn.Sequential(depthwise(5, 1))
    keep_in_float32(model)
    other = copy.deepcopy(model)
    images = torch.randn(1, 8, 9, 9)
    before = other(images)
    nn.init.zeros_(model[0].weight)  # type: ignore[arg-type]
    assert torch.equal(other(images), before)
