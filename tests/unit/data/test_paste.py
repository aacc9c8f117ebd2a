"""A view may show a rectangle of the next one of its batch: picture and labels alike, and nothing else changes."""

from typing import Any

import numpy as np
import pytest

from core.data.scene import Scene
from core.data.transforms import ViewSampler

BATCH = range(24, 32)


def sampler(**changes: Any) -> ViewSampler:
    random = np.random.default_rng(0)
    scenes = [
        Scene(str(side), random.integers(0, 256, (side, 90, 3), np.uint8), random.integers(0, 5, (side, 90), np.uint8))
        for side in (40, 70, 130)
    ]
    settings: dict[str, Any] = {"crop": 64, "scale": (0.6, 1.6), "colour": 0.3, "ignore_index": 5, "seed": 3}
    return ViewSampler(scenes=scenes, **(settings | changes))


def test_inside_its_rectangle_a_view_is_the_next_one_and_outside_itself() -> None:
    plain, pasting = sampler(), sampler(paste=0.6)
    (images, masks), (own, own_masks) = pasting.batch(2, BATCH), plain.batch(2, BATCH)
    rectangles = pasting.pasted(2, BATCH)
    assert {rectangle is None for rectangle in rectangles} == {True, False}
    for at, rectangle in enumerate(rectangles):
        inside = np.zeros((64, 64), bool)
        if rectangle is not None:
            inside[rectangle] = True
        after = (at + 1) % len(BATCH)
        np.testing.assert_array_equal(images[at], np.where(inside[..., None], own[after], own[at]))
        np.testing.assert_array_equal(masks[at], np.where(inside, own_masks[after], own_masks[at]))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_as_many_views_are_pasted_into_as_was_asked(share: float) -> None:
    found = [r is not None for epoch in range(60) for r in sampler(paste=share).pasted(epoch, BATCH)]
    assert np.mean(found) == pytest.approx(share, abs=0.06)
    assert share not in (0, 1) or np.mean(found) == share


def test_rectangles_take_a_tenth_to_a_half_of_a_view_and_lie_anywhere_in_it() -> None:
    covered = np.zeros((64, 64))
    for epoch in range(300):
        for rectangle in sampler(paste=1.0).pasted(epoch, BATCH):
            assert rectangle is not None
            area = np.zeros((64, 64))
            area[rectangle] = 1
            assert 0.08 < area.mean() < 0.55
            covered += area
    assert covered.min() > 0


def test_a_devices_share_of_a_batch_is_what_it_is_in_the_whole() -> None:
    pasting = sampler(paste=0.7, mix=0.4)
    images, masks = pasting.batch(1, BATCH)
    some, some_masks = pasting.batch(1, BATCH, only=[1, 4, 7])
    np.testing.assert_array_equal(some, images[[1, 4, 7]])
    np.testing.assert_array_equal(some_masks, masks[[1, 4, 7]])


def test_a_placement_is_where_the_view_was_cut() -> None:
    views = sampler(scale=(1.0, 1.0), colour=0.0)
    for index in range(30):
        place = views.placement(0, index)
        scene = views.scenes[place.scene]
        padded = np.pad(scene.image, ((0, max(0, 64 - scene.height)), (0, 0), (0, 0)), mode="symmetric")
        np.testing.assert_array_equal(place.orient(padded[place.window]), views.view(0, index)[0])
