"""Failures of GDAL, PROJ and GEOS, as they really come, are ours afterwards; nothing else is touched."""

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.warp
import shapely
from rasterio.crs import CRS

from core import geo
from core.errors import DiskFullError, GeoError, ImageError

SITE = 'LOCAL_CS["site grid",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
OFF_THE_DISK = CRS.from_proj4("+proj=geos +h=35785831 +lon_0=0 +sweep=y")
FAILURES: dict[str, Callable[[Path], object]] = {
    "a system without degrees": lambda _: rasterio.warp.transform(CRS.from_wkt(SITE), "EPSG:4326", [0], [0]),
    "a point on no place on earth": lambda _: rasterio.warp.transform(OFF_THE_DISK, "EPSG:4326", [5.6e6], [5.6e6]),
    "an unknown system": lambda _: CRS.from_user_input("EPSG:999999"),
    "no TIFF": lambda folder: rasterio.open(folder / "text.tif"),
    "a window beside the picture": lambda _: rasterio.windows.from_bounds(
        0, 0, 0, 0, rasterio.Affine(0, 0, 0, 0, 0, 0)
    ),
    "no GeoPackage": lambda folder: pyogrio.raw.read(folder / "gone.gpkg"),
    "no geometry": lambda _: shapely.from_wkt("POLYGON ((0 0"),
    "a ring of two points": lambda _: shapely.polygons(np.zeros((2, 2))),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_a_library_is_ours(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no TIFF")
    with pytest.raises(GeoError, match=r"^The map is torn\.$") as told, geo.calls("The map is torn."):
        FAILURES[name](tmp_path)
    assert told.value.__cause__ is not None


def test_some_of_them_are_no_error_that_rasterio_tells_of() -> None:
    """Why the wrapper is there: `except RasterioError` let these through."""
    for name in ("a system without degrees", "a point on no place on earth"):
        with pytest.raises(Exception, match=r".") as raw:
            FAILURES[name](Path())
        assert not isinstance(raw.value, rasterio.errors.RasterioError | ValueError | OSError)


def test_it_is_a_decorator_too_and_the_class_is_asked_for() -> None:
    @geo.calls("is torn.", ImageError)
    def work() -> None:
        shapely.from_wkt("POINT")

    with pytest.raises(ImageError, match=r"is torn\."):
        work()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TypeError("a mistake of ours"), ImageError("a sentence.")])
def test_what_is_no_failure_of_theirs_goes_on(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, geo.calls("The map is torn."):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_as_such(number: int, tmp_path: Path) -> None:
    with (
        pytest.raises(DiskFullError, match=r"a\.tif could not be written"),
        geo.calls("no.", target=tmp_path / "a.tif"),
    ):
        raise OSError(number, "x")
    with pytest.raises(GeoError, match="no"), geo.calls("no.", target=tmp_path / "a.tif"):
        raise OSError(errno.EACCES, "x")


def test_where_gdal_does_not_say_why_free_space_does(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError), geo.calls("no.", target=tmp_path / "a.tif", needs=2**60):
        raise RuntimeError("libpng: Write Error")
