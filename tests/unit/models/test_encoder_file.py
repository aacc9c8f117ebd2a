"""Weights of an encoder from a file land where timm has them, whatever the bands; other files are one sentence each."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import adapt_input_conv
from torch import nn

from core.config import ModelConfig
from core.errors import ModelError
from core.models import build_model, without_pretraining

NAMES = ("resnet18", "convnext_atto", "mobilenetv3_small_050")


def encoder(name: str, weights: Path | str, *, inputs: int = 3) -> nn.Module:
    config = ModelConfig("smp", {"architecture": "Unet", "encoder": name, "weights": str(weights)})
    found = build_model(config, outputs=4, inputs=inputs).network.encoder  # type: ignore[union-attr]
    assert isinstance(found, nn.Module)
    return found


def saved(path: Path, name: str, prefix: str = "", **options: object) -> tuple[Path, nn.Module]:
    torch.manual_seed(1)
    model = timm.create_model(name, **options).eval()
    save_file({prefix + key: tensor.contiguous() for key, tensor in model.state_dict().items()}, path)
    return path, model


@pytest.mark.parametrize("name", NAMES)
def test_features_are_those_of_timm_with_the_same_file(tmp_path: Path, name: str) -> None:
    path, model = saved(tmp_path / "w.safetensors", name)
    image = torch.randn(1, 3, 64, 64)
    own = timm.create_model(name, features_only=True).eval()
    expected = {key.replace(".", "_"): tensor for key, tensor in model.state_dict().items()}
    own.load_state_dict({key: expected[key.replace(".", "_")] for key in own.state_dict()})
    with torch.no_grad():
        torch.testing.assert_close(encoder(f"tu-{name}", path).eval()(image)[-1], own(image)[-1])


@pytest.mark.parametrize(("inputs", "prefix"), [(1, ""), (2, "encoder."), (4, "backbone."), (6, "")])
def test_other_bands_are_adapted_as_timm_does_it(tmp_path: Path, inputs: int, prefix: str) -> None:
    path, model = saved(tmp_path / "w.safetensors", "resnet18", prefix)
    first = encoder("tu-resnet18", path, inputs=inputs).state_dict()["model.conv1.weight"]
    torch.testing.assert_close(first, adapt_input_conv(inputs, model.state_dict()["conv1.weight"]))


def test_weights_of_as_many_bands_are_taken_as_they_are_and_by_names_of_smp_too(tmp_path: Path) -> None:
    path, model = saved(tmp_path / "w.safetensors", "resnet18", in_chans=13)
    for name, key in (("tu-resnet18", "model.conv1.weight"), ("resnet18", "conv1.weight")):
        found = encoder(name, path, inputs=13).state_dict()[key]
        assert torch.equal(found, model.state_dict()["conv1.weight"])
    with pytest.raises(ModelError, match="sees 13 bands and the pictures have 4"):
        encoder("tu-resnet18", path, inputs=4)


@pytest.mark.parametrize("prefix", ["", "model.backbone.", "model.encoder.", "model.encoder.model."])
def test_weights_of_torchgeo_for_thirteen_bands_are_taken_by_its_names(tmp_path: Path, prefix: str) -> None:
    """Its ResNets for Sentinel-2 are timm's with `in_chans=13`, and come without a classifier."""
    _, model = saved(tmp_path / "whole.safetensors", "resnet18", in_chans=13)
    kept = {prefix + key: tensor for key, tensor in model.state_dict().items() if not key.startswith("fc.")}
    kept[f"{prefix[: -len('encoder.')] if 'encoder' in prefix else ''}criterion.weight"] = torch.ones(13)
    save_file(kept, tmp_path / "moco.safetensors")
    found = encoder("tu-resnet18", tmp_path / "moco.safetensors", inputs=13).state_dict()
    for key, tensor in model.state_dict().items():
        assert key.startswith("fc.") or torch.equal(found[f"model.{key}"], tensor)


def test_a_card_needs_no_file(tmp_path: Path) -> None:
    config = ModelConfig("smp", {"architecture": "Unet", "encoder": "tu-resnet18", "weights": str(tmp_path / "gone")})
    assert config.weights_file is not None
    assert without_pretraining(config).weights_file is None


def pickled(folder: Path) -> Path:
    (folder / "w.pth").write_bytes(pickle.dumps({}))
    return folder / "w.pth"


def half(folder: Path) -> Path:
    path, _ = saved(folder / "w.safetensors", "resnet18")
    path.write_bytes(path.read_bytes()[:1000])
    return path


def broken(folder: Path) -> Path:
    path, model = saved(folder / "w.safetensors", "resnet18")
    save_file(model.state_dict() | {"bn1.weight": torch.full((64,), torch.nan)}, path)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (pickled, "never opened"),
        (lambda folder: folder / "none.safetensors", "no file"),
        (half, "no whole safetensors file"),
        (broken, "no numbers"),
        (lambda folder: saved(folder / "w.safetensors", "mobilenetv3_small_050")[0], "another network"),
        (lambda folder: saved(folder / "w.safetensors", "resnet26")[0], "do not fit"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    with pytest.raises(ModelError, match=words) as refusal:
        encoder("tu-resnet18", make(tmp_path))
    assert str(tmp_path) not in str(refusal.value)
