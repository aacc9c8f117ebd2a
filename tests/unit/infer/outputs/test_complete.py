"""A disk that fills up while GDAL writes: told in our words whatever was being written, and nothing half stays."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from core.errors import DiskFullError
from core.infer.outputs.overviews import check_whole, check_whole_png
from core.paths import ROOT

SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np
from core.errors import TerrastillError
from core.infer.picture import Wanted, predict_picture
from core.infer.tiling import Tiling
from core.infer.outputs.mask_polygons import PolygonSettings
from tests.unit.infer.rasters import UTM, Held
from tests.unit.infer.test_picture import loaded

disk = Path(sys.argv[1])
wanted = Wanted(png=True, tif=True, probabilities=True, gpkg=True, geojson=True, photo=True)
rgb = np.kron(np.random.default_rng(0).integers(0, 2, (40, 300, 1)), np.ones((2, 2, 3))).astype(np.uint8) * 200
held = Held(rgb, None, (0.5, 0, 330000, 0, -0.5, 2780000), UTM)
for free in (int(20 * 1.25**step) for step in range(30)):
    ballast = disk / "ballast"
    ballast.write_bytes(b"")
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
    ballast.write_bytes(bytes(room - free * 1024))
    try:
        predict_picture(held, disk / "out" / "a", loaded(), wanted, device="cpu", tiling=Tiling(256, 0),
                        polygons=PolygonSettings(smallest_area=0, smooth=0))
        told = "written"
    except TerrastillError as error:
        told = type(error).__name__
        print(free, error, error.__cause__, file=sys.stderr)
    left = sorted(path.name for path in (disk / "out").iterdir())
    print(told, len(left), sep=" ")
    for path in (disk / "out").iterdir():
        path.unlink()
"""


def small_disk(folder: Path) -> list[str]:
    """Words before a command that give it a disk of its own; skips where the system mounts none for a user."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not here")
    folder.mkdir()
    mount = f'mount -t tmpfs -o size=16M tmpfs "{folder}" && exec "$@"'
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system mounts no disk for a user")
    return words


@pytest.mark.slow
def test_wherever_the_disk_fills_up_that_is_told_and_nothing_half_stays(tmp_path: Path) -> None:
    """From no room for the mask to room for all of it: it fills up in the middle of each file."""
    asked = [*small_disk(tmp_path / "disk"), sys.executable, "-c", SCRIPT, str(tmp_path / "disk")]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(found) == {"DiskFullError 0", "written 9"}
    assert found.count("DiskFullError 0") >= 10
    assert found[-1] == "written 9"
    # With more room, never again less.
    assert found == sorted(found)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_tiff_with_a_block_beyond_its_end_is_not_whole(tmp_path: Path) -> None:
    """What GDAL leaves behind without a word when the disk is full as it closes a file."""
    path, target = tmp_path / "a.tif", tmp_path / "target.tif"
    shape = {"width": 600, "height": 600, "count": 2, "dtype": "uint8", "tiled": True, "compress": "DEFLATE"}
    with rasterio.open(path, "w", driver="GTiff", **shape) as file:
        file.write(np.random.default_rng(0).integers(0, 255, (2, 600, 600), dtype=np.uint8))
    check_whole(path, target)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    with pytest.raises(DiskFullError, match=r"target\.tif"):
        check_whole(path, target)


def test_a_png_without_its_end_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and more")
    with pytest.raises(DiskFullError):
        check_whole_png(tmp_path / "a.png", tmp_path / "a.png")
