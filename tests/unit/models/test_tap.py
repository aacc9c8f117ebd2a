"""Features are those of the module that was named, and the hook is gone afterwards."""

import pytest
import torch
from torch import nn

from core.config import ModelConfig
from core.errors import ModelError
from core.models import build_model
from core.models.tap import Tap, channels

UNET = ModelConfig("unet", {"base": 2})
SMP = ModelConfig("smp", {"architecture": "Unet", "encoder": "resnet18"})


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_it_gives_what_the_module_gave() -> None:
    model = build_model(UNET, outputs=5).eval()
    images = torch.randn(2, 3, 32, 48)
    with Tap(model, "encoder.0") as tap:
        model(images)
        found = tap.take()
    torch.testing.assert_close(found, model.encoder[0](images))  # type: ignore[index, operator]
    assert found.requires_grad, "a loss on features must reach the student"


@pytest.mark.parametrize(("config", "shape"), [(UNET, (1, 32, 4, 4)), (SMP, (1, 512, 2, 2))])
def test_without_a_name_it_is_the_deepest_of_the_encoder(config: ModelConfig, shape: tuple[int, ...]) -> None:
    model = build_model(config, outputs=5).eval()
    with Tap(model) as tap:
        model(torch.randn(1, 3, 64, 64))
        assert tap.take().shape == shape
    assert channels(model) == shape[1]


def test_no_hook_is_left_whatever_happens() -> None:
    model = build_model(UNET, outputs=5)

    def fail() -> None:
        with Tap(model):
            assert hooks(model) == 1
            model(torch.randn(1, 4, 32, 32))

    with pytest.raises(RuntimeError):
        fail()
    channels(model)
    assert hooks(model) == 0


def test_features_are_given_once() -> None:
    model = build_model(UNET, outputs=5)
    with Tap(model) as tap:
        model(torch.randn(2, 3, 32, 32))
        tap.take()
        with pytest.raises(AssertionError, match="no forward pass"):
            tap.take()


def test_counting_channels_leaves_the_model_as_it_was() -> None:
    model = build_model(UNET, outputs=5).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    channels(model)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_name_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"no module encodr\.4.*encoder\.4"):
        Tap(build_model(UNET, outputs=5), "encodr.4")
    with pytest.raises(ModelError, match="choose losses on logits, or name the module"):
        Tap(nn.Sequential(nn.Conv2d(3, 3, 1)))
    with pytest.raises(ModelError, match=r"\(--teacher-layer\)\.$"):
        Tap(nn.Conv2d(3, 3, 1))
