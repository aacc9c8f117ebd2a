"""An exported graph answers as PyTorch does, for any size and batch, from plain bytes."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import ModelConfig
from core.errors import ExportError
from core.export.graph import padding_multiple, with_ends
from core.export.parity import logits
from core.export.session import OnnxModel
from core.models import build_model

from .conftest import CARD, Pair, make_pair, pictures, random_unet, random_unshuffled

SIZES = [(1, 64, 64), (2, 97, 61), (1, 1, 1), (3, 16, 130)]


def expect_equal(pair: Pair, shape: tuple[int, int, int]) -> None:
    images = pictures(*shape)
    found, expected = pair.exported.run(images), logits(pair.model, CARD, images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_the_unet_answers_as_before(unet: Pair, shape: tuple[int, int, int]) -> None:
    expect_equal(unet, shape)


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_so_does_a_network_of_other_parts(unshuffled: Pair, shape: tuple[int, int, int]) -> None:
    expect_equal(unshuffled, shape)


@pytest.mark.slow
def test_so_does_an_encoder_with_sizes_of_its_own() -> None:
    """The teacher's kind: padding worked out from the size at each stride, upsampling to a size."""
    arguments = {"architecture": "unet", "encoder": "tu-tf_efficientnet_lite0", "decoder_channels": [32, 16, 8, 8, 8]}
    torch.manual_seed(0)
    model = build_model(ModelConfig("smp", arguments), outputs=CARD.classes.outputs).eval()
    pair = make_pair(model)
    for shape in SIZES:
        expect_equal(pair, shape)


def test_argmax_gives_the_class_of_the_largest_logit(unet: Pair) -> None:
    masked = OnnxModel(with_ends(unet.core, CARD, multiple=unet.multiple, argmax=True).SerializeToString(), threads=1)
    images = pictures(2, 75, 50)
    found = masked.run(images)
    assert masked.gives_mask
    assert (found.dtype, found.shape) == (np.uint8, (2, 75, 50))
    assert len(np.unique(found)) >= 3
    np.testing.assert_array_equal(found, unet.exported.run(images).argmax(axis=1))


class Padded(nn.Module):
    """Pads to a multiple, with a convolution that sees no further than the first row of the padding."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple
        self.convolution = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        more = (0, -width % self.multiple, 0, -height % self.multiple)
        found: Tensor = self.convolution(functional.pad(image, more, mode="replicate"))
        return found[..., :height, :width]


@pytest.mark.parametrize("multiple", [1, 2, 8, 32, 64])
def test_the_multiple_is_found_by_asking(multiple: int) -> None:
    torch.manual_seed(0)
    assert padding_multiple(Padded(multiple)) == multiple


def test_the_multiples_of_real_networks() -> None:
    assert padding_multiple(random_unet()) == 16
    assert padding_multiple(random_unshuffled()) == 8


def test_a_network_that_rolls_dice_is_refused() -> None:
    class Dice(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.randn(image.shape)

    with pytest.raises(ExportError, match="differently each time"):
        padding_multiple(Dice())


def test_names_and_licence_travel_in_the_file(unet: Pair) -> None:
    model = with_ends(unet.core, CARD, multiple=unet.multiple, argmax=False)
    facts = {item.key: item.value for item in model.metadata_props}
    assert facts["name"] == CARD.name
    assert '"Building"' in facts["classes"]
    assert '"Unlabeled"' not in facts["classes"]
