"""Splits: no picture in two parts, the same answer for any order, and a leak that says so."""

import dataclasses
import random

import numpy as np
import pytest

from core.data.scene import Scene
from core.data.splits import Split, split_scenes
from core.errors import ConfigError
from tests.unit.data.pictures import scenes


def unnumbered(count: int) -> list[Scene]:
    return [dataclasses.replace(scene, tile="", part=None) for scene in scenes(1, count)]


def names(split: Split) -> list[list[str]]:
    return [[scene.name for scene in part] for part in (split.train, split.val, split.test)]


def test_parts_1_to_7_train_8_validates_9_tests() -> None:
    split = split_scenes(scenes(3, 9), "by-image")
    assert {scene.part for scene in split.train} == set(range(1, 8))
    assert {scene.part for scene in split.val} == {8}
    assert {scene.part for scene in split.test} == {9}
    assert (len(split.train), len(split.val), len(split.test)) == (21, 3, 3)
    assert not split.leaks


@pytest.mark.parametrize("count", [2, 3, 7, 12, 40])
def test_pictures_without_parts_are_drawn_each_once(count: int) -> None:
    split = split_scenes(unnumbered(count), "by-image", seed=1)
    train, val, test = names(split)
    assert sorted(train + val + test) == sorted(scene.name for scene in unnumbered(count))
    assert train
    assert val
    assert len(val) == max(1, round(0.15 * count))
    assert len(test) == round(0.15 * count)
    assert str(len(train)) in split.note


def test_one_picture_without_a_part_makes_the_draw_by_name() -> None:
    mixed = [*scenes(2, 9)[:-1], dataclasses.replace(scenes(2, 9)[-1], part=None)]
    assert "drawn with seed" in split_scenes(mixed, "by-image").note


@pytest.mark.parametrize("rule", ["by-image", "leave-tile-out:Tile 2", "leaky-patches"])
def test_the_order_of_the_pictures_does_not_matter(rule: str) -> None:
    given = [dataclasses.replace(scene, part=None) for scene in scenes(3, 9)]
    shuffled = random.Random(5).sample(given, len(given))
    assert names(split_scenes(given, rule, seed=3, patch=4)) == names(split_scenes(shuffled, rule, seed=3, patch=4))


@pytest.mark.parametrize("rule", ["by-image", "leaky-patches"])
def test_another_seed_draws_otherwise(rule: str) -> None:
    given = unnumbered(20)
    drawn = [names(split_scenes(given, rule, seed=seed, patch=4)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("name", ["2", "Tile 2", "tile 2"])
def test_a_tile_left_out_is_tested_whole_and_seen_nowhere_else(name: str) -> None:
    split = split_scenes(scenes(3, 9), f"leave-tile-out:{name}")
    assert {scene.tile for scene in split.test} == {"Tile 2"}
    assert len(split.test) == 9
    assert {scene.tile for scene in split.train + split.val} == {"Tile 1", "Tile 3"}
    assert {scene.part for scene in split.train} == set(range(1, 8))
    assert {scene.part for scene in split.val} == {8}
    assert "2 test pictures stay unused" in split.note


def test_patches_are_whole_from_the_top_left_and_each_used_once() -> None:
    given = scenes(1, 2, size=11)
    split = split_scenes(given, "leaky-patches", patch=5)
    patches = split.train + split.val + split.test
    assert len(patches) == len({patch.name for patch in patches}) == 2 * 2 * 2
    for patch in patches:
        assert patch.image.shape == (5, 5, 3)
        assert patch.mask is not None
    whole = np.sort(np.concatenate([scene.image[:10, :10].reshape(-1, 3) for scene in given]), axis=0)
    cut = np.sort(np.concatenate([patch.image.reshape(-1, 3) for patch in patches]), axis=0)
    np.testing.assert_array_equal(whole, cut)


def test_a_patch_and_its_mask_come_from_the_same_place() -> None:
    (scene,) = scenes(1, 1, size=12)
    marked = dataclasses.replace(scene, mask=scene.image[..., 0] % 6)
    split = split_scenes([marked], "leaky-patches", patch=4)
    for patch in split.train + split.val + split.test:
        np.testing.assert_array_equal(patch.mask, patch.image[..., 0] % 6)


def test_the_leaky_split_says_that_it_leaks() -> None:
    split = split_scenes(scenes(2, 9), "leaky-patches", patch=4)
    assert split.leaks
    assert "leaks" in split.note
    sources = [{patch.name.split(" (")[0] for patch in part} for part in (split.train, split.test)]
    assert sources[0] & sources[1]


@pytest.mark.parametrize(
    ("given", "rule", "message"),
    [
        ([], "by-image", "nothing to train on"),
        (unnumbered(1), "by-image", "nothing to validate on"),
        (scenes(2, 7), "by-image", "nothing to validate on. By source image: parts 1 to 7 train"),
        (scenes(1, 9), "leave-tile-out:1", "nothing to train on"),
        (scenes(1, 3), "leaky-patches", "nothing to train on"),
        (scenes(2, 9), "leave-tile-out:7", "no tile '7' to leave out; these pictures have Tile 1, Tile 2"),
        (unnumbered(3), "leave-tile-out:7", "these pictures have no tiles"),
        (scenes(2, 9), "by-chance", "no split 'by-chance': choose by-image, leave-tile-out:NAME, leaky-patches"),
    ],
)
def test_what_cannot_be_split_is_refused(given: list[Scene], rule: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        split_scenes(given, rule)
    assert message in str(error.value)
