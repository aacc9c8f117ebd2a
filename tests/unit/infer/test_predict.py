"""Tiling changes nothing but the memory used."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import DeviceError, ImageError
from core.events import CancelledError, Progress
from core.infer.forward import evaluating
from core.infer.predict import Prediction, predict
from core.normalise import Normaliser

MEAN, STD = (127.0, 120.0, 110.0), (60.0, 61.0, 62.0)
NORMAL = {"normaliser": Normaliser.of(MEAN, STD, "cpu")}


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pointwise(outputs: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, outputs, 1)).eval()


class Blur(nn.Module):
    """A wide box filter, padded with zeros: what it says near a window's border is wrong, as with any network."""

    def forward(self, images: Tensor) -> Tensor:
        return 3 * nn.functional.avg_pool2d(images, 15, stride=1, padding=7)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 200), (63, 65), (64, 64), (131, 97), (200, 40)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_pointwise_model_gives_the_same_tiled_and_whole(height: int, width: int, batch: int) -> None:
    image, model = picture(height, width), pointwise()
    whole = predict(model, image, tile=512, **NORMAL)
    tiled = predict(model, image, tile=64, overlap=16, batch=batch, **NORMAL)
    assert whole.probabilities.shape == (5, height, width)
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-6)
    np.testing.assert_array_equal(tiled.mask, whole.mask)


def test_a_whole_picture_is_normalised_and_softmaxed_as_the_formula_says() -> None:
    image, model = picture(20, 31), pointwise()
    views = (image.astype(np.float64) - MEAN) / STD
    with torch.no_grad():
        logits = model.double()(torch.from_numpy(views).permute(2, 0, 1)[None])
    expected = logits.softmax(1)[0].numpy()
    np.testing.assert_allclose(predict(model.float(), image, **NORMAL).probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("start", [0, 5, 13, 21])
def test_no_seam_wherever_the_grid_falls(start: int) -> None:
    """On a flat picture, blended windows of a model with context are as smooth as the fade; hard-cut ones jump."""
    image = np.full((60, 300 - start, 3), 200, np.uint8)
    inside = (slice(None), slice(10, -10), slice(10, -10))

    def largest_step(overlap: int) -> float:
        found = predict(Blur(), image, tile=64, overlap=overlap, **NORMAL).probabilities[inside]
        return float(np.abs(np.diff(found, axis=2)).max())

    whole = predict(Blur(), image, **NORMAL).probabilities
    tiled = predict(Blur(), image, tile=64, overlap=32, **NORMAL).probabilities
    assert np.abs(tiled - whole).max() < 0.05
    assert largest_step(32) < 0.25 * largest_step(0)


def test_moving_the_grid_moves_no_class_inside() -> None:
    smooth = np.kron(picture(6, 12, seed=3), np.ones((24, 24, 1), np.uint8))
    masks = [predict(Blur(), smooth, tile=tile, overlap=48, **NORMAL).mask for tile in (96, 112, 128)]
    for mask in masks[1:]:
        assert (mask == masks[0]).mean() > 0.99


def test_probabilities_sum_to_one_and_give_confidence_and_entropy() -> None:
    found = predict(pointwise(), picture(90, 70), tile=32, overlap=8, **NORMAL)
    p = found.probabilities.astype(np.float64)
    np.testing.assert_allclose(p.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(found.confidence, found.probabilities.max(0))
    np.testing.assert_allclose(found.entropy, -(p * np.log(p)).sum(0) / np.log(5), atol=1e-5)
    assert found.mask.dtype == np.uint8


def test_entropy_is_nought_when_certain_and_one_when_all_classes_are_alike() -> None:
    certain = np.zeros((4, 2, 2), np.float32)
    certain[1] = 1
    np.testing.assert_allclose(Prediction(certain).entropy, 0)
    np.testing.assert_allclose(Prediction(np.full((4, 2, 2), 0.25, np.float32)).entropy, 1, atol=1e-6)


def test_the_model_comes_back_as_it_was() -> None:
    model = pointwise().train()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    predict(model, picture(40, 40), tile=32, overlap=8, **NORMAL)
    assert [module.training for module in model.modules()] == modes
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_modes_are_restored_after_an_error() -> None:
    model = pointwise().train()
    with pytest.raises(ZeroDivisionError), evaluating(model):
        _ = 1 / int(model.training)
    assert model.training


def test_cancelling_stops_between_batches() -> None:
    done: list[tuple[int, int]] = []
    with pytest.raises(CancelledError):
        predict(
            pointwise(),
            picture(40, 200),
            tile=40,
            overlap=0,
            batch=2,
            progress=lambda now: done.append((now.done, now.total)),
            cancelled=lambda: bool(done),
            **NORMAL,
        )
    assert done == [(2, 5)]


def test_progress_ends_at_the_total() -> None:
    done: list[tuple[int, int]] = []

    def note(now: Progress) -> None:
        done.append((now.done, now.total))

    predict(pointwise(), picture(40, 200), tile=40, overlap=0, batch=2, progress=note, **NORMAL)
    assert done == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_another_array_is_refused_by_shape(array: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match="8-bit RGB"):
        predict(pointwise(), array, **NORMAL)


class TooLarge(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        raise torch.OutOfMemoryError(f"CUDA out of memory for {images.shape}.")


def test_a_full_device_is_told_in_plain_words() -> None:
    with pytest.raises(DeviceError, match="smaller tiles"):
        predict(TooLarge(), picture(8, 8), **NORMAL)
