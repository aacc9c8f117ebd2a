"""Datasets by name: each from its place, and a clear word when it is not there."""

from pathlib import Path

import pytest

from core import paths
from core.config import DataConfig
from core.data import open_dataset, open_split
from core.data.datasets import DATASETS
from core.errors import ConfigError, DatasetNotFoundError, PairError
from tests.unit.data.pictures import random_image, save, save_pair


@pytest.fixture
def dubai_like(tmp_path: Path) -> Path:
    for tile in (1, 2):
        for part in range(1, 10):
            save_pair(tmp_path / "aerial" / f"Tile {tile}", f"image_part_{part:03}", seed=10 * tile + part)
    return tmp_path / "aerial"


def test_every_dataset_is_a_choice_of_the_settings() -> None:
    assert set(DATASETS) == {"samples", "dubai", "mixture", "unlabelled-scenes", "folder"}
    assert DataConfig().dataset in DATASETS


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match="no dataset 'moon': choose samples, dubai, mixture, unlabelled-scenes, folder"
    ):
        open_dataset(DataConfig(dataset="moon"))


def test_samples_come_from_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SAMPLES", tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r"tools\.synthetic --out sample_images"):
        open_dataset(DataConfig(dataset="samples"))
    for number in range(4):
        save_pair(tmp_path, f"scene_{number:02}", seed=number)
    assert [scene.name for scene in open_dataset(DataConfig()).scenes] == [f"scene_{n:02}" for n in range(4)]


def test_dubai_is_searched_where_the_environment_says(dubai_like: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASTILL_DUBAI", str(dubai_like))
    dataset, split = open_split(DataConfig(dataset="dubai"))
    assert (len(dataset.scenes), len(split.train), len(split.val), len(split.test)) == (18, 14, 2, 2)
    assert "18 of 72 pairs" in dataset.warnings[0]
    monkeypatch.setenv("TERRASTILL_DUBAI", str(dubai_like / "gone"))
    with pytest.raises(DatasetNotFoundError, match=r"gone: fetch it with `python -m core data download`"):
        open_dataset(DataConfig(dataset="dubai"))


def test_a_folder_needs_its_root_and_takes_either_layout(dubai_like: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a root"):
        open_dataset(DataConfig(dataset="folder"))
    save_pair(tmp_path / "flat", "a")
    for root, count in ((dubai_like, 18), (tmp_path / "flat", 1)):
        assert len(open_dataset(DataConfig(dataset="folder", root=str(root))).scenes) == count


def test_the_split_and_the_crop_come_from_the_settings(dubai_like: Path) -> None:
    settings = {"dataset": "folder", "root": str(dubai_like)}
    assert open_split(DataConfig(**settings, split="leave-tile-out:2"))[1].test[0].tile == "Tile 2"
    with pytest.raises(ConfigError, match="leaves nothing to train on"):
        open_split(DataConfig(**settings, split="leaky-patches", crop=32))


def test_bad_pairs_are_skipped_only_when_the_caller_says_so(dubai_like: Path) -> None:
    save(dubai_like / "Tile 1" / "images" / "alone.png", random_image())
    with pytest.raises(PairError, match="Tile 1/alone: no partner"):
        open_dataset(DataConfig(dataset="folder", root=str(dubai_like)))
    skipping = open_dataset(DataConfig(dataset="folder", root=str(dubai_like), skip_bad_pairs=True))
    assert [problem.name for problem in skipping.problems] == ["Tile 1/alone"]


def test_pictures_without_masks_can_be_opened_but_not_split(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", random_image())
    config = DataConfig(dataset="folder", root=str(tmp_path))
    assert open_dataset(config).scenes[0].mask is None
    with pytest.raises(ConfigError, match="has no masks: put them into masks/"):
        open_split(config)
