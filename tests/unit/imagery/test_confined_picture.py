"""The child process that decodes the files of strangers: confined, ended in time, and told of in one sentence."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from core.errors import ImageError
from core.imagery import confined_picture
from core.imagery.confined_picture import ConfinedPicture, picture_of
from core.imagery.limits import Limits
from core.paths import ROOT


def png(side: int = 30) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def roof(tmp_path: Path) -> Path:
    path = tmp_path / "roof.png"
    path.write_bytes(png())
    return path


def in_child(code: str, limits: Limits | None = None) -> subprocess.CompletedProcess[str]:
    """Run a few lines in a process that has confined itself as the child does."""
    setup = "from core.confinement import *; from core.imagery.limits import Limits\n"
    confined = f"confine(Limits({f'memory={limits.memory}' if limits else ''}).memory); allow_seconds(2)\n"
    command = [sys.executable, "-c", setup + confined + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_windows_are_the_picture(roof: Path) -> None:
    whole = np.asarray(Image.open(roof))
    with ConfinedPicture(roof) as picture:
        assert (picture.info.width, picture.info.height) == (30, 30)
        for y, x, height, width in ((0, 0, 30, 30), (3, 7, 10, 20), (29, 29, 1, 1)):
            rgb, valid = picture.read(y, x, height, width)
            np.testing.assert_array_equal(rgb, whole[y : y + height, x : x + width])
            assert valid is None


def test_bytes_and_files_read_alike_and_leave_nothing(
    roof: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with picture_of(roof.read_bytes(), name="Mine") as picture:
        np.testing.assert_array_equal(picture.read(0, 0, 30, 30)[0], np.asarray(Image.open(roof)))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_child_ends_with_the_picture(roof: Path) -> None:
    with ConfinedPicture(roof) as picture:
        child = picture._child
        assert child.poll() is None
    assert child.poll() is not None


def test_a_file_that_takes_too_long_is_refused(roof: Path) -> None:
    with ConfinedPicture(roof) as picture:
        picture._limits = Limits(patience=1)
        os.kill(picture._child.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(ImageError, match=r"roof\.png takes more than 1 seconds"):
            picture.read(0, 0, 30, 30)
        assert time.monotonic() - started < 30
    busy = in_child("while True: pass")
    assert busy.returncode == -signal.SIGXCPU


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGXCPU])
def test_a_decoder_that_crashes_is_one_sentence(roof: Path, how: signal.Signals) -> None:
    with ConfinedPicture(roof) as picture:
        os.kill(picture._child.pid, how)
        with pytest.raises(ImageError, match=r"^roof\.png [a-z][^\n]+\.$"):
            picture.read(0, 0, 30, 30)


def test_memory_is_bounded(tmp_path: Path) -> None:
    greedy = in_child("bytearray(900 * 1024**2)", Limits(memory=300 * 1024**2))
    assert "MemoryError" in greedy.stderr
    assert in_child("bytearray(100 * 1024**2)", Limits(memory=300 * 1024**2)).returncode == 0
    Image.new("RGB", (5000, 5000)).save(tmp_path / "wide.png", compress_level=1)
    with (
        pytest.raises(ImageError, match="needs more than 60 MB"),
        ConfinedPicture(tmp_path / "wide.png", limits=Limits(memory=60 * 1024**2)),
    ):
        pass


def test_the_child_can_write_no_file(tmp_path: Path) -> None:
    target = tmp_path / "written"
    ended = in_child(f"open({str(target)!r}, 'w').write('x' * 10_000)")
    assert ended.returncode != 0
    assert not target.exists() or target.stat().st_size == 0


def test_the_child_reaches_no_network(roof: Path) -> None:
    """Not even a server on this machine, which it reached before it gave the network up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = (
            "import socket\nfrom core.confinement import leave_network\n"
            f"reach = lambda: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), timeout=5).close()\n"
            "reach()\nprint(leave_network())\n"
            "try:\n    reach()\n    print('reached')\nexcept OSError:\n    print('cut off')"
        )
        ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    allowed, found = ended.stdout.split("\n", 1)
    if allowed == "False":
        assert found.strip() == "reached"
        pytest.skip("this kernel lets no process leave its network")
    assert found.strip() == "cut off"
    with ConfinedPicture(roof) as picture:
        assert Path(f"/proc/{picture._child.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_the_child_knows_none_of_our_secrets(roof: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "canary-4711")
    with ConfinedPicture(roof) as picture:
        environment = Path(f"/proc/{picture._child.pid}/environ").read_bytes()
    assert b"canary-4711" not in environment
    assert b"PATH=" in environment


def test_gdal_opens_nothing_but_geotiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if a VRT came as far as GDAL, its driver would not be there."""
    from core.imagery import tiff_picture
    from core.imagery.tiffs import Layout

    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "secret.tif")
    source = f"<SourceFilename>{tmp_path}/secret.tif</SourceFilename>"
    band = f'<VRTRasterBand dataType="Byte" band="1"><SimpleSource>{source}</SimpleSource></VRTRasterBand>'
    text = f'<VRTDataset rasterXSize="9" rasterYSize="9">{band}</VRTDataset>'
    (tmp_path / "city.tif").write_text(text)
    with pytest.raises(ImageError, match="is a GDAL virtual raster"):
        ConfinedPicture(tmp_path / "city.tif")
    layout = Layout(9, 9, 8, 1, 1, 1, 1, 81, 1, False)
    for given in (tmp_path / "city.tif", text.encode()):
        with pytest.raises(ImageError, match="cannot be read"):
            tiff_picture.TiffPicture(given, layout, Limits(), None)
    drivers = []
    real = rasterio.open
    monkeypatch.setattr(
        rasterio, "open", lambda *args, **options: drivers.append(options["driver"]) or real(*args, **options)
    )
    tiff_picture.TiffPicture(tmp_path / "secret.tif", layout, Limits(), None).close()
    assert drivers == ["GTiff"]


def test_neighbours_of_a_tiff_are_not_read(tmp_path: Path) -> None:
    place = {"crs": "EPSG:32640", "transform": rasterio.Affine(0.5, 0, 100, 0, -0.5, 200)}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8", **place
    ) as file:
        file.write(np.full((1, 64, 64), 90, np.uint8))
    nodata = '<PAMDataset><PAMRasterBand band="1"><NoDataValue>90</NoDataValue></PAMRasterBand></PAMDataset>'
    (tmp_path / "a.tif.aux.xml").write_text(nodata)
    (tmp_path / "a.tif.msk").write_bytes((tmp_path / "a.tif").read_bytes())
    (tmp_path / "a.tfw").write_text("9\n0\n0\n-9\n1\n1\n")
    with ConfinedPicture(tmp_path / "a.tif") as picture:
        assert picture.info.transform == (0.5, 0.0, 100.0, 0.0, -0.5, 200.0)
        rgb, valid = picture.read(0, 0, 64, 64)
    assert valid is None or valid.all()
    assert (rgb == 90).all()


def test_the_file_is_told_apart_before_a_process_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined_picture, "start", lambda: pytest.fail("started"))
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    for path, reason in (
        (tmp_path / "a.png", "is a GIF"),
        (tmp_path / "gone.png", "cannot be opened"),
        (tmp_path, "cannot"),
    ):
        with pytest.raises(ImageError, match=reason):
            ConfinedPicture(path)


def test_asked_bands_are_read_and_impossible_ones_refused(tmp_path: Path) -> None:
    bands = np.random.default_rng(1).integers(0, 256, (4, 20, 30), dtype=np.uint8)
    place = {"crs": "EPSG:32640", "transform": rasterio.Affine(0.5, 0, 100, 0, -0.5, 200)}
    shape = {"width": 30, "height": 20, "count": 4, "dtype": "uint8", "photometric": "MINISBLACK"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **shape, **place) as file:
        file.write(bands)
    with ConfinedPicture(tmp_path / "a.tif", bands=(4, 2, 1)) as picture:
        np.testing.assert_array_equal(picture.read(0, 0, 20, 30)[0], np.moveaxis(bands[[3, 1, 0]], 0, 2))
    with pytest.raises(ImageError, match="has 4 bands: name bands from 1 to 4"):
        ConfinedPicture(tmp_path / "a.tif", bands=(5, 2, 1))


def test_reading_in_this_process_leaves_its_settings_alone(tmp_path: Path) -> None:
    from core.image import read_rgb

    before = dict(os.environ)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.tif")
    read_rgb(tmp_path / "a.tif")
    assert dict(os.environ) == before
