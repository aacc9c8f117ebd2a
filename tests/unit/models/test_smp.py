"""Any model of segmentation-models-pytorch by name, for pictures of any size; a wrong name is one clear sentence."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch

from core.config import ModelConfig
from core.errors import ModelError
from core.models import build_model, without_pretraining
from core.models.smp import build_smp


def build(**arguments: Any) -> torch.nn.Module:
    return build_model(ModelConfig("smp", arguments), outputs=4)


@pytest.mark.parametrize(
    ("architecture", "encoder"), [("Unet", "resnet18"), ("FPN", "mobilenet_v2"), ("unet", "tu-tf_efficientnet_lite0")]
)
@pytest.mark.parametrize("size", [(1, 1), (33, 70)])
def test_any_size_goes_in_and_comes_out(architecture: str, encoder: str, size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = build(architecture=architecture, encoder=encoder).eval()(torch.randn(1, 3, *size))
    assert logits.shape == (1, 4, *size)
    assert torch.isfinite(logits).all()


def test_lists_as_json_has_them_are_taken_for_tuples() -> None:
    narrow = build(architecture="Unet", encoder="resnet18", decoder_channels=[32, 16, 8, 8, 4])
    assert narrow.network.segmentation_head[0].in_channels == 4  # type: ignore[union-attr,index]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"architecture": "Nope", "encoder": "resnet18"}, "unetplusplus"),
        ({"architecture": "Unet", "encoder": "resnt18"}, "resnet18"),
        ({"architecture": "Unet", "encoder": "zzzz"}, "zzzz"),
        ({"architecture": "Unet", "encoder": "tu-nope"}, "nope"),
        ({"architecture": "Unet", "encoder": "resnet18", "weights": "nope"}, "imagenet"),
        ({"architecture": "Unet", "encoder": "resnet18", "weights": "package"}, "tu-tf_efficientnet_lite0"),
        ({"architecture": "Unet", "encoder": "resnet18", "decoder_channels": [1, 2]}, "decoder_channels"),
        ({"architecture": "Unet", "encoder": "resnet18", "in_channels": 4}, "in_channels"),
        ({"architecture": "Unet"}, "encoder"),
        ({"encoder": "resnet18"}, "architecture"),
        ({"architecture": 3, "encoder": "resnet18"}, "3"),
        ({"architecture": "Unet", "encoder": 3}, "3"),
    ],
)
def test_what_cannot_be_built_is_told_in_a_line_that_names_what_can(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ModelError, match=named) as caught:
        build(**arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert ".. " not in str(caught.value)


def test_a_card_rebuilds_it_without_fetching_weights() -> None:
    config = ModelConfig("smp", {"architecture": "Unet", "encoder": "resnet18", "weights": "imagenet"})
    assert without_pretraining(config) == ModelConfig("smp", {"architecture": "Unet", "encoder": "resnet18"})
    assert config.arguments["weights"] == "imagenet"


@pytest.mark.parametrize("encoder", ["tu-hf-hub:evil/x", "tu-hf_hub:evil/x", "tu-local-dir:/etc", "tu-../x", "tu-a\\b"])
def test_an_encoder_is_no_place_on_a_hub_or_this_machine(encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smp, "create_model", lambda *_, **__: pytest.fail("a library was asked"))
    with pytest.raises(ModelError, match="without a place"):
        build_smp(outputs=2, architecture="Unet", encoder=encoder)


@pytest.mark.parametrize(
    "setting", ["checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "swirl"]
)
def test_settings_that_an_architecture_has_not_never_reach_what_opens_files(setting: str) -> None:
    with pytest.raises(ModelError, match=f"no setting {setting}"):
        build_smp(outputs=2, architecture="unet", encoder="tu-resnet18", **{setting: "/tmp/evil.pth"})
