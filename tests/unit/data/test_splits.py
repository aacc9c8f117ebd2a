"""Splits: no picture in two parts, the same answer for any order, and a leak that says so."""

import dataclasses
import random
from functools import partial

import numpy as np
import pytest

from core.data import splits
from core.data.datasets.dubai import DUBAI
from core.data.scene import Scene
from core.data.sources import related
from core.data.splits import Parts, Split
from core.errors import ConfigError
from tests.unit.data.pictures import scenes

split_scenes = partial(splits.split_scenes, parts=DUBAI.split)


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


def test_each_dataset_says_which_of_its_parts_are_for_what() -> None:
    split = splits.split_scenes(scenes(2, 4), "by-image", parts=Parts(train=(2, 4), val=(1,), test=(3,)))
    assert [{scene.part for scene in part} for part in (split.train, split.val, split.test)] == [{2, 4}, {1}, {3}]
    assert split.note == "By source image: parts 2, 4 train, 1 validates, 3 tests."
    drawn = splits.split_scenes(scenes(3, 9), "by-image")
    assert "drawn with seed" in drawn.note


@pytest.mark.parametrize("parts", [((), (1,), ()), ((1,), (), (2,)), ((1, 2), (2,), ())])
def test_parts_that_leave_nothing_or_overlap_are_refused(parts: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ConfigError, match="parts to train and to validate on, and each part once"):
        Parts(*parts)


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


def own(train: int, val: int, test: int, outside: int = 0) -> list[Scene]:
    names = ["train"] * train + ["val"] * val + ["test"] * test + [""] * outside
    return [
        dataclasses.replace(scene, tile="", part=None, split=name, name=f"{name or 'other'}/{at}")
        for at, (scene, name) in enumerate(zip(scenes(1, len(names)), names, strict=True))
    ]


def test_folders_named_as_a_split_are_the_split() -> None:
    split = split_scenes(own(6, 2, 2), "by-image")
    assert [{scene.split for scene in part} for part in (split.train, split.val, split.test)] == [
        {"train"},
        {"val"},
        {"test"},
    ]
    assert not split.leaks
    assert split.note == "By the dataset's own folders (train, val, test): 6 train, 2 validate, 2 test."


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (own(8, 0, 2), "There is no folder for validation: drawn from the training pictures"),
        (own(8, 0, 0), "There is no folder for validation and testing: drawn from the training pictures"),
        (own(0, 2, 2, 6), "There is no folder for training: the 6 pictures outside of them train."),
        (own(4, 2, 2, 3), "3 pictures outside of them train as well."),
    ],
)
def test_an_incomplete_split_is_filled_from_training_alone_and_that_is_said(given: list[Scene], note: str) -> None:
    split = split_scenes(given, "by-image", seed=2)
    assert note in split.note
    assert not split.leaks
    assert {scene.split for scene in split.train} <= {"train", ""}
    held = [scene for scene in given if scene.split == "test"]
    assert not held or [scene.name for scene in split.test] == [scene.name for scene in held]
    assert sum(map(len, (split.train, split.val, split.test))) == len(given)


def test_a_split_without_training_folder_is_drawn_and_is_said_to_mix() -> None:
    split = split_scenes(own(0, 5, 5), "by-image")
    assert split.leaks
    assert "are not the split, because none of them is for training" in split.note


def test_the_folders_of_a_dataset_win_over_the_numbers_of_its_parts() -> None:
    given = [dataclasses.replace(scene, split="val" if scene.part == 1 else "train") for scene in scenes(2, 9)]
    assert {scene.part for scene in split_scenes(given, "by-image").val} == {1}


def _torn(split: Split) -> bool:
    """Whether the same pixels lie in two parts."""
    kept = [{scene.image.tobytes() for scene in part} for part in (split.train, split.val, split.test)]
    return bool(kept[0] & kept[1] or kept[0] & kept[2] or kept[1] & kept[2])


@pytest.mark.parametrize("rule", ["by-image", "leave-tile-out:Tile 2"])
def test_the_same_picture_in_two_parts_is_a_leak_whatever_the_rule(rule: str) -> None:
    given = scenes(3, 9)
    twin = dataclasses.replace(given[16], image=given[3].image)
    split = split_scenes([*given[:16], twin, *given[17:]], rule)
    assert _torn(split)
    assert split.leaks
    assert "are the same picture" in split.note


def test_the_same_picture_in_two_folders_of_a_split_is_a_leak() -> None:
    given = own(6, 2, 2)
    copy = dataclasses.replace(given[7], image=given[0].image)
    split = split_scenes([*given[:7], copy, *given[8:]], "by-image")
    assert split.leaks
    assert "train/0 and val/7 are the same picture" in split.note


@pytest.mark.parametrize("seed", range(8))
def test_a_draw_keeps_the_same_picture_and_patches_of_one_together(seed: int) -> None:
    twins = unnumbered(12)
    twins = [dataclasses.replace(scene, image=twins[at % 6].image) for at, scene in enumerate(twins)]
    split = split_scenes(twins, "by-image", seed=seed)
    assert not _torn(split)
    assert not split.leaks
    split = split_scenes(_patches("{}_{}_{}"), "by-image", seed=seed)
    assert not split.leaks
    places = [{scene.name[0] for scene in part} for part in (split.train, split.val, split.test)]
    assert not places[0] & places[1] | places[0] & places[2] | places[1] & places[2]


def _patches(form: str, sources: str = "abcdef") -> list[Scene]:
    """Four patches of each picture, named as tools name them."""
    named = [form.format(source, y, x) for source in sources for y in (0, 256) for x in (0, 256)]
    return [dataclasses.replace(scene, name=name) for scene, name in zip(unnumbered(len(named)), named, strict=True)]


@pytest.mark.parametrize("form", ["{}_{}_{}", "{} ({}, {})", "{}_r{}_c{}", "{}-x{}-y{}", "{}_{}x{}"])
def test_patches_of_one_picture_in_two_folders_of_a_split_are_a_leak(form: str) -> None:
    cut = _patches(form)
    torn = [dataclasses.replace(scene, split="val" if at % 4 == 3 else "train") for at, scene in enumerate(cut)]
    assert "are patches of one picture" in split_scenes(torn, "by-image").note
    assert split_scenes(torn, "by-image").leaks
    whole = [dataclasses.replace(scene, split="val" if at >= 20 else "train") for at, scene in enumerate(cut)]
    assert not split_scenes(whole, "by-image").leaks


@pytest.mark.parametrize("form", ["{}_x{}_y0", "{}_y0_x{}", "{}_r0_c{}", "{}-row1-col{}"])
def test_a_single_row_of_patches_is_known_by_its_letters(form: str) -> None:
    named = [form.format(source, place) for source in "abc" for place in (0, 256, 512)]
    torn = [
        dataclasses.replace(scene, name=name, split="val" if at % 3 == 2 else "train")
        for at, (scene, name) in enumerate(zip(unnumbered(9), named, strict=True))
    ]
    assert split_scenes(torn, "by-image").leaks


def test_patches_of_a_single_picture_cannot_be_parted_without_a_leak() -> None:
    split = split_scenes(_patches("{}_{}_{}", "a"), "by-image")
    assert split.leaks
    numbered = [dataclasses.replace(scene, name=f"a_patch_{at}") for at, scene in enumerate(unnumbered(9))]
    assert split_scenes(numbered, "by-image").leaks


@pytest.mark.parametrize("form", ["DJI_20230415_{:04}", "scene_{:02}", "2021-05-{:02}", "IMG_{}"])
def test_numbered_photos_are_no_patches(form: str) -> None:
    given = [dataclasses.replace(scene, name=form.format(at)) for at, scene in enumerate(unnumbered(20))]
    assert not split_scenes(given, "by-image").leaks


def test_pictures_without_labels_are_told_in_one_and_in_many() -> None:
    assert splits.without_labels(1) == "1 more has no labels: a student learns what its teacher says of it."
    assert splits.without_labels(1200).startswith("1,200 more have no labels: ")


def test_pictures_without_labels_validate_nothing() -> None:
    """A dataset that keeps the labels of its validation pictures back: some of those that train validate then."""
    given = [dataclasses.replace(each, mask=None) if each.split == "val" else each for each in own(6, 2, 0)]
    split = splits.split_scenes(given, "by-image")
    assert all(each.mask is not None for each in (*split.train, *split.val))
    assert len({each.name for each in (*split.train, *split.val, *split.test)}) == 6
    assert "None of the 2 pictures for validation has labels: drawn from the training pictures" in split.note


class Counted:
    """A picture that counts the rows which are read of it."""

    def __init__(self, image: np.ndarray) -> None:
        self._image, self.shape, self.dtype, self.rows = image, image.shape, image.dtype, 0

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        found = self._image[window]
        self.rows += len(found)
        return found

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return self[slice(None), slice(None)]


def test_of_pictures_that_some_rows_tell_apart_the_others_are_not_read() -> None:
    rng = np.random.default_rng(0)
    images = [Counted(rng.integers(0, 255, (400, 20, 3), dtype=np.uint8)) for _ in range(4)]
    # The last two differ in one pixel, which no row that is read first holds.
    twin = np.asarray(images[3]).copy()
    twin[399, 19, 2] ^= 1
    images.append(Counted(twin))
    images.append(Counted(np.asarray(images[0])))
    for image in images:
        image.rows = 0
    found = related([Scene(f"s{at}", image, None) for at, image in enumerate(images)])
    assert found == [[0, 5], [1], [2], [3], [4]]
    assert all(image.rows <= 20 for image in images[1:3])
