"""Pictures without labels: their masks are not used, and none of them validates or tests the same run."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.band_set import COLOURS
from core.config import DataConfig
from core.data import open_split, transfer_scenes
from core.data.scene import digest
from core.data.sources import appearance, shown_among
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
    found = transfer_scenes(config, split, COLOURS).scenes
    held = {digest(scene.image) for scene in (*split.val, *split.test)}
    assert held
    assert not held & {digest(scene.image) for scene in found}
    assert {digest(scene.image) for scene in found} == {digest(scene.image) for scene in split.train}


def test_masks_beside_them_are_not_used(pictures: Path) -> None:
    config = data(pictures, pictures)
    assert all(scene.mask is None for scene in transfer_scenes(config, open_split(config)[1], COLOURS).scenes)


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
    found = transfer_scenes(DataConfig("folder", str(pictures), transfer="samples"), split, COLOURS)
    assert (len(found.scenes), found.left_out, str(found)) == (12, 0, "12 more pictures without labels.")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved as JPEG": lambda picture: _through(picture, quality=70),
    "made smaller": lambda picture: picture.resize((picture.width * 2 // 3, picture.height * 3 // 4)),
    "made larger": lambda picture: picture.resize((picture.width * 2, picture.height * 2)),
    "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "brighter": lambda picture: picture.point(lambda value: min(255, value + 12)),
}


def _through(picture: Image.Image, **options: int) -> Image.Image:
    kept = io.BytesIO()
    picture.save(kept, "JPEG", **options)
    return Image.open(kept)


def blots(number: int) -> Image.Image:
    """A picture of large blots, another one for each number."""
    few = np.random.default_rng(number).integers(0, 230, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(few).resize((96, 96), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("change", CHANGES)
def test_one_picture_is_known_again_however_it_was_saved(change: str) -> None:
    changed = appearance(np.asarray(CHANGES[change](blots(0))))
    others = [appearance(np.asarray(blots(number))) for number in range(1, 6)]
    assert not shown_among(changed, others)
    assert shown_among(changed, [*others, appearance(np.asarray(blots(0)))])


def test_a_copy_of_what_validates_or_tests_is_left_out_and_told(tmp_path: Path) -> None:
    for number in range(8):
        save_pair(tmp_path / "own", f"picture_{number}", seed=number)
        blots(number).save(tmp_path / "own" / "images" / f"picture_{number}.png")
        Image.new("RGB", (96, 96), "#3C1098").save(tmp_path / "own" / "masks" / f"picture_{number}.png")
    split = open_split(DataConfig("folder", str(tmp_path / "own")))[1]
    (tmp_path / "more" / "images").mkdir(parents=True)
    for number in range(10):
        _through(blots(number), quality=70).save(tmp_path / "more" / "images" / f"other_{number}.png")
    found = transfer_scenes(data(tmp_path / "own", tmp_path / "more"), split, COLOURS)
    held = len(split.val) + len(split.test)
    assert (len(found.scenes), found.left_out) == (10 - held, held)
    assert (
        str(found) == f"{10 - held} more pictures without labels; {held} are left out, because they validate or test."
    )


def test_even_and_tiny_pictures_are_no_copies_of_each_other() -> None:
    """Open water looks like open water; only the same pixels tell that it is the same."""
    random = np.random.default_rng(0)
    for side in (8, 64):
        one, other = (np.clip(random.normal(90, 1, (side, side, 3)), 0, 255).astype(np.uint8) for _ in range(2))
        assert not shown_among(appearance(one), [appearance(other)])
