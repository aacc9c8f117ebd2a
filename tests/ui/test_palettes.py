"""The safe palette, looked at as people with each of the three common colour-vision deficiencies see it."""

import itertools

import numpy as np
import pytest

from app.services.palettes import SAFE, safe_colours
from core.data.datasets.dubai import AERIAL

# Linear RGB as seen with full protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes, 2009, table 1).
SEEN = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# Linear RGB to XYZ relative to its white, D65.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART = 25
"""CIELAB distance; about 2 is the least that can be seen side by side."""
CLASSES = tuple(zip(AERIAL.names, AERIAL.colours, strict=True))


def linear(colours: object) -> np.ndarray:
    share = np.asarray(colours, float) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def seen(colours: object, matrix: np.ndarray) -> np.ndarray:
    """CIELAB (N, 3) of colours (N, 3), 0..255, as an eye sees them that changes linear RGB by `matrix`."""
    ratios = (np.clip(linear(colours) @ np.asarray(matrix).T, 0, 1) @ XYZ.T) / XYZ.sum(axis=1)
    cubed = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = cubed.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def closest(colours: object, matrix: np.ndarray) -> float:
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen(colours, matrix), 2))


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


def test_unknown_classes_take_turns_and_too_many_keep_their_own() -> None:
    unknown = [(f"c{index}", (index, 0, 0)) for index in range(9)]
    assert safe_colours(unknown[:4]) == list(SAFE[:4])
    assert safe_colours(unknown) == [colour for _, colour in unknown]
