"""Where a picture says that it lies: ground control points and world files are kept, or their loss is told."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from core.imagery.archives import extract
from core.imagery.decode import open_here
from core.imagery.limits import Info
from core.imagery.world import parse

PLACE = (0.5, -0.1, 330_000.0, -0.1, -0.5, 2_780_000.0)
WORLD = "0.5\n-0.1\n-0.1\n-0.5\n330000.2\n2779999.7\n"


def tiff(path: Path, points: list[GroundControlPoint] | None = None, **more: object) -> Path:
    with rasterio.open(path, "w", driver="GTiff", width=60, height=40, count=3, dtype="uint8", **more) as file:
        file.write(np.full((3, 40, 60), 9, np.uint8))
        if points:
            file.gcps = (points, rasterio.CRS.from_epsg(32640))
    return path


def point(row: float, column: float, bend: float = 0.0) -> GroundControlPoint:
    a, b, c, d, e, f = PLACE
    return GroundControlPoint(row, column, a * column + b * row + c + bend * row * column, d * column + e * row + f)


def known(path: Path) -> Info:
    picture = open_here(path)
    picture.close()
    return picture.info


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_points_on_a_straight_grid_become_its_map(tmp_path: Path) -> None:
    info = known(tiff(tmp_path / "a.tif", [point(row, column) for row in (0, 40) for column in (0, 60)]))
    assert info.transform == pytest.approx(PLACE)
    assert info.crs is not None
    assert info.metres_per_pixel == pytest.approx(0.51, rel=0.01)
    assert any("4 ground control points" in note for note in info.notes)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    "points",
    [
        [point(row, column, 0.02) for row in (0, 20, 40) for column in (0, 30, 60)],
        [point(0, 0)],
        [point(0, column) for column in range(5)],
    ],
)
def test_other_points_are_kept_as_points_and_that_is_told(tmp_path: Path, points: list[GroundControlPoint]) -> None:
    info = known(tiff(tmp_path / "a.tif", points))
    assert info.transform is None
    assert info.control_points == tuple((p.row, p.col, p.x, p.y) for p in points)
    assert any("ground control points lie on no straight grid" in note for note in info.notes)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_camera_coefficients_are_told_as_lost(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as file:
        numbers = [0.0] * 20
        file.rpcs = RPC(0, 1, 25, 1, numbers, numbers, 0, 1, 55, 1, numbers, numbers, 0, 1, None, None)
    assert any("RPC" in note for note in known(path).notes)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_map_without_size_is_told_as_ignored(tmp_path: Path) -> None:
    info = known(tiff(tmp_path / "a.tif", crs="EPSG:32640", transform=rasterio.Affine(0, 0, 9, 0, 0, 9)))
    assert info.transform is None
    assert any("makes no sense" in note for note in info.notes)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("picture", "world"),
    [
        ("a.tif", "a.tfw"),
        ("a.tif", "a.wld"),
        ("a.jpg", "a.jgw"),
        ("a.png", "a.pgw"),
        ("b.c.png", "b.c.PGW"),
        ("a", "a.pgw"),
    ],
)
def test_a_world_file_beside_a_picture_is_kept(tmp_path: Path, picture: str, world: str) -> None:
    path = tmp_path / picture
    if path.suffix == ".tif":
        tiff(path)
    else:
        Image.new("RGB", (60, 40)).save(path, "JPEG" if path.suffix == ".jpg" else "PNG")
    (tmp_path / world).write_text(WORLD)
    info = known(path)
    assert info.transform == pytest.approx(PLACE)
    assert any("world file" in note for note in info.notes)


def test_what_the_picture_says_itself_goes_before_a_world_file(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", crs="EPSG:32640", transform=rasterio.Affine(1, 0, 9, 0, -1, 9))
    (tmp_path / "a.tfw").write_text(WORLD)
    assert known(path).transform == (1, 0, 9, 0, -1, 9)


def test_a_world_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jgw").write_text("no numbers")
    assert known(tmp_path / "a.jpg").transform is None
    assert any("does not hold six numbers" in note for note in known(tmp_path / "a.jpg").notes)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "b.jpg", exif=exif)
    (tmp_path / "b.jgw").write_text(WORLD)
    assert known(tmp_path / "b.jpg").transform is None
    assert any("turned upright" in note for note in known(tmp_path / "b.jpg").notes)


def test_a_world_file_in_a_zip_comes_along(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "one/a.png")
        archive.writestr("one/a.pgw", WORLD)
        archive.write(tmp_path / "a.png", "two/a.png")
    (tmp_path / "out").mkdir()
    one, two = extract(tmp_path / "many.zip", tmp_path / "out")
    assert known(one.path).transform == pytest.approx(PLACE)
    assert known(two.path).transform is None


@pytest.mark.parametrize("text", ["", "1 2 3 4 5", "1 0 0 nan 1 1", "0 0 0 0 1 1", "1 0 0 -1 1 1 1", "x" * 5000])
def test_no_world_file(text: str) -> None:
    assert parse(text.encode()) is None


def test_a_picture_with_a_place_is_not_turned(tmp_path: Path) -> None:
    """What a map tells is of the pixels as they are stored."""
    path = tiff(tmp_path / "a.tif", transform=rasterio.Affine(1, 0, 9, 0, -1, 9))
    Image.new("RGB", (60, 40)).save(tmp_path / "b.tif", tiffinfo={274: 6})
    assert known(tmp_path / "b.tif").width == 40
    assert known(path).width == 60
