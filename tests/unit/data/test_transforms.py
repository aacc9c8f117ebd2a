"""Training views: the same again from the same numbers, and what happens to the picture happens to its mask."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.data.scene import TEACHABLE, Scene
from core.data.transforms import ViewSampler
from core.errors import DataError

IGNORE = 5


def told_by_picture(height: int = 90, width: int = 120, *, cell: int = 15) -> Scene:
    """Cells of class 0 and 1 at random, black and white in the picture."""
    small = np.random.default_rng(0).integers(0, 2, (height // cell, width // cell))
    mask = small.repeat(cell, 0).repeat(cell, 1).astype(np.uint8)
    return Scene("told", (255 * mask)[..., None].repeat(3, axis=2), mask)


def sampler(*scenes: Scene, **changes: Any) -> ViewSampler:
    settings: dict[str, Any] = {"crop": 32, "scale": (0.6, 1.6), "colour": 0.0, "ignore_index": IGNORE, "seed": 0}
    return ViewSampler(scenes=scenes or (told_by_picture(),), **(settings | changes))


def flat(height: int, width: int, grey: int = 100, label: int = 1) -> Scene:
    return Scene("flat", np.full((height, width, 3), grey, np.uint8), np.full((height, width), label, np.uint8))


def test_a_view_is_the_same_again_in_any_order() -> None:
    asked = [(0, 0), (0, 1), (1, 0), (7, 300)]
    first = sampler(colour=0.5)
    there = {key: first.view(*key) for key in asked}
    for key in reversed(asked):
        image, mask = sampler(colour=0.5).view(*key)
        np.testing.assert_array_equal(image, there[key][0])
        np.testing.assert_array_equal(mask, there[key][1])


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}, {"index": 1}])
def test_seed_epoch_and_index_each_give_another_view(other: dict[str, int]) -> None:
    def image(seed: int = 0, epoch: int = 0, index: int = 0) -> NDArray[np.uint8]:
        return sampler(seed=seed, colour=0.5).view(epoch, index)[0]

    assert not np.array_equal(image(), image(**other))


def test_epoch_and_index_are_not_confused() -> None:
    views = [sampler(colour=0.5).view(epoch, index)[0].tobytes() for epoch in range(6) for index in range(6)]
    assert len(set(views)) == 36


def test_the_worlds_own_randomness_neither_matters_nor_moves() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    one = sampler(colour=0.5).view(0, 0)[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(4)
    np.testing.assert_array_equal(one, sampler(colour=0.5).view(0, 0)[0])


@pytest.mark.parametrize("colour", [0.0, 0.5])
def test_shape_and_type(colour: float) -> None:
    image, mask = sampler(colour=colour).view(0, 0)
    assert (image.shape, image.dtype) == ((32, 32, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((32, 32), np.int16)
    assert image.flags.c_contiguous
    assert mask.flags.c_contiguous


def test_a_batch_is_its_views() -> None:
    images, masks = sampler().batch(2, range(5, 9))
    assert images.shape == (4, 32, 32, 3)
    assert masks.shape == (4, 32, 32)
    for at, index in enumerate(range(5, 9)):
        image, mask = sampler().view(2, index)
        np.testing.assert_array_equal(images[at], image)
        np.testing.assert_array_equal(masks[at], mask)


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.7, 0.7), (2.0, 2.0), (0.6, 1.6)])
def test_the_mask_goes_where_the_picture_goes(scale: tuple[float, float]) -> None:
    """Bright is class 1, to less than half a pixel: a larger shift would show at every edge."""
    views = sampler(told_by_picture(), scale=scale)
    wrong = []
    for index in range(40):
        image, mask = views.view(0, index)
        wrong.append(np.mean((image[..., 0] > 127) != (mask == 1)))
    assert np.mean(wrong) < 0.004
    assert np.max(wrong) < 0.02


def test_at_its_own_size_a_view_is_a_window_of_the_scene_turned_or_mirrored() -> None:
    scene = Scene("noise", np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8), None)
    windows = {scene.image[y : y + 32, x : x + 32].tobytes() for y in range(40 - 32 + 1) for x in range(50 - 32 + 1)}
    views = sampler(scene, scale=(1.0, 1.0))
    for index in range(20):
        image, _ = views.view(0, index)
        variants = [np.rot90(view, turns) for view in (image, image[:, ::-1]) for turns in range(4)]
        assert sum(np.ascontiguousarray(view).tobytes() in windows for view in variants) == 1


def test_all_eight_symmetries_come_about_equally_often() -> None:
    scene = Scene("noise", np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8), None)
    eight = [np.rot90(view, turns) for view in (scene.image, scene.image[:, ::-1]) for turns in range(4)]
    names = {np.ascontiguousarray(view).tobytes(): number for number, view in enumerate(eight)}
    assert len(names) == 8
    views = sampler(scene, scale=(1.0, 1.0))
    seen = Counter(names[views.view(0, index)[0].tobytes()] for index in range(400))
    assert set(seen) == set(range(8))
    assert min(seen.values()) > 25


def test_every_place_of_a_scene_is_seen() -> None:
    """Its label is its place: no window is out of reach, the corners included."""
    places = np.arange(36, dtype=np.uint8).reshape(6, 6)
    scene = Scene("places", places[..., None].repeat(3, axis=2), places)
    views = sampler(
        replace(scene, image=scene.image.repeat(10, 0).repeat(10, 1), mask=places.repeat(10, 0).repeat(10, 1)),
        scale=(1.0, 1.0),
        crop=32,
        ignore_index=99,
    )
    seen: set[int] = set()
    for index in range(200):
        seen |= set(np.unique(views.view(0, index)[1]).tolist())
    assert seen == set(range(36))


def ramp(side: int = 200) -> Scene:
    """A picture that grows by one grey a pixel to the right and, in another channel, downwards."""
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(side)[None, :], np.arange(side)[:, None]
    return Scene("ramp", image, np.zeros((side, side), np.uint8))


@pytest.mark.parametrize("scale", [(0.5, 2.0), (0.6, 1.6), (1.0, 1.0), (1.5, 1.5)])
def test_the_magnification_stays_in_its_range_and_fills_it(scale: tuple[float, float]) -> None:
    """On a ramp a view of magnification m spans 32 / m greys."""
    views = sampler(ramp(), scale=scale)
    spans = []
    for index in range(150):
        image = views.view(0, index)[0].astype(int)
        spans.append(max(np.ptp(image[..., 0]), np.ptp(image[..., 1])))
    low, high = 32 / scale[1], 32 / scale[0]
    assert min(spans) >= low - 2.5
    assert max(spans) <= high + 0.5
    assert min(spans) <= low * 1.1 + 1
    assert max(spans) >= high * 0.9 - 2.5


def test_magnification_and_its_inverse_are_equally_likely() -> None:
    """Log-uniform: with a range of 1/2 to 2 half of the views are larger than life."""
    views = sampler(ramp(), scale=(0.5, 2.0))
    larger = sum(np.ptp(views.view(0, index)[0][..., 0]) < 30 for index in range(300))
    assert 110 < larger < 190


def test_a_scene_smaller_than_a_view_is_filled_up_with_ignored_pixels() -> None:
    views = sampler(flat(20, 24), scale=(1.0, 1.0))
    for index in range(10):
        image, mask = views.view(0, index)
        assert (mask == 1).sum() == 20 * 24
        assert (mask == IGNORE).sum() == 32 * 32 - 20 * 24
        assert (image == 100).all(), "the picture is reflected, so that no edge is drawn into it"


def test_a_scene_of_one_pixel_is_no_trouble() -> None:
    image, mask = sampler(flat(1, 1), scale=(0.5, 0.5)).view(0, 0)
    assert (image == 100).all()
    assert set(np.unique(mask)) <= {1, IGNORE}


def test_a_scene_without_a_mask_is_labelled_nowhere() -> None:
    _, mask = sampler(replace(flat(64, 64), mask=None)).view(0, 0)
    assert (mask == TEACHABLE).all()


def test_labels_are_never_mixed() -> None:
    scene = told_by_picture(cell=2)
    assert scene.mask is not None
    checked = replace(scene, mask=4 * scene.mask)
    seen = {int(label) for index in range(20) for label in np.unique(sampler(checked).view(0, index)[1])}
    assert seen == {0, 4}


def test_scenes_are_drawn_by_their_area() -> None:
    views = sampler(flat(40, 40, label=0), flat(80, 80, label=1), scale=(1.0, 1.0))
    large = sum(int(views.view(0, index)[1][0, 0]) for index in range(500))
    assert 0.74 < large / 500 < 0.86


def test_colour_changes_the_picture_and_not_the_mask() -> None:
    plain, jittered = sampler(colour=0.0), sampler(colour=1.0)
    changed = 0
    for index in range(10):
        one, other = plain.view(0, index), jittered.view(0, index)
        np.testing.assert_array_equal(one[1], other[1])
        changed += not np.array_equal(one[0], other[0])
    assert changed == 10


def test_colour_neither_wraps_round_nor_shifts_on_average() -> None:
    """White stays bright and black dark (a wrapped byte would not), and mid-grey keeps its mean over many views."""
    for grey, expected, off in ((255, 235, 21), (0, 20, 21), (128, 128, 4)):
        views = sampler(flat(40, 40, grey=grey), colour=0.25)
        means = [float(views.view(0, index)[0].mean()) for index in range(200)]
        assert np.mean(means) == pytest.approx(expected, abs=off)
    views = sampler(flat(40, 40, grey=255), colour=0.25)
    assert min(views.view(0, index)[0].min() for index in range(100)) > 100


def test_more_colour_changes_more() -> None:
    def change(colour: float) -> float:
        plain, jittered = sampler(colour=0.0), sampler(colour=colour)
        return float(
            np.mean([np.abs(plain.view(0, i)[0].astype(int) - jittered.view(0, i)[0]).mean() for i in range(30)])
        )

    assert 0 < change(0.1) < change(0.3) < change(0.9)


def test_an_epoch_is_as_many_views_as_crops_fit() -> None:
    views = sampler(flat(100, 70), flat(31, 64), flat(5, 5))
    assert views.default_views == 3 * 2 + 1 * 2 + 1


def test_no_scene_is_refused_in_words() -> None:
    with pytest.raises(DataError, match="no training image"):
        ViewSampler(scenes=[], crop=32, scale=(1, 1), colour=0, ignore_index=5, seed=0)


def test_a_view_does_not_touch_its_scene() -> None:
    scene = told_by_picture()
    assert scene.mask is not None
    image, mask = scene.image.copy(), scene.mask.copy()
    for index in range(5):
        images, masks = sampler(scene, colour=0.5).batch(0, [index])
        images[:], masks[:] = 7, 3
    np.testing.assert_array_equal(scene.image, image)
    np.testing.assert_array_equal(scene.mask, mask)


def test_mixed_views_hold_a_share_of_their_neighbour_and_no_labels() -> None:
    scenes = [flat(64, 64, grey=grey, label=1) for grey in (0, 200)]
    plain, mixed = sampler(*scenes), sampler(*scenes, mix=0.5)
    images, _ = plain.batch(0, range(8))
    blended, labels = mixed.batch(0, range(8))
    own, other = images[:, 0, 0, 0].astype(int), np.roll(images[:, 0, 0, 0].astype(int), -1)
    found = blended[:, 0, 0, 0].astype(int)
    for mine, theirs, both in zip(own, other, found, strict=True):
        assert min(mine, theirs) <= both <= max(mine, theirs)
        assert abs(both - mine) <= abs(both - theirs) + 1, "more than half of a view is its own"
    assert (found != own).any()
    assert set(np.unique(labels)) == {TEACHABLE}


def test_mixing_is_the_same_again_and_another_for_another_batch() -> None:
    one = sampler(mix=0.5).batch(3, range(4))[0]
    np.testing.assert_array_equal(one, sampler(mix=0.5).batch(3, range(4))[0])
    assert not np.array_equal(one, sampler(mix=0.5).batch(3, range(4, 8))[0])


def test_what_is_ignored_in_either_view_is_ignored_in_the_mix() -> None:
    scenes = [flat(64, 64, label=1), flat(64, 64, label=IGNORE)]
    _, plain = sampler(*scenes).batch(0, range(12))
    _, mixed = sampler(*scenes, mix=0.3).batch(0, range(12))
    ignored = plain[:, 0, 0] == IGNORE
    expected = np.where(ignored | np.roll(ignored, -1), IGNORE, TEACHABLE)
    np.testing.assert_array_equal(mixed[:, 0, 0], expected)


def test_a_picture_without_a_mask_may_be_taught_on_but_its_padding_not() -> None:
    unlabelled = replace(flat(20, 20), mask=None)
    _, mask = sampler(unlabelled, scale=(1.0, 1.0)).view(0, 0)
    assert (mask == TEACHABLE).sum() == 20 * 20
    assert (mask == IGNORE).sum() == 32 * 32 - 20 * 20
