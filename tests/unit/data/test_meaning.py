"""What the values and colours of masks mean is decided once for a dataset, and what is said is what happens."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.data.datasets.dubai import AERIAL
from core.data.folder import LoadedFolder, find_pairs, load_folder, load_pair
from core.data.meaning import value_counts
from core.data.palette import to_rgb
from core.errors import PairError
from tests.unit.data.pictures import random_image, random_indices, random_mask, save

IGNORED = AERIAL.ignore_index
Masks = dict[str, NDArray[np.uint8]]


def write(root: Path, masks: Masks, colours: list[tuple[int, int, int]] | None = None) -> Path:
    """A folder of pairs; with `colours` the masks are palette pictures of these."""
    for name, mask in masks.items():
        save(root / "images" / f"{name}.png", random_image(1, height=mask.shape[0], width=mask.shape[1]))
        picture = Image.fromarray(mask)
        if colours is not None:
            picture = Image.frombytes("P", mask.shape[::-1], mask.tobytes())
            picture.putpalette([value for colour in colours for value in colour])
        (root / "masks").mkdir(exist_ok=True)
        picture.save(root / "masks" / f"{name}.png")
    return root


def labels(loaded: LoadedFolder) -> dict[str, NDArray[np.uint8]]:
    return {scene.name: scene.mask for scene in loaded.scenes if scene.mask is not None}


def refusal(root: Path) -> str:
    """Why a folder is refused, with bad pairs left out and without."""
    said = []
    for skip_bad in (False, True):
        with pytest.raises(PairError) as error:
            load_folder(root, AERIAL, skip_bad=skip_bad)
        said.append(str(error.value))
    assert said[0] == said[1]
    return said[0]


def of(*values: int) -> NDArray[np.uint8]:
    """A mask of these values, each as often."""
    return np.resize(np.array(values, np.uint8), (20, 30))


VOC = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]


@pytest.mark.parametrize("alone", [of(0, 255), of(0, 1), of(1), of(255), of(2, 3), of(5)])
def test_a_file_that_holds_few_values_is_read_as_its_siblings_are(tmp_path: Path, alone: NDArray[np.uint8]) -> None:
    found = labels(load_folder(write(tmp_path, {"alone": alone, "other": of(0, 1, 2, 3, 4, 5)}), AERIAL))
    np.testing.assert_array_equal(found["alone"], np.where(alone == 255, IGNORED, alone))


@pytest.mark.parametrize("alone", [of(1), of(2, 3), of(1, 255)])
def test_a_file_of_masks_that_count_from_one_counts_from_one_itself(tmp_path: Path, alone: NDArray[np.uint8]) -> None:
    loaded = load_folder(write(tmp_path, {"alone": alone, "other": of(1, 2, 3, 4, 5, 6)}), AERIAL)
    np.testing.assert_array_equal(labels(loaded)["alone"], np.where(alone == 255, IGNORED, alone - 1))
    np.testing.assert_array_equal(labels(loaded)["other"], of(0, 1, 2, 3, 4, 5))
    assert "The masks count from 1: 1 is Building, 2 Land … 6 Unlabeled." in loaded.warnings


def test_five_classes_from_one_with_255_count_from_one(tmp_path: Path) -> None:
    loaded = load_folder(write(tmp_path, {"a": of(1, 2, 3, 4, 5, 255)}), AERIAL)
    np.testing.assert_array_equal(labels(loaded)["a"], of(0, 1, 2, 3, 4, 5))
    assert loaded.warnings == [
        "The masks count from 1: 1 is Building, 2 Land … 5 Water.",
        "255 in the masks means that nobody labelled (100 pixels): Unlabeled.",
    ]


def test_255_is_nobodys_label_and_no_unknown_value(tmp_path: Path) -> None:
    mask = np.where(np.arange(600).reshape(20, 30) < 400, np.uint8(255), random_indices(1))
    loaded = load_folder(write(tmp_path, {"a": mask, "b": random_indices(2)}), AERIAL)
    np.testing.assert_array_equal(labels(loaded)["a"], np.where(mask == 255, IGNORED, mask))
    assert loaded.warnings == ["255 in the masks means that nobody labelled (400 pixels): Unlabeled."]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("colours", ["grey", "rgb", "palette"])
def test_a_binary_mask_is_told_as_what_it_is_however_much_is_white(tmp_path: Path, share: float, colours: str) -> None:
    mask = np.where(np.arange(600).reshape(20, 30) < 600 * share, np.uint8(255), np.uint8(0))
    shown = np.repeat(mask[..., None], 3, axis=2) if colours == "rgb" else mask
    palette = [(at, at, at) for at in range(256)] if colours == "palette" else None
    said = refusal(write(tmp_path, {"a": shown, "b": shown}, palette))
    assert "These masks are binary: they hold 0 and 255 alone" in said
    assert "0 (Building) to 4 (Water) and 255 where nobody labelled" in said


def blocks(*values: int, seed: int = 0) -> NDArray[np.uint8]:
    """A mask (48, 48) of squares of these values, whose edges lie across the blocks that JPEG packs."""
    found = np.random.default_rng(seed).integers(0, len(values), (8, 8))
    return np.array(values, np.uint8)[np.kron(found, np.ones((7, 7), int))][:48, :48]


def write_jpeg(root: Path, masks: Masks, quality: int) -> Path:
    write(root, masks)
    for name, mask in masks.items():
        (root / "masks" / f"{name}.png").unlink()
        Image.fromarray(mask).save(root / "masks" / f"{name}.jpg", quality=quality)
    return root


@pytest.mark.parametrize("quality", [75, 90, 95])
@pytest.mark.parametrize("colours", ["grey", "rgb"])
def test_a_binary_mask_that_jpeg_blurred_is_binary_all_the_same(tmp_path: Path, quality: int, colours: str) -> None:
    masks = {name: blocks(0, 255, seed=at) for at, name in enumerate("abc")}
    shown = {name: np.repeat(mask[..., None], 3, axis=2) if colours == "rgb" else mask for name, mask in masks.items()}
    assert "These masks are binary" in refusal(write_jpeg(tmp_path, shown, quality))


@pytest.mark.parametrize("colours", ["grey", "rgb"])
def test_class_numbers_in_a_jpeg_are_refused_for_jpeg_makes_others_of_them(tmp_path: Path, colours: str) -> None:
    mask = blocks(0, 1, 2, 3, 4)
    shown = np.repeat(mask[..., None], 3, axis=2) if colours == "rgb" else mask
    assert "is a JPEG, which changes class numbers" in refusal(write_jpeg(tmp_path, {"a": shown}, 95))


def test_masks_of_zeros_alone_say_what_they_mean(tmp_path: Path) -> None:
    loaded = load_folder(write(tmp_path, {"a": of(0), "b": of(0)}), AERIAL)
    assert loaded.warnings == [
        "The masks hold 0 alone: every pixel is Building. Where 0 is what nobody labelled, write 255."
    ]


@pytest.mark.parametrize("mask", [of(1, 2, 3, 4, 5), of(0, 1, 2, 3, 4, 5, 6)])
def test_values_that_fit_counting_from_0_and_from_1_are_not_guessed(tmp_path: Path, mask: NDArray[np.uint8]) -> None:
    assert "may count from 0 or from 1" in refusal(write(tmp_path, {"a": mask}))


def test_zeros_and_ones_are_read_as_two_classes_and_that_is_said(tmp_path: Path) -> None:
    loaded = load_folder(write(tmp_path, {"a": of(0, 1), "b": of(1)}), AERIAL)
    np.testing.assert_array_equal(labels(loaded)["a"], of(0, 1))
    assert "read as Building and Land" in loaded.warnings[0]


def test_few_values_beyond_the_classes_count_as_unlabelled_and_that_is_said(tmp_path: Path) -> None:
    mask = random_indices(3)
    mask[0, :20] = np.resize([9, 77], 20)
    loaded = load_folder(write(tmp_path, {"a": mask}), AERIAL)
    assert (labels(loaded)["a"][0, :20] == IGNORED).all()
    told = "a: 20 pixels of the mask (3.3%) hold values that are no class (9, 77); they count as Unlabeled."
    assert loaded.warnings == [told]


def test_colours_that_are_near_none_go_to_the_nearest_and_that_is_said(tmp_path: Path) -> None:
    mask = random_mask(3)
    mask[0, :20] = (60, 16, 200)
    loaded = load_folder(write(tmp_path, {"a": mask}), AERIAL)
    assert (labels(loaded)["a"][0, :20] == AERIAL.names.index("Building")).all()
    assert loaded.warnings[0].endswith("are further than 40 from every class colour; each was given to the nearest.")


def test_a_palette_is_read_by_value_in_every_file_or_in_none(tmp_path: Path) -> None:
    """Most of `a` is black, which is void in our colours and class 0 in a palette of its own."""
    mostly_first = np.where(np.arange(600).reshape(20, 30) < 550, np.uint8(0), random_indices(4))
    masks = {"a": mostly_first, "b": random_indices(5), "c": of(0)}
    loaded = load_folder(write(tmp_path, masks, VOC), AERIAL)
    for name, mask in masks.items():
        np.testing.assert_array_equal(labels(loaded)[name], mask)
    assert loaded.warnings == []


def test_a_palette_of_class_colours_is_read_by_colour_in_every_file(tmp_path: Path) -> None:
    turned = list(AERIAL.colours[::-1])
    masks = {"a": random_indices(6), "b": of(0), "c": of(4, 5)}
    loaded = load_folder(write(tmp_path, masks, turned), AERIAL)
    for name, mask in masks.items():
        np.testing.assert_array_equal(labels(loaded)[name], 5 - mask)


def test_colours_of_another_palette_are_refused_in_every_file_also_where_they_happen_to_be_near(
    tmp_path: Path,
) -> None:
    isprs = np.array([(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)], np.uint8)
    masks = {name: isprs[random_indices(at)] for at, name in enumerate("abc")}
    masks["near"] = to_rgb(random_indices(9), AERIAL)
    said = refusal(write(tmp_path, masks))
    assert "they have a palette of their own" in said
    assert "Building #3C1098" in said


def test_grey_values_saved_as_colours_count_by_their_values(tmp_path: Path) -> None:
    masks = {name: np.repeat(random_indices(at)[..., None], 3, axis=2) for at, name in enumerate("ab")}
    loaded = load_folder(write(tmp_path, masks), AERIAL)
    np.testing.assert_array_equal(labels(loaded)["b"], random_indices(1))
    assert any("hold nothing but grey" in warning for warning in loaded.warnings)


def test_grey_in_class_colours_stays_a_colour(tmp_path: Path) -> None:
    unlabelled = np.zeros((20, 30, 3), np.uint8) + np.array(AERIAL.colours[IGNORED], np.uint8)
    unlabelled[:5] = 0
    loaded = load_folder(write(tmp_path, {"a": unlabelled}), AERIAL)
    assert (labels(loaded)["a"] == IGNORED).all()
    assert loaded.warnings == []


@pytest.mark.parametrize("kind", ["grey", "palette", "rgb"])
@pytest.mark.parametrize("seed", range(4))
def test_no_file_is_read_by_another_rule_than_the_whole(tmp_path: Path, kind: str, seed: int) -> None:
    """One value, one meaning: over a whole dataset a stored value always becomes the same class."""
    draw = np.random.default_rng(seed)
    kinds = [of(*draw.choice([0, 1, 2, 3, 4, 5, 255], size=draw.integers(1, 4), replace=False)) for _ in range(6)]
    kinds.append(of(0, 1, 2, 3, 4, 5))
    masks = {f"m{at}": mask for at, mask in enumerate(kinds)}
    shown = {name: np.repeat(mask[..., None], 3, axis=2) for name, mask in masks.items()} if kind == "rgb" else masks
    palette = [(at, 255 - at, (7 * at) % 256) for at in range(256)] if kind == "palette" else None
    found = labels(load_folder(write(tmp_path, shown, palette), AERIAL))
    pairs = {(int(v), int(c)) for name, mask in masks.items() for v, c in zip(mask.flat, found[name].flat, strict=True)}
    assert len({value for value, _ in pairs}) == len(pairs)


def test_what_is_refused_says_what_to_do(tmp_path: Path) -> None:
    said = refusal(write(tmp_path, {"a": of(0, 255)}))
    assert re.search(r"Save them with the numbers .* or with the colours of the classes\.$", said)


@pytest.mark.parametrize("count", [1, 40])
def test_one_picture_of_a_folder_is_read_as_the_folder_is(tmp_path: Path, count: int) -> None:
    masks = {"alone": of(1, 2), **{f"m{at}": of(1, 2, 3, 4, 5, 6) for at in range(count)}}
    pairs, _ = find_pairs(write(tmp_path, masks))
    alone = next(pair for pair in pairs if pair.name == "alone")
    scene, _ = load_pair(alone, AERIAL, siblings=pairs)
    np.testing.assert_array_equal(scene.mask, of(0, 1))
    np.testing.assert_array_equal(load_pair(alone, AERIAL)[0].mask, of(1, 2))


@pytest.mark.parametrize("shape", [(0, 4), (3, 5), (257, 511), (300, 512), (301, 333)])
def test_values_are_counted_whatever_the_shape(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for given in (values, values.T, values[::2]):
        assert np.array_equal(value_counts(given), [(given == value).sum() for value in range(256)])
