"""Folders of pairs: both layouts are found, and nothing is left out without its name and the reason."""

from pathlib import Path

import numpy as np
import pytest

from core.data.datasets.dubai import AERIAL
from core.data.folder import Pair, find_pairs, load_folder, load_pair
from core.data.palette import FAR
from core.errors import DatasetNotFoundError, PairError
from core.image import encode_png
from tests.unit.data.pictures import random_image, random_indices, random_mask, save, save_pair


def reasons(root: Path) -> dict[str, str]:
    """Why each bad pair is bad; the error and the skipping must agree about it."""
    with pytest.raises(PairError) as error:
        load_folder(root, AERIAL)
    save_pair(root, "zz_good", seed=9)
    skipped = load_folder(root, AERIAL, skip_bad=True)
    assert [scene.name for scene in skipped.scenes] == ["zz_good"]
    assert tuple(str(problem) for problem in skipped.problems) == error.value.problems
    return {problem.name: problem.reason for problem in skipped.problems}


def test_tiles_are_found_in_natural_order_with_their_parts(tmp_path: Path) -> None:
    for tile in (10, 2):
        for part in (1, 10):
            save_pair(tmp_path / f"Tile {tile}", f"image_part_{part:03}")
    pairs, problems = find_pairs(tmp_path)
    assert problems == []
    assert [(pair.name, pair.tile, pair.part) for pair in pairs] == [
        ("Tile 2/image_part_001", "Tile 2", 1),
        ("Tile 2/image_part_010", "Tile 2", 10),
        ("Tile 10/image_part_001", "Tile 10", 1),
        ("Tile 10/image_part_010", "Tile 10", 10),
    ]
    assert all(pair.image.is_file() and pair.mask and pair.mask.is_file() for pair in pairs)


@pytest.mark.parametrize(
    ("images", "masks"), [("images", "masks"), ("image", "mask"), ("imgs", "labels"), ("Images", "MASKS")]
)
def test_a_flat_folder_matches_by_stem_in_any_case_of_extension(tmp_path: Path, images: str, masks: str) -> None:
    save(tmp_path / images / "a.b.JPG", random_image())
    save(tmp_path / masks / "a.b.PNG", random_mask())
    save(tmp_path / images / "c.TIFF", random_image())
    save(tmp_path / masks / "c.tif", random_mask())
    pairs, problems = find_pairs(tmp_path)
    assert problems == []
    assert [(pair.name, pair.tile, pair.part) for pair in pairs] == [("a.b", "", None), ("c", "", None)]


def test_scenes_hold_the_pixels_and_the_indices(tmp_path: Path) -> None:
    save_pair(tmp_path / "Tile 1", "image_part_004", seed=3)
    loaded = load_folder(tmp_path, AERIAL)
    (scene,) = loaded.scenes
    np.testing.assert_array_equal(scene.image, random_image(3))
    np.testing.assert_array_equal(scene.mask, random_indices(3))
    assert (scene.name, scene.tile, scene.part) == ("Tile 1/image_part_004", "Tile 1", 4)
    assert (loaded.problems, loaded.warnings) == ([], [])


def test_what_is_no_picture_is_left_alone(tmp_path: Path) -> None:
    save_pair(tmp_path, "a")
    for name in ("images/a.pgw", "images/.a.png", "masks/notes.txt", "masks/Thumbs.db", "readme.md"):
        (tmp_path / name).write_text("x")
    save(tmp_path / "__MACOSX" / "images" / "b.png", random_image())
    pairs, problems = find_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["a"]
    assert problems == []


def test_every_partner_that_is_missing_is_named(tmp_path: Path) -> None:
    save(tmp_path / "images" / "alone.png", random_image())
    save(tmp_path / "masks" / "lost.png", random_mask())
    found = reasons(tmp_path)
    assert found == {
        "alone": "no partner: the image alone.png has no mask.",
        "lost": "no partner: the mask lost.png has no image.",
    }


def test_a_tile_without_masks_beside_one_with_masks_has_no_partners(tmp_path: Path) -> None:
    save_pair(tmp_path / "Tile 1", "a")
    save(tmp_path / "Tile 2" / "images" / "b.png", random_image())
    save(tmp_path / "Tile 3" / "masks" / "c.png", random_mask())
    with pytest.raises(PairError) as error:
        load_folder(tmp_path, AERIAL)
    assert [problem.split(":")[0] for problem in error.value.problems] == ["Tile 2/b", "Tile 3/c"]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    save_pair(tmp_path, "a")
    save(tmp_path / "images" / "a.jpg", random_image())
    save_pair(tmp_path, "b")
    save(tmp_path / "labels" / "b.png", random_mask())
    found = reasons(tmp_path)
    assert found == {
        "a": "2 images have this name (a.jpg, a.png): keep one.",
        "b": "2 masks have this name (b.png, b.png): keep one.",
    }


def test_sizes_that_differ_are_told(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", random_image(height=20, width=30))
    save(tmp_path / "masks" / "a.png", random_mask(height=20, width=31))
    assert "sizes differ (image 30x20, mask 31x20)" in reasons(tmp_path)["a"]


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_a_damaged_file_is_told(tmp_path: Path, folder: str) -> None:
    save_pair(tmp_path, "a")
    whole = (tmp_path / folder / "a.png").read_bytes()
    (tmp_path / folder / "a.png").write_bytes(whole[: len(whole) // 2])
    assert reasons(tmp_path)["a"].startswith("a.png cannot be read")


def test_a_format_that_is_not_read_is_told(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.bmp", random_image())
    save(tmp_path / "masks" / "a.png", random_mask())
    assert reasons(tmp_path)["a"] == "a.bmp is no PNG, JPEG or TIFF: convert it."


def test_unknown_colours_are_told(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", random_image())
    save(tmp_path / "masks" / "a.png", np.full((20, 30, 3), (0, 255, 0), dtype=np.uint8))
    save(tmp_path / "images" / "b.png", random_image())
    save(tmp_path / "masks" / "b.png", random_indices() + np.uint8(20))
    found = reasons(tmp_path)
    assert found["a"].startswith("unknown colours: 600 pixels of the mask (100.0%)")
    assert found["b"].startswith(
        "unknown values: 600 pixels of the mask (100.0%) hold values that are no class (20 to 25)"
    )


@pytest.mark.parametrize(("far", "warned"), [(6, False), (7, True), (150, True)])
def test_more_than_one_in_a_hundred_far_pixels_are_warned_about_with_their_count(
    tmp_path: Path, far: int, warned: bool
) -> None:
    mask = random_mask()
    mask.reshape(-1, 3)[:far] = (0, 255, 0)
    save_pair(tmp_path, "a")
    save(tmp_path / "masks" / "a.png", mask)
    loaded = load_folder(tmp_path, AERIAL)
    assert len(loaded.scenes) == 1
    told = f"a: {far} pixels of the mask ({far / 600:.1%}) are further than {FAR} from every class colour"
    assert [warning.split(";")[0] for warning in loaded.warnings] == ([told] if warned else [])


def test_blended_borders_are_near_enough_and_need_no_warning(tmp_path: Path) -> None:
    mask = random_mask()
    mask = (mask.astype(int) + np.random.default_rng(1).integers(-15, 16, mask.shape)).clip(0, 255).astype(np.uint8)
    save_pair(tmp_path, "a")
    save(tmp_path / "masks" / "a.png", mask)
    loaded = load_folder(tmp_path, AERIAL)
    np.testing.assert_array_equal(loaded.scenes[0].mask, random_indices())
    assert loaded.warnings == []


def test_a_folder_without_any_masks_gives_unlabelled_scenes(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", random_image())
    loaded = load_folder(tmp_path, AERIAL)
    assert [(scene.name, scene.mask) for scene in loaded.scenes] == [("a", None)]


def test_skipping_everything_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.bmp", random_image())
    save(tmp_path / "masks" / "a.png", random_mask())
    with pytest.raises(PairError, match="convert it"):
        load_folder(tmp_path, AERIAL, skip_bad=True)


def test_no_folder_and_no_pairs_are_told_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"There is no folder .*gone"):
        find_pairs(tmp_path / "gone")
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"holds no image/mask pairs: put pictures into images/ and masks/"):
        find_pairs(tmp_path)


def test_a_pair_is_refused_by_name(tmp_path: Path) -> None:
    mask = tmp_path / "m.png"
    mask.write_bytes(encode_png(random_indices()))
    pair = Pair(name="Tile 1/x", image=tmp_path / "gone.png", mask=mask, tile="Tile 1", part=None)
    with pytest.raises(PairError, match=r"^Tile 1/x: gone\.png cannot be opened"):
        load_pair(pair, AERIAL)


def _split_folder(root: Path, where: str, names: tuple[str, str, str]) -> None:
    for seed, (folder, count) in enumerate(zip(names, (3, 2, 1), strict=True)):
        for number in range(count):
            stem, at = f"{folder}{number}", 10 * seed + number
            image, mask = random_image(at), random_mask(at)
            for kind, array in (("images", image), ("masks", mask)):
                place = root / folder / kind if where == "above" else root / kind / folder
                save(place / f"{stem}.png", array)


@pytest.mark.parametrize("where", ["above", "inside"])
@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "valid", "Test"),
        ("train", "eval", "test"),
        ("trn", "dev", "tst"),
        ("1_train", "2_val", "3_test"),
        ("trainset", "val_set", "Test Data"),
        ("train ", "val-split", "holdout"),
    ],
)
def test_folders_named_as_a_split_are_known_above_images_and_inside(
    tmp_path: Path, where: str, names: tuple[str, str, str]
) -> None:
    _split_folder(tmp_path, where, names)
    pairs, problems = find_pairs(tmp_path)
    assert problems == []
    assert sorted((pair.split, pair.tile) for pair in pairs) == [("test", "")] + [("train", "")] * 3 + [("val", "")] * 2
    assert f"{names[0]}/{names[0]}0" in {pair.name for pair in pairs}
    assert [scene.split for scene in load_folder(tmp_path, AERIAL).scenes] == [pair.split for pair in pairs]


def test_tiles_below_a_split_keep_both(tmp_path: Path) -> None:
    save_pair(tmp_path / "train" / "Tile 1", "a")
    save_pair(tmp_path / "val" / "Tile 2", "a")
    pairs, _ = find_pairs(tmp_path)
    assert [(pair.name, pair.split, pair.tile) for pair in pairs] == [
        ("train/Tile 1/a", "train", "Tile 1"),
        ("val/Tile 2/a", "val", "Tile 2"),
    ]


def test_a_split_in_another_case_beside_images_and_masks_is_the_same(tmp_path: Path) -> None:
    save(tmp_path / "images" / "train" / "a.png", random_image())
    save(tmp_path / "masks" / "Train" / "a.png", random_mask())
    pairs, problems = find_pairs(tmp_path)
    assert ([(pair.name, pair.split) for pair in pairs], problems) == ([("train/a", "train")], [])
