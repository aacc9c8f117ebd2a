"""A model of 255 classes, the most that there can be: every number of a byte but one is a class."""

from pathlib import Path

import numpy as np
import rasterio

from core.classes import UNLABELLED_COLOUR, ClassMap, colours_for
from core.imagery.limits import Info
from core.infer.outputs.difference import difference_colours, difference_names, write_difference
from core.infer.outputs.geotiff import MaskWriter, gdal
from core.infer.tiling import NO_DATA

MOST = 255
CLASSES = ClassMap(
    (*(f"Class {number}" for number in range(MOST)), "Unlabeled"), (*colours_for(MOST), UNLABELLED_COLOUR), MOST
)


def test_the_difference_of_255_classes_says_what_agreement_is(tmp_path: Path) -> None:
    theirs = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ours = theirs.copy()
    ours[0, :4] = (254, 0, 7, 9)
    info = Info("TIFF", 16, 16)
    with gdal():
        for name, mask in (("ours", ours), ("theirs", theirs)):
            writer = MaskWriter(tmp_path / f"{name}.tif", info, CLASSES.scored_names, CLASSES.colours[:MOST])
            writer.write(0, mask)
            writer.close()
        files = {"student": tmp_path / "ours.tif", "teacher": tmp_path / "theirs.tif"}
        areas = write_difference(tmp_path / "difference.tif", info, CLASSES, **files)
        with rasterio.open(tmp_path / "difference.tif") as file:
            found = file.read(1)
    assert found[0, :4].tolist() == [254, 0, 7, 9]
    assert (found.ravel()[4:] == NO_DATA).all()
    assert {area.name: area.pixels for area in areas} == {
        "both the same": 255 - 4,
        "Class 0 → Class 254": 1,
        "Class 1 → Class 0": 1,
        "Class 2 → Class 7": 1,
        "Class 3 → Class 9": 1,
    }
    assert difference_names(CLASSES)[NO_DATA] == "both the same, or no data"
    assert len(difference_colours(CLASSES)) == len(difference_names(CLASSES)) == 256
