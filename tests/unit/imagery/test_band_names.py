"""Which bands are colours: whole words of their descriptions, and a note that says what was taken."""

import numpy as np
import pytest

from core.imagery.band_names import named_bands
from core.imagery.decode import open_here
from tests.unit.imagery.rasters import by_gdal

MICASENSE_DUAL = (
    "Blue-444", "Blue", "Green-531", "Green", "Red-650", "Red", "Red edge-705", "Red edge", "Red edge-740", "NIR"
)  # fmt: skip
PLANET = ("coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir")


@pytest.mark.parametrize(
    ("names", "red", "green", "blue"),
    [
        (("Blue", "Green", "Red", "Red edge", "NIR"), 3, 2, 1),
        (("red-edge", "red", "green", "blue"), 2, 3, 4),
        (("RedEdge", "Red", "Green", "Blue"), 2, 3, 4),
        (("REDEDGE", "RED", "GREEN", "BLUE"), 2, 3, 4),
        (("red_edge_1", "far red", "red", "green", "blue"), 3, 4, 5),
        (("RE", "R", "G", "B", "N"), 2, 3, 4),
        (("Near infrared", "Red", "Green", "Blue"), 2, 3, 4),
        (("Near infra-red", "Red", "Green", "Blue"), 2, 3, 4),
        (("Band 1 Blue", "Band 2 Green", "Band 3 Red", "Band 4 NIR"), 3, 2, 1),
        (("B1 Blue", "B2 Green", "B3 Red", "B4 NIR"), 3, 2, 1),
        (("B04 - Red, 665 nm", "B03 - Green, 560 nm", "B02 - Blue, 490 nm", "B05 - Vegetation red edge"), 1, 2, 3),
        (("B02", "B03", "B04", "B08", "B8A"), 3, 2, 1),
        (("SR_B2", "SR_B3", "SR_B4", "SR_B5"), 3, 2, 1),
        (("Rot", "Grün", "Blau", "Nahes Infrarot"), 1, 2, 3),
        (("Red1", "Green1", "Blue1"), 1, 2, 3),
        (("bande rouge", "bande verte", "bande bleue"), 1, 2, 3),
        (("T32TNS_20200101_B04", "T32TNS_20200101_B03", "T32TNS_20200101_B02"), 1, 2, 3),
        (("T32TNS_B02_10m", "T32TNS_B03_10m", "T32TNS_B04_10m"), 3, 2, 1),
        (("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"), 4, 3, 2),
        (("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"), 3, 2, 1),
        (("LT05_B3", "LT05_B2", "LT05_B1", "LT05_B4"), 1, 2, 3),
        (("LC08_B3", "LC08_B2", "LC08_B1", "LC08_B4"), 4, 1, 2),
        (MICASENSE_DUAL, 6, 4, 2),
        (PLANET, 6, 4, 2),
    ],
)
def test_a_colour_is_named_by_whole_words(names: tuple[str, ...], red: int, green: int, blue: int) -> None:
    assert named_bands(names) == {"red": red, "green": green, "blue": blue}


@pytest.mark.parametrize(
    "names",
    [
        ("NIR", "Red", "Green"),
        ("Red", "Red", "Green", "Blue"),
        ("sur_refl_b01", "sur_refl_b04", "sur_refl_b03"),
        ("Red edge", "Excess green index", "Coastal blue"),
        ("Band 1", "Band 2", "Band 3"),
        ("Scarred", "Evergreen", "Blueberry"),
    ],
)
def test_what_is_named_by_no_band_or_by_two_is_not_guessed(names: tuple[str, ...]) -> None:
    assert not {"red", "green", "blue"} <= named_bands(names).keys()


BANDS = np.random.default_rng(3).integers(1, 255, (5, 40, 50), dtype=np.uint8)


@pytest.mark.parametrize(
    ("names", "taken", "note"),
    [
        (("Blue", "Green", "Red", "Red edge", "NIR"), [3, 2, 1], "Bands 3, 2 and 1 are red, green and blue, as"),
        (("NIR", "Red", "Green", "SWIR", "TIR"), [1, 2, 3], "The names of its 5 bands do not tell red, green and blue"),
        (None, [1, 2, 3], "None of its 5 bands is named: bands 1, 2 and 3 are taken"),
        (("Band 1", "Band 2", "Band 3", "Band 4", "Band 5"), [1, 2, 3], "None of its 5 bands is named"),
        (("alpha", "Blue", "Green", "Red", "NIR"), [4, 3, 2], "Bands 4, 3 and 2 are red, green and blue, as"),
    ],
)
def test_the_note_says_what_was_done(names: tuple[str, ...] | None, taken: list[int], note: str) -> None:
    picture = open_here(by_gdal(BANDS, names=names, photometric="MINISBLACK"))
    rgb, _ = picture.read(0, 0, 40, 50)
    np.testing.assert_array_equal(rgb, np.moveaxis(BANDS[[number - 1 for number in taken]], 0, 2))
    assert any(each.startswith(note) for each in picture.info.notes)
