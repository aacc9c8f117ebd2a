"""Row by row or whole: the same mask, without seams, in memory that does not grow with the height."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core.errors import ConfigError
from core.events import CancelledError
from core.imagery.ground import ground_ratio
from core.infer.forward import likeliest
from core.infer.predict import predict
from core.infer.stream import fitting_tile, segment
from core.infer.tiling import NO_DATA, Tiling, Window, axis_shares
from core.models.unet import UNet
from tests.unit.infer.rasters import NORMAL, Brightness, Held


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Large soft shapes, as land has them."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / 17 + k) + np.cos(x / 23 - k) + np.sin((x + y) / (31 + 3 * k)) for k in range(3)]
    return np.round(127 + 40 * np.stack(waves, axis=2)).clip(0, 255).astype(np.uint8)


def whole_mask(held: Held, model: torch.nn.Module, tiling: Tiling, outputs: int = 2) -> NDArray[np.uint8]:
    strips = list(segment(held, model, outputs=outputs, tiling=tiling, **NORMAL))
    assert [strip.y for strip in strips] == list(np.cumsum([0, *(len(strip.mask) for strip in strips)])[:-1])
    return np.concatenate([strip.mask for strip in strips])


@pytest.mark.parametrize("length", [1, 7, 64, 65, 200, 1000])
@pytest.mark.parametrize("overlap", [0, 1, 16, 63])
def test_shares_along_a_side_sum_to_one(length: int, overlap: int) -> None:
    total = np.zeros(length)
    for start, share in axis_shares(length, tile=64, overlap=overlap):
        assert (share > 0).all()
        total[start : start + len(share)] += share
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 300), (300, 40), (130, 257)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_pointwise_model_says_the_same_in_strips(height: int, width: int, batch: int) -> None:
    held = Held(noise(height, width))
    whole = predict(Brightness(), held.rgb, tile=512, **NORMAL).mask
    np.testing.assert_array_equal(whole_mask(held, Brightness(), Tiling(64, 16, batch)), whole)


def test_strips_equal_the_blend_in_memory() -> None:
    torch.manual_seed(0)
    model = UNet(base=2, outputs=5).eval()
    held = Held(smooth(200, 260))
    inside = predict(model, held.rgb, tile=96, overlap=32, full=False, **NORMAL)
    strips = segment(held, model, outputs=5, tiling=Tiling(96, 32, 2), probabilities=True, **NORMAL)
    streamed = torch.cat([strip.probabilities.clone() for strip in strips], dim=1)
    np.testing.assert_allclose(streamed.numpy(), inside.probabilities, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (60, 300), (300, 60), (230, 357)])
@pytest.mark.parametrize("tiling", [Tiling(96, 32), Tiling(96, 32, 3), Tiling(160, 32), Tiling(64, 40), Tiling(80, 0)])
def test_classes_alone_are_those_of_the_blended_probabilities(height: int, width: int, tiling: Tiling) -> None:
    """Only seams are blended where nobody asked for probabilities; no pixel may tell."""
    torch.manual_seed(4)
    model = torch.nn.Conv2d(3, 5, 9, padding=4)
    valid = np.random.default_rng(5).random((height, width)) > 0.2
    valid[:, 120:230] = False
    held = Held(noise(height, width), valid)
    quick = whole_mask(held, model, tiling, 5)
    strips = segment(held, model, outputs=5, tiling=tiling, probabilities=True, **NORMAL)
    full = np.concatenate([strip.mask for strip in strips])
    np.testing.assert_array_equal(quick, full)
    assert len(set(quick[quick != NO_DATA])) == 5 or height == 1


@pytest.mark.parametrize("like", ["channels first", "channels last", "numpy"])
def test_the_likeliest_class_is_that_of_argmax(like: str) -> None:
    scores = torch.from_numpy(np.random.default_rng(1).integers(0, 9, (1, 7, 71, 45)).astype(np.float32))
    expected = scores[0].numpy().argmax(axis=0)
    if like == "channels last":
        scores = scores.to(memory_format=torch.channels_last)
    np.testing.assert_array_equal(likeliest(scores[0].numpy() if like == "numpy" else scores[0]), expected)


@pytest.mark.parametrize("shift", [1, 7])
def test_no_seam_wherever_the_grid_falls(shift: int) -> None:
    """The same ground under a shifted grid: a network with context says the same of nearly every pixel.

    The grid of windows falls elsewhere; the model's own grid (its poolings) is kept by shifting in steps of its stride.
    """
    torch.manual_seed(3)
    model = UNet(base=4, outputs=5).eval()
    stride, margin = 16, 64
    picture = smooth(400 + stride * shift % 160, 460)
    moved = stride * shift % 160
    first = whole_mask(Held(picture), model, Tiling(160, 64), 5)[moved:]
    second = whole_mask(Held(picture[moved:]), model, Tiling(160, 64), 5)
    same = (first == second)[margin:-margin, margin:-margin]
    assert same.mean() > 0.995
    cut = whole_mask(Held(picture[moved:]), model, Tiling(160, 0), 5)
    assert (first == cut)[margin:-margin, margin:-margin].mean() <= same.mean()


def test_no_data_is_left_out_and_windows_without_any_are_not_predicted() -> None:
    rgb = noise(96, 200)
    valid = np.ones((96, 200), np.bool_)
    valid[:, :70] = False
    valid[50, 150] = False
    seen = []

    class Counting(Brightness):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(len(images))
            return super().forward(images)

    mask = whole_mask(Held(rgb, valid), Counting(), Tiling(64, 0))
    np.testing.assert_array_equal(mask == NO_DATA, ~valid)
    everything = whole_mask(Held(rgb), Brightness(), Tiling(64, 0))
    np.testing.assert_array_equal(mask[valid], everything[valid])
    windows = len(axis_shares(96, tile=64, overlap=0)) * len(axis_shares(200, tile=64, overlap=0))
    assert 0 < sum(seen) < windows


def test_mirror_images_make_the_answer_symmetric() -> None:
    torch.manual_seed(1)
    model = UNet(base=2, outputs=3).eval()
    picture = smooth(64, 64)

    def shares(rgb: NDArray[np.uint8], flips: bool) -> NDArray[np.float32]:
        (strip,) = segment(Held(rgb), model, outputs=3, tiling=Tiling(64, 0, flips=flips), probabilities=True, **NORMAL)
        return strip.probabilities.numpy()

    turned = np.ascontiguousarray(picture[:, ::-1])
    np.testing.assert_allclose(shares(turned, True)[:, :, ::-1], shares(picture, True), atol=1e-5)
    assert np.abs(shares(turned, False)[:, :, ::-1] - shares(picture, False)).max() > 1e-3


def test_a_finer_picture_is_predicted_in_the_models_resolution() -> None:
    sizes = []

    class Measuring(Brightness):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sizes.append(tuple(images.shape[-2:]))
            return super().forward(images)

    coarse = np.kron(np.random.default_rng(2).integers(0, 2, (16, 16, 1)), np.ones((12, 12, 3))).astype(np.uint8) * 200
    held = Held(coarse, metres_per_pixel=0.1)
    mask = whole_mask(held, Measuring(), Tiling(96, 24, ground_ratio=ground_ratio(held.info, 0.3)))
    assert set(sizes) == {(27, 27)}
    assert (mask == (coarse[..., 0] > 100)).mean() > 0.95


@pytest.mark.parametrize(
    ("here", "trained", "expected"), [(0.1, 0.3, 3.0), (0.3, 0.31, 1.0), (None, 0.3, 1.0), (0.3, None, 1.0)]
)
def test_the_ground_ratio(here: float | None, trained: float | None, expected: float) -> None:
    assert ground_ratio(Held(noise(2, 2), metres_per_pixel=here).info, trained) == pytest.approx(expected)


def test_resolutions_that_are_worlds_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match="too far apart"):
        ground_ratio(Held(noise(2, 2), metres_per_pixel=30.0).info, 0.3)


def test_wide_pictures_get_smaller_windows_so_that_memory_stays_bounded() -> None:
    for width in (100, 20_000, 100_000, 1_000_000):
        tile = fitting_tile(1024, width=width, outputs=5, overlap=32, probabilities=True)
        assert tile == 128 or 5 * tile * width * 4 <= 420 * 1024**2
        tile = fitting_tile(1536, width=width, outputs=5, overlap=32, probabilities=False)
        assert tile <= 192 or (2 * tile + 2 * 5 * 32 * 4) * width <= 420 * 1024**2
    assert fitting_tile(1024, width=20_000, outputs=5, overlap=32, probabilities=True) == 1024
    assert fitting_tile(1536, width=20_000, outputs=5, overlap=32, probabilities=False) == 1536


def test_cancelling_stops_before_the_next_batch() -> None:
    held, done = Held(noise(64, 640)), []
    strips = segment(
        held,
        Brightness(),
        outputs=2,
        tiling=Tiling(64, 0),
        progress=lambda now: done.append((now.done, now.total)),
        cancelled=lambda: len(done) >= 3,
        **NORMAL,
    )
    with pytest.raises(CancelledError):
        list(strips)
    assert done == [(1, 10), (2, 10), (3, 10)]
    assert len(held.reads) <= 5


def test_every_pixel_is_seen_by_the_overview() -> None:
    from core.infer.outputs.thumbnail import Thumbnail

    rgb = noise(301, 517)
    thumbnail = Thumbnail(301, 517, largest=100)
    held = Held(rgb)
    list(segment(held, Brightness(), outputs=2, tiling=Tiling(64, 16), on_read=thumbnail.add, **NORMAL))
    step = thumbnail.step
    assert thumbnail.picture.shape[:2] == (-(-301 // step), -(-517 // step))
    blocks = rgb[: 301 // step * step, : 517 // step * step].reshape(301 // step, step, 517 // step, step, 3)
    difference = np.abs(thumbnail.picture[: 301 // step, : 517 // step] - blocks.mean(axis=(1, 3)))
    assert (difference <= 1).mean() > 0.9
    assert Thumbnail(10, 20).step == 1
    small = Thumbnail(10, 20)
    small.add(Window(0, 0, 10, 20), rgb[:10, :20])
    np.testing.assert_array_equal(small.picture, rgb[:10, :20])
