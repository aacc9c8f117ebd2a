"""A width of a pixel that a person gives, where the file says none: areas rest on it and say so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from core.errors import ConfigError
from core.imagery.limits import Info
from core.infer.outputs.areas import AreaCounter, to_csv
from core.infer.outputs.mask_polygons import PolygonSettings, regions

PLAIN = Info("PNG", 30, 20)


def areas_of(info: Info) -> list[float | None]:
    counter = AreaCounter(info, ("a", "b"))
    counter.add(0, np.repeat([[0] * 10 + [1] * 20], 20, axis=0).astype(np.uint8))
    return [area.square_metres for area in counter.areas()]


def test_areas_are_square_metres_of_what_was_given_and_none_without() -> None:
    assert areas_of(PLAIN) == [None, None]
    assert areas_of(PLAIN.with_ground(0.5)) == pytest.approx([200 * 0.25, 400 * 0.25])


def test_what_was_given_is_told_and_stands_in_the_table() -> None:
    info = PLAIN.with_ground(0.5)
    assert "0.5 m wide: given by you" in info.notes[-1]
    counter = AreaCounter(info, ("a",))
    assert to_csv(counter.areas(), info.given_metres).splitlines()[0].endswith(",metres_per_pixel_given_by_you")
    assert "given" not in to_csv(counter.areas())


def test_what_the_file_says_goes_before_it() -> None:
    own = replace(PLAIN, metres_per_pixel=0.3).with_ground(5.0)
    assert (own.metres_per_pixel, own.given_metres) == (0.3, None)
    assert "are not used" in own.notes[-1]


@pytest.mark.parametrize("metres", [0, -1, 0.0009, 1001, float("nan"), float("inf")])
def test_a_width_that_no_pixel_has_is_refused(metres: float) -> None:
    with pytest.raises(ConfigError, match=r"from 0.001 to 1,000 metres wide"):
        PLAIN.with_ground(metres)


def test_polygons_are_measured_by_it_and_small_ones_join_a_neighbour(tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:9] = 1
    profile = {"driver": "GTiff", "width": 30, "height": 20, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "mask.tif", "w", transform=rasterio.Affine(1, 0, 9, 0, -1, 9), **profile) as file:
        file.write(mask, 1)
    info = PLAIN.with_ground(2.0)
    for smallest, expected in ((63.0, [16 * 4.0, 584 * 4.0]), (65.0, [600 * 4.0])):
        settings = PolygonSettings(smallest_area=smallest, smooth=0.0)
        (part,) = regions(tmp_path / "mask.tif", info, settings)
        assert sorted(part.square_metres) == pytest.approx(expected)
