"""Bytes of pictures become a network's input in one way, whoever asks."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core import checkpoint
from core.benchmark.runtimes import RUNTIMES
from core.cards import ModelCard
from core.classes import ClassMap
from core.config import ModelConfig
from core.export.parity import logits
from core.infer.predict import predict
from core.infer.stream import segment
from core.models import build_model
from core.normalise import Normaliser
from core.train.step import FrozenTeacher
from tests.unit.infer.rasters import Held

MEAN, STD = (10.0, 127.0, 200.5), (2.0, 60.0, 33.3)
CLASSES = ClassMap(("one", "two", "unlabelled"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), 2)


class Recorder(nn.Module):
    """Keeps what it was given, (B, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[Tensor] = []

    def forward(self, views: Tensor) -> Tensor:
        self.inputs.append(views.clone())
        return views[:, :2]


def pictures(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def card() -> ModelCard:
    sizes = {"parameters": 0, "macs_256": 0, "bytes": 0}
    return ModelCard("tiny", ModelConfig("compact", {"base": 2}), CLASSES, mean=MEAN, std=STD, **sizes)


def test_it_is_the_pixel_minus_the_mean_over_the_deviation_channel_by_channel() -> None:
    images = pictures(2, 5, 7)
    found = Normaliser.of(MEAN, STD, "cpu")(images)
    assert (found.shape, found.dtype) == ((2, 3, 5, 7), torch.float32)
    assert found.is_contiguous(memory_format=torch.channels_last)
    for channel in range(3):
        expected = (images[..., channel] - MEAN[channel]) / STD[channel]
        np.testing.assert_allclose(found[:, channel], expected, rtol=1e-6, atol=1e-6)


def test_arrays_and_tensors_of_any_layout_give_the_same_and_are_left_as_they_are() -> None:
    images = pictures(2, 6, 5)
    normaliser = Normaliser.of(MEAN, STD, "cpu")
    expected = normaliser(images)
    frozen, turned = images.copy(), torch.from_numpy(images.transpose(0, 2, 1, 3).copy()).transpose(1, 2)
    frozen.flags.writeable = False
    before = images.copy()
    for given in (frozen, torch.from_numpy(images), turned, images[:, ::-1][:, ::-1]):
        assert torch.equal(normaliser(given), expected)
    np.testing.assert_array_equal(images, before)


def test_training_prediction_and_export_give_a_network_the_same_input_bit_for_bit() -> None:
    image = pictures(40, 56)
    normaliser, recorder = Normaliser.of_card(card(), "cpu"), Recorder()
    expected = normaliser(image[None])
    FrozenTeacher(recorder, normaliser, torch.float32).output(torch.from_numpy(image)[None])
    predict(recorder, image, normaliser=normaliser)
    list(segment(Held(image), recorder, outputs=2, normaliser=normaliser))
    logits(recorder, card(), image[None])
    assert len(recorder.inputs) == 4
    assert all(torch.equal(views, expected) for views in recorder.inputs)


def test_a_timed_model_normalises_as_its_card_says(tmp_path: Path) -> None:
    model = build_model(ModelConfig("compact", {"base": 2}), outputs=2).eval()
    checkpoint.save(tmp_path / "tiny", model, card())
    image = pictures(1, 32, 32)
    with torch.inference_mode():
        expected = model(Normaliser.of(MEAN, STD, "cpu")(image)).numpy()
    run = RUNTIMES["pytorch"].open(tmp_path / "tiny.safetensors", torch.get_num_threads(), "cpu")
    np.testing.assert_array_equal(run(image), expected)
