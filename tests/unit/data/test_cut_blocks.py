"""A picture that is cut into blocks: no pixel of training lies within the margin of one that validates or tests."""

import numpy as np
import pytest

from core import paths
from core.config import DataConfig, ModelConfig, RunConfig
from core.data import named, open_split
from core.data.cut_blocks import BETWEEN, LARGEST_SIDE, Block, Box, blocks_of, margin_of
from core.errors import ConfigError
from core.image import read_rgb
from core.runs.checks import check
from tests.unit.data.readers.brought import photo, save, take, truth


@pytest.mark.parametrize("size", [(96, 40), (700, 600), (600, 700), (5000, 9000), (20_000, 12_000)])
def test_blocks_keep_their_margin_and_lose_nothing_else(size: tuple[int, int]) -> None:
    height, width = size
    margin = min(BETWEEN, round(0.1 * max(size)))
    seen = np.zeros((height // 4 + 1, width // 4 + 1), np.uint8)
    spans: dict[str, list[int]] = {}
    pixels = 0
    for block in blocks_of(Box(0, 0, height, width)):
        assert max(block.height, block.width) <= LARGEST_SIDE
        assert block.top + block.height <= height
        assert block.left + block.width <= width
        start, length = (block.top, block.height) if height > width else (block.left, block.width)
        spans.setdefault(block.part, []).extend([start, start + length])
        seen[block.top // 4, block.left // 4] += 1
        pixels += block.height * block.width
    assert seen.max() == 1
    assert pixels == min(size) * (max(size) - 2 * margin)
    assert min(spans["validate"]) - max(spans["train"]) == margin
    assert min(spans["test"]) - max(spans["validate"]) == margin


def test_a_margin_can_be_asked_for_that_leaves_enough() -> None:
    box = Box(100, 50, 600, 4000)
    assert margin_of(box, 512) == 512
    spans = {part: [block for block in blocks_of(box, margin=512) if block.part == part] for part in ("train", "test")}
    assert min(block.left for block in spans["train"]) == 50
    assert max(block.left + block.width for block in spans["test"]) == 4050
    with pytest.raises(ConfigError, match="choose 1,000 at most"):
        blocks_of(box, margin=1001)


def test_tiles_of_many_bands_stay_small() -> None:
    blocks: list[Block] = blocks_of(Box(0, 0, 5000, 9000), pixel_bytes=64)
    assert max(block.height * block.width * 64 for block in blocks) <= 64 * 1024**2
    assert len({(block.top, block.left) for block in blocks}) == len(blocks)


@pytest.mark.parametrize("size", [(40, 600), (600, 40)])
def test_one_large_picture_is_a_dataset_with_a_split_of_its_own(size: tuple[int, int]) -> None:
    source = paths.home() / "ortho"
    image, mask = photo(1, height=size[0], width=size[1]), truth(1, 3, height=size[0], width=size[1])
    save(source / "images" / "ortho.png", image)
    save(source / "masks" / "ortho.png", mask)
    taken = take(source)
    blocks = {f"ortho-{block.part}-{block.number}": block for block in blocks_of(Box(0, 0, *size))}
    assert set(taken.masks) == set(blocks)
    for stem, block in blocks.items():
        here = (slice(block.top, block.top + block.height), slice(block.left, block.left + block.width))
        assert (taken.masks[stem] == mask[here]).all()
        assert (read_rgb(named.folder_of("taken") / "images" / f"{stem}.tif") == image[here]).all()
    split = open_split(DataConfig("taken"))[1]
    assert [[scene.name for scene in part] for part in (split.train, split.val, split.test)] == [
        ["ortho-train-1"],
        ["ortho-validate-1"],
        ["ortho-test-1"],
    ]
    assert not split.leaks


def test_labels_of_another_size_are_cut_where_the_picture_is() -> None:
    source = paths.home() / "ortho"
    save(source / "images" / "ortho.png", photo(1, height=40, width=600))
    half = np.repeat(np.array([0, 1, 2], np.uint8), 100)[None].repeat(20, 0)
    save(source / "masks" / "ortho.png", half)
    taken = take(source, resample=0.5)
    (test,) = (block for block in blocks_of(Box(0, 0, 40, 600)) if block.part == "test")
    assert (taken.masks["ortho-test-1"] == half.repeat(2, 0).repeat(2, 1)[:, test.left : test.left + test.width]).all()


def test_several_pictures_are_cut_where_a_person_says_so_alone() -> None:
    source = paths.home() / "plots"
    for number in range(2):
        save(source / "images" / f"p{number}.png", photo(number, height=40, width=600))
        save(source / "masks" / f"p{number}.png", truth(number, 3, height=40, width=600))
    assert set(take(source, "whole").masks) == {"p0", "p1"}
    cut = take(source, "cut", blocks=True)
    assert set(cut.parts.values()) == {"train", "val", "test"}
    assert len(cut.masks) == 6


@pytest.mark.parametrize(("margin", "crop", "warned"), [(None, 64, True), (None, 32, False), (100, 96, False)])
def test_a_crop_wider_than_the_margin_is_warned_of(margin: int | None, crop: int, warned: bool) -> None:
    source = paths.home() / "ortho"
    save(source / "images" / "ortho.png", photo(1, height=80, width=600))
    save(source / "masks" / "ortho.png", truth(1, 3, height=80, width=600))
    taken = take(source, margin=margin)
    assert taken.description.split.margin == (60 if margin is None else margin)
    config = RunConfig("train", data=DataConfig("taken", crop=crop), model=ModelConfig("compact", {"base": 2}))
    told = [text for text in check(config, runs=paths.home() / "runs") if "apart in one picture" in text]
    assert bool(told) == warned
