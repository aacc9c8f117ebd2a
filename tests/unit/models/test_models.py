"""Models by name, and what they cost."""

import pytest
import torch
from torch import nn

from core.config import ModelConfig
from core.errors import ModelError
from core.models import HEADS, MODELS, build_model, count_macs, count_parameters, with_weights


def test_an_unknown_architecture_names_those_that_exist() -> None:
    with pytest.raises(ModelError, match=f"There is no architecture vit; there are {', '.join(MODELS)}"):
        build_model(ModelConfig("vit"), outputs=5)


@pytest.mark.parametrize("arguments", [{"base": 4, "depth": 3}, {}, {"base": "wide"}, {"base": 4, "outputs": 3}])
def test_arguments_that_do_not_belong_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="does not take these arguments"):
        build_model(ModelConfig("unet", arguments), outputs=5)


def test_a_seed_gives_the_same_model_again() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build_model(ModelConfig(), outputs=5).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_macs_of_a_convolution_by_hand() -> None:
    """8 outputs x 3 inputs x 3 x 3 for each of 64 x 64 pixels; at stride 2 for a quarter of them."""
    assert count_macs(nn.Conv2d(3, 8, 3, padding=1), size=64) == 8 * 3 * 9 * 64 * 64
    assert count_macs(nn.Conv2d(3, 8, 3, padding=1, stride=2), size=64) == 8 * 3 * 9 * 32 * 32
    assert count_macs(nn.ConvTranspose2d(3, 8, 2, stride=2), size=64) == 8 * 3 * 4 * 64 * 64


def test_macs_of_the_unets_are_those_worked_out_layer_by_layer() -> None:
    """Two 3 x 3 convolutions a level and way, 2 x 2 upsamplings, a 1 x 1 head, on 256 pixels halved by level."""

    def by_hand(base: int) -> int:
        widths = [base * 2**level for level in range(5)]
        pixels = [(256 >> level) ** 2 for level in range(5)]
        down = sum(9 * (i * o + o * o) * p for i, o, p in zip([3, *widths], widths, pixels, strict=False))
        up = sum(
            4 * widths[level + 1] * widths[level] * pixels[level + 1]
            + 9 * (2 * widths[level] * widths[level] + widths[level] ** 2) * pixels[level]
            for level in range(4)
        )
        return down + up + base * 5 * pixels[0]

    for base in (2, 4, 16):
        assert count_macs(build_model(ModelConfig("unet", {"base": base}), outputs=5)) == by_hand(base)


def test_counting_leaves_the_model_as_it_was() -> None:
    model = build_model(ModelConfig("unet", {"base": 2}), outputs=5)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    frozen = model.encoder[0].eval()  # type: ignore[union-attr,index]
    count_macs(model, size=32)
    assert model.training
    assert not frozen.training, "a part that was kept in eval mode was switched to training"
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_parameters_are_counted_whether_they_learn_or_not() -> None:
    model = nn.Linear(3, 2).requires_grad_(False)
    assert count_parameters(model) == 3 * 2 + 2


SMP = {"architecture": "Unet", "encoder": "tu-tf_efficientnet_lite0", "decoder_channels": [32, 16, 8, 8, 8]}


@pytest.mark.parametrize(("name", "arguments"), [("compact", {"base": 2}), ("unet", {"base": 2}), ("smp", SMP)])
def test_with_weights_for_other_classes_the_head_is_fresh_and_the_rest_equal(
    name: str, arguments: dict[str, object]
) -> None:
    config = ModelConfig(name, arguments)
    trained, model = build_model(config, outputs=5), build_model(config, outputs=3)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    found = with_weights(model, trained).state_dict()
    heads = {key for key in found if key.startswith(HEADS)}
    assert heads
    for key, value in found.items():
        assert torch.equal(value, (fresh if key in heads else trained.state_dict())[key]), key
