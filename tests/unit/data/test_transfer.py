"""Pictures without labels: their masks are not used, and none of them validates or tests the same run."""

import shutil
from pathlib import Path

import pytest

from core.band_set import COLOURS
from core.config import DataConfig
from core.data import open_split, transfer_scenes
from core.data.scene import digest
from core.errors import ConfigError
from tests.unit.data.pictures import save_pair


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(12):
        save_pair(tmp_path / "own", f"picture_{number:02}", seed=number)
    return tmp_path / "own"


def data(root: Path, transfer: Path) -> DataConfig:
    return DataConfig("folder", str(root), transfer=str(transfer))


def test_what_validates_or_tests_is_left_out_whatever_its_file_is_called(pictures: Path, tmp_path: Path) -> None:
    """A folder of everything is brought, labels and all, under other names."""
    shutil.copytree(pictures / "images", tmp_path / "more" / "images")
    for file in sorted((tmp_path / "more" / "images").iterdir()):
        file.rename(file.with_name(f"renamed_{file.name}"))
    config = data(pictures, tmp_path / "more")
    split = open_split(config)[1]
    found = transfer_scenes(config, split, COLOURS)
    held = {digest(scene.image) for scene in (*split.val, *split.test)}
    assert held
    assert not held & {digest(scene.image) for scene in found}
    assert {digest(scene.image) for scene in found} == {digest(scene.image) for scene in split.train}


def test_masks_beside_them_are_not_used(pictures: Path) -> None:
    config = data(pictures, pictures)
    assert all(scene.mask is None for scene in transfer_scenes(config, open_split(config)[1], COLOURS))


def test_of_nothing_but_held_pictures_none_is_left(pictures: Path, tmp_path: Path) -> None:
    split = open_split(DataConfig("folder", str(pictures)))[1]
    names = {scene.name for scene in (*split.val, *split.test)}
    (tmp_path / "more" / "images").mkdir(parents=True)
    for file in (pictures / "images").iterdir():
        if any(name.endswith(file.stem) for name in names):
            shutil.copy(file, tmp_path / "more" / "images" / file.name)
    with pytest.raises(ConfigError, match="bring others"):
        transfer_scenes(data(pictures, tmp_path / "more"), split, COLOURS)


def test_a_dataset_is_named_and_a_path_is_not(pictures: Path) -> None:
    split = open_split(DataConfig("folder", str(pictures)))[1]
    assert len(transfer_scenes(DataConfig("folder", str(pictures), transfer="samples"), split, COLOURS)) == 12
