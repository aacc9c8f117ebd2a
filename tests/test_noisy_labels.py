"""Wrong labels are the same for a seed and no more than asked for; no teacher judges a picture that it learned from."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import noisy_labels
from benchmarks.dubai_parts import TILES, parts
from benchmarks.noisy_labels import answers, corrupt, folds, make, regions
from core.config import DataConfig
from core.data import open_dataset, open_split
from core.data.scene import digest
from core.errors import ConfigError
from tests.unit.data.pictures import save_pair

CLASSES = {"outputs": 5, "ignore_index": 5}


def blocks(seed: int = 0, *, side: int = 12, count: int = 8) -> np.ndarray:
    """Squares of random classes, with a frame that nobody labelled."""
    mask = np.random.default_rng(seed).integers(0, 5, (count, count)).astype(np.uint8).repeat(side, 0).repeat(side, 1)
    mask[:3] = 5
    return mask


def test_regions_are_what_touches_and_has_one_class() -> None:
    mask = np.array([[0, 0, 1, 5], [1, 0, 1, 1], [0, 1, 0, 1]], np.uint8)
    found = regions(mask, 5)
    assert sorted(len(rows) for rows, _ in found) == [1, 1, 1, 1, 3, 4]
    counted = np.zeros_like(mask)
    for region in found:
        counted[region] += 1
    assert np.array_equal(counted, mask != 5)
    assert all(len(set(mask[region])) == 1 for region in found)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_regions_is_corrupted_and_the_same_for_a_seed(share: float) -> None:
    mask = blocks()
    made = corrupt(mask, share=share, seed=1, **CLASSES)
    assert np.array_equal(made, corrupt(mask, share=share, seed=1, **CLASSES))
    assert np.array_equal(made == 5, mask == 5)
    assert made.max() <= 5
    changed = [region for region in regions(mask, 5) if (made[region] != mask[region]).mean() > 0.5]
    assert (len(changed) == 0) if share == 0 else len(changed) > 0
    if share == 0.3:
        assert (made != mask).mean() < 0.6
        assert not np.array_equal(made, corrupt(mask, share=share, seed=2, **CLASSES))


def test_every_picture_is_in_one_fold() -> None:
    client = sorted(parts(TILES, range(1, 8)))
    found = folds(client, 4, seed=3)
    assert sorted(part for fold in found for part in fold) == client
    assert {len(fold) for fold in found} == {14}
    assert found == folds(list(reversed(client)), 4, seed=3)
    with pytest.raises(ConfigError, match="2 to 56 folds, not 1"):
        folds(client, 1, seed=0)


@pytest.mark.slow
def test_no_teacher_answers_on_a_picture_that_it_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their pixels; and together they answer on every picture, whose validation labels stay as they were."""
    monkeypatch.setattr(noisy_labels, "TILES", range(1, 3))
    source, root = tmp_path / "dubai", tmp_path / "made"
    for tile in (1, 2):
        for part in range(1, 10):
            save_pair(source / f"Tile {tile}", f"image_part_{part:03}", seed=10 * tile + part, height=40, width=40)
    make(root, source, share=0.5, seed=0, count=3)
    everything: set[str] = set()
    for number in range(3):
        fold = root / f"fold-{number}"
        asked = {digest(each.image) for each in open_dataset(DataConfig("folder", str(fold / "asked"))).scenes}
        split = open_split(DataConfig("folder", str(fold / "teacher")))[1]
        learned = {digest(scene.image) for scene in (*split.train, *split.val)}
        assert asked
        assert not asked & learned
        assert not asked & everything
        everything |= asked
    noisy, clean = (open_split(DataConfig("folder", str(each)))[1] for each in (root / "noisy", source))
    assert everything == {digest(scene.image) for scene in clean.train}
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(noisy.val, clean.val, strict=True))
    fitted = answers(root, ["student-2"] * 3, confidence=0.0)
    made = open_split(DataConfig("folder", str(fitted)))[1]
    assert {digest(scene.image) for scene in made.train} == everything
