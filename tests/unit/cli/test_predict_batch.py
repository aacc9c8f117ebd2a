"""`predict` on many pictures: whatever is wrong with one is told of that one, and the others are done."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image

from core.cli.items import fitting, mask_paths
from core.paths import ROOT

from .conftest import Run

EVERYTHING = ("--tif", "--gpkg", "--geojson", "--probs", "--areas")


def picture(path: Path, side: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def command(*argv: object, **more: str) -> subprocess.Popen[bytes]:
    """`python -m core predict …` in a process of its own, which takes SIGINT even where the tests ignore it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    asked = [sys.executable, "-m", "core", "predict", *map(str, argv)]
    return subprocess.Popen(
        asked, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **more}, preexec_fn=_take_interrupts, **pipes
    )


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 3)])
def test_a_picture_of_a_few_pixels_is_a_picture(
    run: Run, model_path: Path, tmp_path: Path, shape: tuple[int, int]
) -> None:
    Image.new("RGB", shape[::-1]).save(tmp_path / "few.png")
    good = picture(tmp_path / "good.png")
    code, told, err = run(
        "predict", tmp_path / "few.png", good, "--model", model_path, "--out", tmp_path / "o", *EVERYTHING
    )
    assert (code, err) == (0, "")
    assert {Path(line).name for line in told.splitlines()} >= {"few.gpkg", "few.geojson", "good.gpkg", "good.geojson"}
    assert pyogrio.read_info(tmp_path / "o" / "few.gpkg", layer="classes")["features"] == 1


NAMES = (
    "a" * 240,
    "ö" * 120,
    "🌍" * 60,
    "two\nlines",
    "tab\there",
    "\x1b[31mred",
    "-dash",
    "dots...",
    " ",
    "#%?&",
    "\udcff",
    "good",
)


def test_any_name_gives_its_results_in_one_line_each(run: Run, model_path: Path, tmp_path: Path) -> None:
    for name in NAMES:
        picture(tmp_path / "in" / f"{name}.png")
    code, told, err = run("predict", tmp_path / "in", "--model", model_path, "--out", tmp_path / "out", *EVERYTHING)
    assert (code, err) == (0, "")
    files = [Path(line) for line in told.splitlines()]
    assert len(set(files)) == len(files) == 8 * len(NAMES)
    assert all(path.is_file() for path in files)
    assert all(line.isprintable() for line in told.splitlines())


@pytest.mark.slow
def test_a_terminal_of_few_letters_gets_the_others_as_numbers(model_path: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "ß☃.png")
    (tmp_path / "in" / "é.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    process = command(tmp_path / "in", "--model", model_path, "--out", tmp_path / "o", PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert b"\\xdf\\u2603.png" in out
    assert b"\\xe9.png" in err
    assert b"Traceback" not in err
    assert len(err.splitlines()) == 1
    assert (tmp_path / "o" / "ß☃.png").is_file()


def test_one_bad_picture_of_every_kind_is_one_line_and_the_others_are_done(
    run: Run, model_path: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    good = [picture(source / f"{name}.png") for name in "az"]
    (source / "cut.png").write_bytes(good[0].read_bytes()[:500])
    (source / "torn.tif").write_bytes(b"II*\0\x08\0\0\0")
    (source / "circle.png").symlink_to(source / "circle.png")
    bad = [
        source / "cut.png",
        source / "torn.tif",
        source / "circle.png",
        tmp_path / ("x" * 300),
        tmp_path / "gone.tif",
    ]
    out = tmp_path / "out"
    code, told, err = run("predict", good[0], *bad, good[1], "--model", model_path, "--out", out, "--gpkg")
    assert code == 1
    assert len(err.splitlines()) == len(bad)
    assert all(line.startswith("terrastill: ") for line in err.splitlines())
    assert [Path(line).name for line in told.splitlines()] == [
        f"{name}{ending}" for name in "az" for ending in (".png", ".gpkg", "_polygons.qml")
    ]


def test_a_file_of_a_folder_that_cannot_be_read_is_named(run: Run, model_path: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    closed = picture(tmp_path / "in" / "b.png")
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user reads every file")
    code, told, err = run("predict", tmp_path / "in", "--model", model_path, "--out", tmp_path / "out")
    assert code == 1
    assert "b.png cannot be opened" in err
    assert [Path(line).name for line in told.splitlines()] == ["a.png"]


def test_a_result_that_would_replace_a_picture_stops_that_one_alone(run: Run, model_path: Path, tmp_path: Path) -> None:
    here, there = picture(tmp_path / "a.png"), picture(tmp_path / "in" / "b.png")
    before = here.read_bytes()
    code, told, err = run("predict", here, there, "--model", model_path, "--out", tmp_path)
    assert (code, told) == (1, f"{tmp_path / 'b.png'}\n")
    assert "would replace a picture" in err
    assert here.read_bytes() == before


def test_results_of_two_pictures_never_have_one_name(run: Run, model_path: Path, tmp_path: Path) -> None:
    names = ["x/a.tif", "x/a.png", "y/a.png", "x/a_probabilities.png", f"{'l' * 230}1.png", f"{'l' * 230}2.png"]
    sources = [picture(tmp_path / name) for name in names]
    code, told, _ = run("predict", *sources, "--model", model_path, "--out", tmp_path / "o", "--tif", "--probs")
    files = told.splitlines()
    assert code == 0
    assert len(files) == len(set(files)) == 4 * len(names)
    assert all(Path(path).is_file() for path in files)


def test_a_name_that_fits_is_left_alone() -> None:
    assert fitting("Tile 1_straße v1.2 (ü)") == "Tile 1_straße v1.2 (ü)"
    assert len(fitting("ö" * 300).encode()) <= 200
    assert [path.name for path in mask_paths([Path("/in/v1.2.png")], Path("/out")).values()] == ["v1.2.png"]


def test_a_folder_that_cannot_be_written_is_one_sentence(run: Run, model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    code, told, err = run("predict", picture(tmp_path / "a.png"), "--model", model_path, "--out", tmp_path / "out")
    assert (code, told) == (1, "")
    assert len(err.splitlines()) == 1


def test_settings_of_polygons_reach_them(run: Run, model_path: Path, tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", side=64)

    def features(*flags: object) -> int:
        assert run("predict", source, "--model", model_path, "--out", tmp_path / "o", "--gpkg", *flags)[0] == 0
        return int(pyogrio.read_info(tmp_path / "o" / "a.gpkg", layer="classes")["features"])

    assert features("--smallest-area", 4096) == 1
    assert features("--smallest-area", 0, "--smooth", 0) >= features()
    code, _, err = run("predict", source, "--model", model_path, "--out", tmp_path / "o", "--smooth", -1)
    assert code == 1
    assert "Smoothing must be from 0 to 100 pixels" in err


def wide(path: Path, side: int = 3000) -> Path:
    """A picture that takes seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side), dtype=np.uint8)
    place = {"crs": "EPSG:32640", "transform": rasterio.Affine(0.5, 0, 330_000, 0, -0.5, 2_780_000)}
    with rasterio.open(path, "w", driver="GTiff", width=side, height=side, count=3, dtype="uint8", **place) as file:
        file.write(pixels)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_half_done(number: signal.Signals, model_path: Path, tmp_path: Path) -> None:
    source, out, temporary = wide(tmp_path / "in" / "a.tif"), tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    process = command(source, "--model", model_path, "--out", out, TMPDIR=str(temporary))
    deadline = time.monotonic() + 60
    while not list(out.glob(".terrastill-*/mask.tif")) and time.monotonic() < deadline:
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1] == "terrastill: interrupted."
    assert list(out.iterdir()) == []
    assert list(temporary.iterdir()) == []
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_told_in_our_words(model_path: Path, tmp_path: Path) -> None:
    """And the other pictures, whose results are small, are done."""
    source = wide(tmp_path / "in" / "a.tif", 1000)
    picture(tmp_path / "in" / "b.png")
    argv = [sys.executable, "-m", "core", "predict", str(source.parent), "--model", str(model_path)]
    argv += ["--out", str(tmp_path / "o"), "--probs"]
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); os.execv(sys.argv[1], sys.argv[1:])"
    limit = f"import os, resource, sys; {limit}"
    limited = [sys.executable, "-c", limit, *argv]
    found = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    told = [line for line in found.stderr.splitlines() if line.startswith("terrastill: ")]
    assert len(told) == 1
    assert "a.tif could not be segmented" in told[0]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["b.png", "b_probabilities.tif"]
