"""Mask colours and class indices: a bijection on class colours, the nearest class for everything else."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.classes import UNLABELLED_COLOUR, ClassMap, colours_for
from core.data.datasets.dubai import AERIAL
from core.data.meaning import read_mask
from core.data.palette import FAR, to_indices, to_rgb
from core.image import encode_png
from tests.unit.data.pictures import random_image, random_indices


def palette_png(indices: NDArray[np.uint8], colours: list[list[int]]) -> bytes:
    picture = Image.fromarray(indices, mode=None).convert("L")
    picture = picture.convert("P")
    picture.putdata(indices.ravel().tolist())
    picture.putpalette([value for colour in colours for value in colour])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_indices_to_colours_and_back() -> None:
    indices = random_indices(1)
    back, far = to_indices(to_rgb(indices, AERIAL), AERIAL)
    np.testing.assert_array_equal(back, indices)
    assert (back.dtype, far) == (np.uint8, 0)


def test_every_colour_goes_to_the_nearest_class() -> None:
    mask = random_image(2, height=80, width=90)
    distances = np.linalg.norm(mask[:, :, None].astype(float) - np.array(AERIAL.colours, dtype=float), axis=-1)
    indices, far = to_indices(mask, AERIAL)
    np.testing.assert_array_equal(indices, distances.argmin(axis=-1))
    assert far == (distances.min(axis=-1) > FAR).sum() > 0


def test_forty_away_is_near_and_forty_one_is_far() -> None:
    r, g, b = AERIAL.colours[0]
    for step, expected in ((40, 0), (41, 6)):
        indices, far = to_indices(np.full((2, 3, 3), (r, g, b - step), dtype=np.uint8), AERIAL)
        assert (indices.tolist(), far) == ([[0, 0, 0], [0, 0, 0]], expected)


def test_a_tie_goes_to_the_lower_index() -> None:
    twins = ClassMap(
        names=("a", "b", "c", "none"), colours=((9, 9, 9), (20, 0, 0), (20, 0, 0), (0, 0, 10)), ignore_index=3
    )
    indices, _ = to_indices(np.array([[[20, 0, 0], [21, 0, 0]]], dtype=np.uint8), twins)
    assert indices.tolist() == [[1, 1]]


def test_grey_values_are_indices_and_those_beyond_the_classes_are_far_and_ignored() -> None:
    indices, far = to_indices(np.array([[0, 5, 6, 255]], dtype=np.uint8), AERIAL)
    assert (indices.tolist(), far) == ([[0, 5, AERIAL.ignore_index, AERIAL.ignore_index]], 2)


def test_rgb_rgba_and_grey_masks_hold_the_same_indices(tmp_path: Path) -> None:
    indices = random_indices(3)
    colours = to_rgb(indices, AERIAL)
    alpha = np.zeros((*indices.shape, 1), dtype=np.uint8)
    for array in (indices, colours, np.concatenate([colours, alpha], axis=2)):
        path = tmp_path / "mask.png"
        path.write_bytes(encode_png(array))
        found, far = read_mask(path, AERIAL)
        np.testing.assert_array_equal(found, indices)
        assert far == 0


def test_a_palette_in_another_order_counts_by_its_colours() -> None:
    indices = random_indices(4)
    turned = palette_png(5 - indices, [list(colour) for colour in AERIAL.colours[::-1]])
    found, far = read_mask(turned, AERIAL)
    np.testing.assert_array_equal(found, indices)
    assert far == 0


def test_a_palette_of_class_colours_with_a_few_others_still_counts_by_its_colours() -> None:
    indices = np.minimum(random_indices(5), 4)
    indices[0, :5] = 5
    turned = palette_png(indices, [[0, 255, 0], *[list(colour) for colour in AERIAL.colours[:4]], [255, 255, 255]])
    found, far = read_mask(turned, AERIAL)
    np.testing.assert_array_equal(found[indices == 1], 0)
    assert far == ((indices == 0) | (indices == 5)).sum()


def test_a_palette_of_strange_colours_counts_by_its_indices() -> None:
    indices = random_indices(6)
    found, far = read_mask(palette_png(indices, [[5 * i, 5 * i, 5 * i] for i in range(6)]), AERIAL)
    np.testing.assert_array_equal(found, indices)
    assert far == 0


def test_strange_colours_at_strange_indices_are_far() -> None:
    indices = random_indices(7) + np.uint8(10)
    _, far = read_mask(palette_png(indices, [[0, 255, 0]] * 16), AERIAL)
    assert far == indices.size


@pytest.mark.realdata
def test_real_masks_hold_class_colours_and_black_for_unlabelled(dubai: Path) -> None:
    _, far = read_mask(dubai / "Tile 1" / "masks" / "image_part_001.png", AERIAL)
    assert far == 0
    indices, far = read_mask(dubai / "Tile 8" / "masks" / "image_part_003.png", AERIAL)
    assert far == 0
    assert (indices == AERIAL.ignore_index).sum() >= 545_723


def test_black_is_unlabelled_but_nearly_black_is_the_nearest_class() -> None:
    indices, far = to_indices(np.array([[[0, 0, 0], [1, 0, 0]]], dtype=np.uint8), AERIAL)
    assert indices.tolist() == [[AERIAL.ignore_index, AERIAL.names.index("Building")]]
    assert far == 1


def test_colours_and_palettes_of_255_classes_are_read() -> None:
    many = ClassMap((*map(str, range(255)), "void"), (*colours_for(255), UNLABELLED_COLOUR), 255)
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found, far = to_indices(to_rgb(indices, many), many)
    np.testing.assert_array_equal(found, indices)
    assert far == 0
    found, far = read_mask(palette_png(indices, [list(colour) for colour in many.colours]), many)
    np.testing.assert_array_equal(found, indices)
    assert far == 0
