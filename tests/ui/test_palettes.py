"""The safe palette, looked at as people with each of the three common colour-vision deficiencies see it."""

import numpy as np
import pytest

from app.services.palettes import painted, safe_colours
from core.classes import UNLABELLED_COLOUR, colours_for
from core.data.datasets.dubai import AERIAL
from tests.colour_vision import SEEN, closest, seen

APART = 25
"""CIELAB distance; about 2 is the least that can be seen side by side."""
CLASSES = tuple(zip(AERIAL.names, AERIAL.colours, strict=True))
SAFE = safe_colours(CLASSES)


@pytest.mark.parametrize("vision", SEEN)
def test_the_safe_colours_stay_apart(vision: str) -> None:
    assert closest(SAFE, SEEN[vision]) >= APART


def test_the_datasets_own_colours_do_not_which_is_why_there_are_others() -> None:
    assert min(closest(AERIAL.colours, matrix) for matrix in SEEN.values()) < APART


def test_simulation_leaves_greys_alone_and_lab_is_right() -> None:
    for matrix in SEEN.values():
        assert np.allclose(seen([[128, 128, 128]], matrix), [53.6, 0, 0], atol=1)
    assert np.allclose(seen([[255, 0, 0]], np.eye(3)), [53.2, 80.1, 67.2], atol=0.2)


def test_red_and_green_of_one_lightness_fall_together_without_green_cones() -> None:
    pair = [[200, 60, 60], [110, 110, 60]]
    assert closest(pair, SEEN["deuteranopia"]) < closest(pair, SEEN["normal"]) / 3


def test_each_class_has_a_colour_of_its_own() -> None:
    found = safe_colours(CLASSES)
    assert sorted(found) == sorted(SAFE)
    turned = safe_colours(CLASSES[::-1])
    assert turned == found[::-1]


@pytest.mark.parametrize("vision", SEEN)
def test_twelve_unknown_classes_stay_apart_with_the_ignored_one(vision: str) -> None:
    assert closest(safe_colours([(f"c{index}", (index, 0, 0)) for index in range(13)]), SEEN[vision]) >= APART


def test_a_class_keeps_its_colour_where_the_ignored_one_is_not_shown() -> None:
    unknown = [(f"c{index}", (index, 0, 0)) for index in range(6)]
    assert [colour for _, colour in painted(unknown, "safe")] == [*colours_for(5), UNLABELLED_COLOUR]
