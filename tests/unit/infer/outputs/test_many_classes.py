"""A model of 255 classes, the most that there can be: every number of a byte but one is a class."""

from pathlib import Path

import numpy as np
import rasterio

from core.classes import UNLABELLED_COLOUR, ClassMap, colours_for
from core.imagery.limits import Info
from core.infer.outputs.difference import difference_colours, difference_names, write_difference
from core.infer.outputs.geotiff import MaskWriter, gdal, to_cog
from core.infer.tiling import NO_DATA

MOST = 255
CLASSES = ClassMap(
    (*(f"Class {number}" for number in range(MOST)), "Unlabeled"), (*colours_for(MOST), UNLABELLED_COLOUR), MOST
)


def test_the_difference_of_255_classes_tells_agreement_from_no_data(tmp_path: Path) -> None:
    theirs = np.tile(np.arange(256, dtype=np.uint8), (600, 3))[:, :600]
    ours = theirs.copy()
    ours[0, :4] = (254, 0, 7, 9)
    info = Info("TIFF", 600, 600)
    with gdal():
        for name, mask in (("ours", ours), ("theirs", theirs)):
            writer = MaskWriter(tmp_path / f"{name}.tif", info, CLASSES.scored_names, CLASSES.colours[:MOST])
            writer.write(0, mask)
            writer.close()
        files = {"student": tmp_path / "ours.tif", "teacher": tmp_path / "theirs.tif"}
        areas = write_difference(tmp_path / "difference.tif", info, CLASSES, **files)
        with rasterio.open(tmp_path / "difference.tif") as file:
            found, no_data = file.read(1), int(file.nodata)
        to_cog(tmp_path / "difference.tif", tmp_path / "cloud.tif", difference_names(CLASSES))
        with rasterio.open(tmp_path / "cloud.tif") as file:
            assert np.array_equal(file.read(1), found)
            assert file.nodata == no_data
            assert file.colormap(1)[255] == (*difference_colours(CLASSES)[255], 255)
        with rasterio.open(tmp_path / "cloud.tif", overview_level=0) as file:
            smaller = file.read(1)
    assert smaller.shape == (300, 300)
    assert set(np.unique(smaller).tolist()) <= {255, no_data, 254, 0, 7, 9}
    assert found[0, :4].tolist() == [254, 0, 7, 9]
    same = theirs != NO_DATA
    same[0, :4] = False
    assert (found[same] == difference_names(CLASSES).index("both the same")).all()
    assert (found[theirs == NO_DATA] == no_data).all()
    assert no_data != difference_names(CLASSES).index("both the same")
    assert {area.name: area.pixels for area in areas} == {
        "both the same": int((theirs != NO_DATA).sum()) - 4,
        "Class 0 → Class 254": 1,
        "Class 1 → Class 0": 1,
        "Class 2 → Class 7": 1,
        "Class 3 → Class 9": 1,
    }
    assert len(difference_colours(CLASSES)) == len(difference_names(CLASSES)) == 256
