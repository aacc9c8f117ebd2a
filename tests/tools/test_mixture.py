"""What the shipped models are trained on: no shipped scene is in it, and no synthetic one validates or tests.

Nor has the teacher seen the scenes without labels, on which it answers for the student.
"""

from pathlib import Path

import numpy as np
import pytest

from core.config import DataConfig
from core.data import open_dataset, open_split, transfer_scenes
from tests.unit.data.pictures import save_pair
from tools import mixture, unlabelled_scenes

SHIPPED_SEEDS = range(1, 13)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "DRAWN", 96)
    monkeypatch.setattr(mixture, "SIDE", 64)


def made(tmp_path: Path, scenes: int) -> Path:
    for part in range(1, 10):
        save_pair(tmp_path / "dubai" / "Tile 1", f"image_part_{part:03}", seed=part)
    assert (
        mixture.main(["--dubai", str(tmp_path / "dubai"), "--out", str(tmp_path / "out"), "--scenes", f"{scenes}"]) == 0
    )
    return tmp_path / "out"


def test_no_scene_has_the_seed_of_a_shipped_one() -> None:
    seeds = [seed for _, _, seed in mixture.places(1000)]
    assert len(set(seeds)) == 1000
    assert not set(seeds) & set(SHIPPED_SEEDS)


@pytest.mark.usefixtures("small")
def test_synthetic_scenes_train_and_dubai_alone_validates_and_tests(tmp_path: Path) -> None:
    _, split = open_split(DataConfig(dataset="mixture", root=str(made(tmp_path, 8))))
    assert sum(scene.tile.startswith("Synthetic") for scene in split.train) == 8
    assert [scene.name for scene in [*split.val, *split.test]] == ["Tile 1/image_part_008", "Tile 1/image_part_009"]
    assert (len(split.train), split.leaks) == (15, False)


@pytest.mark.usefixtures("small")
def test_the_same_command_makes_the_same_pictures_and_keeps_what_is_there(tmp_path: Path) -> None:
    first = open_dataset(DataConfig(dataset="mixture", root=str(made(tmp_path / "a", 2)))).scenes
    folder = made(tmp_path / "b", 1)
    made(tmp_path / "b", 2)
    second = open_dataset(DataConfig(dataset="mixture", root=str(folder))).scenes
    assert [scene.name for scene in first] == [scene.name for scene in second]
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)


def test_the_scenes_without_labels_are_none_that_a_teacher_learned_from_or_that_is_shipped() -> None:
    first = unlabelled_scenes.FIRST_SEED
    theirs = range(first, first + 1000)
    assert not set(theirs) & {*SHIPPED_SEEDS, *(seed for _, _, seed in mixture.places(1000))}


@pytest.mark.usefixtures("small")
def test_scenes_without_labels_teach_beside_labelled_ones_and_stay_as_they_are(tmp_path: Path) -> None:
    for scenes in (1, 2):
        assert unlabelled_scenes.main(["--out", str(tmp_path / "scenes"), "--scenes", f"{scenes}"]) == 0
    assert [file.name for file in tmp_path.glob("scenes/*")] == ["images"]
    data = DataConfig(dataset="mixture", root=str(made(tmp_path, 1)), transfer=str(tmp_path / "scenes"))
    opened, split = open_split(data)
    found = transfer_scenes(data, split, opened.dataset.band_set).scenes
    expected = np.asarray(mixture.cut_scene(unlabelled_scenes.FIRST_SEED).image, dtype=float)
    assert [scene.mask for scene in found] == [None, None]
    assert np.abs(found[0].image - expected).mean() < 4
