"""Networks that ask much of an export, with random weights that tell classes apart, and their cards."""

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from core.cards import ModelCard
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.export.graph import padding_multiple, translate, with_ends
from core.export.session import OnnxModel
from core.models import build_model
from core.models.unet import pad_to_multiple
from tests.unit.networks import balance, noise

CARD = ModelCard(
    name="tiny",
    model=ModelConfig("unet", {"base": 2}),
    classes=AERIAL,
    mean=(120.0, 127.0, 110.0),
    std=(60.0, 128.0, 70.0),
    parameters=1,
    macs_256=1_000_000,
)


class Unshuffled(nn.Module):
    """Works at a quarter of the size: pixel unshuffle, a depthwise convolution, bilinear upsampling by size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(48, 8, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.deeper = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.head = nn.Conv2d(16, AERIAL.outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = pad_to_multiple(image, 8)
        features = functional.relu(self.norm(self.depthwise(self.stem(functional.pixel_unshuffle(padded, 4)))))
        deep = functional.interpolate(
            functional.hardswish(self.deeper(features)), size=features.shape[-2:], mode="bilinear"
        )
        logits = self.head(torch.cat([features, deep], dim=1))
        full: Tensor = functional.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
        return full[..., :height, :width]


@dataclass(frozen=True)
class Pair:
    """A network and its export."""

    model: nn.Module
    exported: OnnxModel
    core: onnx.ModelProto
    multiple: int


def random_unet() -> nn.Module:
    torch.manual_seed(0)
    model = build_model(CARD.model, outputs=AERIAL.outputs)
    return balance(model, model.head, noise())  # type: ignore[arg-type]


def random_unshuffled() -> nn.Module:
    torch.manual_seed(0)
    model = Unshuffled()
    return balance(model, model.head, noise())


def pictures(count: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def make_pair(model: nn.Module) -> Pair:
    multiple = padding_multiple(model)
    core = translate(model, multiple)
    whole = with_ends(core, CARD, multiple=multiple, argmax=False)
    return Pair(model, OnnxModel(whole.SerializeToString(), threads=1), core, multiple)


@pytest.fixture(scope="session")
def unet() -> Pair:
    return make_pair(random_unet())


@pytest.fixture(scope="session")
def unshuffled() -> Pair:
    return make_pair(random_unshuffled())
