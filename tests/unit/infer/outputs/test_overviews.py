"""Overviews that are made while a mask is written are those of the whole mask."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from core.classes import ClassMap
from core.infer.outputs.geotiff import MaskWriter, gdal, to_cog
from core.infer.outputs.overviews import most_of_four
from core.infer.tiling import NO_DATA
from tests.unit.infer.rasters import Held

CLASSES = ClassMap(("Dark", "Bright", "Nothing"), ((10, 20, 30), (250, 240, 230), (0, 0, 0)), 2)


def commonest(four: NDArray[np.uint8]) -> int:
    """The class with most pixels of a 2 x 2 block; of equal ones that which comes first."""
    return max(four.ravel().tolist(), key=four.ravel().tolist().count)


def test_a_pixel_of_an_overview_is_the_class_that_most_of_its_four_have() -> None:
    mask = np.random.default_rng(0).integers(0, 4, (40, 51), dtype=np.uint8)
    found = most_of_four(mask)
    assert found.shape == (20, 26)
    padded = np.concatenate([mask, mask[:, -1:]], axis=1)
    for y in range(20):
        assert found[y].tolist() == [commonest(padded[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]) for x in range(26)]


@pytest.mark.parametrize(("height", "width", "step"), [(1100, 700, 97), (1025, 513, 400), (600, 601, 600), (90, 80, 7)])
def test_a_cog_holds_the_overviews_of_the_whole_whatever_the_strips(
    tmp_path: Path, height: int, width: int, step: int
) -> None:
    mask = np.random.default_rng(1).integers(0, 2, (height, width), dtype=np.uint8)
    mask[: height // 3] = NO_DATA
    info = Held(np.zeros((height, width, 3), np.uint8), None, (0.5, 0, 327150, 0, -0.5, 2783400), "EPSG:32640").info
    with gdal():
        writer = MaskWriter(tmp_path / "plain.tif", info, CLASSES.scored_names, CLASSES.colours)
        for y in range(0, height, step):
            writer.write(y, mask[y : y + step])
        writer.close()
        to_cog(writer.path, tmp_path / "cog.tif", CLASSES.scored_names)
    with rasterio.open(tmp_path / "cog.tif") as file:
        factors = file.overviews(1)
        np.testing.assert_array_equal(file.read(1), mask)
        assert file.colormap(1)[1] == (250, 240, 230, 255)
        assert file.tags(1)["CLASS_1"] == "Bright"
        assert (file.nodata, file.descriptions) == (NO_DATA, ("class",))
    assert len(factors) == (2 if max(height, width) > 1024 else 1 if max(height, width) > 512 else 0)
    for level in range(len(factors)):
        even = np.concatenate([mask, mask[-1:]]) if len(mask) % 2 else mask
        mask = most_of_four(even)
        with rasterio.open(tmp_path / "cog.tif", overview_level=level) as file:
            np.testing.assert_array_equal(file.read(1), mask)
