"""`predict`: a palette PNG a picture, no picture overwritten, no bad picture stopping the others."""

import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from core import checkpoint
from core.cli.items import mask_paths, safe
from core.data.datasets.dubai import AERIAL
from core.data.meaning import read_mask
from core.data.palette import to_rgb
from core.errors import ConfigError
from core.image import read_rgb
from core.imagery.band_names import parse_bands
from core.imagery.limits import Limits, check_density
from core.infer.predict import predict
from core.normalise import Normaliser

from .conftest import Run


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_the_mask_is_what_the_model_says_in_the_class_colours(run: Run, model_path: Path, tmp_path: Path) -> None:
    source, out = picture(tmp_path / "a.png"), tmp_path / "out"
    code, told, _ = run("predict", source, "--model", model_path, "--out", out)
    assert code == 0
    assert told.split() == [str(out / "a.png")]
    loaded = checkpoint.load(model_path)
    image = read_rgb(source)
    expected = predict(loaded.model, image, normaliser=Normaliser.of_card(loaded.card, "cpu")).mask
    mask, far = read_mask(out / "a.png", AERIAL)
    assert far == 0
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(read_rgb(out / "a.png"), to_rgb(expected, AERIAL))


def test_the_png_holds_indices_and_colours_and_no_data_is_transparent(
    run: Run, model_path: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[:10, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert run("predict", tmp_path / "a.png", "--model", model_path, "--out", tmp_path / "out")[0] == 0
    with Image.open(tmp_path / "out" / "a.png") as read:
        assert read.mode == "P"
        indices, colours = np.asarray(read), np.asarray(read.convert("RGBA"))
    assert (indices[:10] == 255).all()
    assert (indices[10:] < AERIAL.outputs).all()
    assert (colours[:10, :, 3] == 0).all()
    np.testing.assert_array_equal(colours[10:, :, :3], to_rgb(indices[10:], AERIAL))


def test_a_bad_picture_is_named_and_the_others_are_done(run: Run, model_path: Path, tmp_path: Path) -> None:
    good = [picture(tmp_path / f"{name}.png") for name in "ac"]
    bad = tmp_path / "b.png"
    bad.write_bytes(b"no picture")
    out = tmp_path / "out"
    code, told, err = run("predict", good[0], bad, tmp_path / "gone.png", good[1], "--model", model_path, "--out", out)
    assert code == 1
    assert told.splitlines() == [str(out / "a.png"), str(out / "c.png")]
    assert len(err.splitlines()) == 2
    assert all(line.startswith("terrastill: ") for line in err.splitlines())
    assert "b.png" in err
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "c.png"]


def test_equal_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    images = [tmp_path / f"Tile {tile}" / "images" / "part.jpg" for tile in (1, 2)]
    names = [path.name for path in mask_paths(images, tmp_path / "out").values()]
    assert names == ["Tile 1_images_part.png", "Tile 2_images_part.png"]


def test_equal_names_in_one_folder_are_told_apart_by_their_endings(tmp_path: Path) -> None:
    targets = mask_paths([tmp_path / "a.jpg", tmp_path / "a.tif"], tmp_path / "out")
    assert [path.name for path in targets.values()] == ["a_jpg.png", "a_tif.png"]


def test_a_picture_named_twice_is_done_once(tmp_path: Path) -> None:
    assert len(mask_paths([tmp_path / "a.jpg", tmp_path / "x" / ".." / "a.jpg"], tmp_path / "out")) == 1


def test_no_picture_is_overwritten(run: Run, model_path: Path, tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    before = source.read_bytes()
    code, _, err = run("predict", source, "--model", model_path, "--out", tmp_path)
    assert code == 1
    assert "would replace" in err
    assert source.read_bytes() == before
    code, _, err = run("predict", source, "--model", model_path, "--out", tmp_path, "--tif")
    assert code == 1
    assert "would replace" in err


def test_every_file_that_is_asked_for_is_told_and_there(run: Run, model_path: Path, tmp_path: Path) -> None:
    source, out = picture(tmp_path / "a.png"), tmp_path / "out"
    flags = ("--tif", "--gpkg", "--geojson", "--probs", "--areas", "--teacher", model_path)
    code, told, _ = run("predict", source, "--model", model_path, "--out", out, *flags)
    assert code == 0
    endings = (".png", ".tif", ".gpkg", ".geojson", "_probabilities.tif", "_areas.csv", "_difference.tif")
    endings += ("_confidence.tif",)
    wanted = {f"a{ending}" for ending in (*endings, "_difference_areas.csv", ".qml")}
    assert {Path(line).name for line in told.splitlines()} == wanted
    side_cars = {"a.tif.aux.xml", "a_difference.tif.aux.xml"}
    assert {path.name for path in out.iterdir()} == wanted | side_cars


def test_folders_and_zips_are_opened_and_names_in_a_zip_never_become_paths(
    run: Run, model_path: Path, tmp_path: Path
) -> None:
    inside = picture(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.write(inside, "deep/er/ro of$(x).png")
    code, told, _ = run(
        "predict", tmp_path / "in", tmp_path / "many.zip", "--model", model_path, "--out", tmp_path / "o"
    )
    assert code == 0
    assert [Path(line).name for line in told.splitlines()] == ["many_0001_ro_of_x.png", "b.png"]
    assert safe("../../etc/passwd.png") == "etc_passwd"
    assert safe("\u202e☃.png") == "picture"


def test_bands_are_one_number_or_three() -> None:
    assert parse_bands("3,2,1") == (3, 2, 1)
    assert parse_bands("4") == (4,)
    assert parse_bands(None) is None
    for text in ("", "1,2", "0", "a,b,c", "1,2,3,4"):
        with pytest.raises(ConfigError, match="one number or three"):
            parse_bands(text)


@pytest.mark.parametrize("flags", [("--bands", "9,8,7"), ("--tile", "8"), ("--overlap", "4096")])
def test_what_cannot_be_done_is_one_line_and_an_exit_code(
    run: Run, model_path: Path, tmp_path: Path, flags: tuple[str, str]
) -> None:
    source = Path("sample_images/georeferenced.tif").resolve()
    code, told, err = run("predict", source, "--model", model_path, "--out", tmp_path / "out", *flags)
    assert (code, told) == (1, "")
    assert len(err.splitlines()) == 1


def nearly_empty(path: Path, side: int, *, tile: int = 1024) -> Path:
    """A TIFF without a single stored pixel."""
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(
        path, "w", **profile, blockxsize=tile, blockysize=tile, interleave="pixel", sparse_ok=True, compress="deflate"
    ):
        pass
    return path


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("side", [40_000, 20_000, 6_000])
def test_gigapixels_in_a_few_kilobytes_are_refused_at_once(
    run: Run, model_path: Path, tmp_path: Path, side: int
) -> None:
    source = nearly_empty(tmp_path / "sparse.tif", side)
    assert source.stat().st_size < 20_000
    begun = time.monotonic()
    code, _, told = run("predict", source, "--model", model_path, "--out", tmp_path / "out")
    assert code == 1
    assert "--huge" in told
    assert time.monotonic() - begun < 30


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_huge_takes_a_nearly_empty_picture(run: Run, model_path: Path, tmp_path: Path) -> None:
    source = nearly_empty(tmp_path / "sparse.tif", 5_200, tile=2048)
    assert run("predict", source, "--model", model_path, "--out", tmp_path / "out")[0] == 1
    assert run("predict", source, "--model", model_path, "--out", tmp_path / "out", "--huge")[0] == 0


def test_what_is_large_and_full_is_no_bomb() -> None:
    """20,000 × 20,000 pixels: noise, one colour deflated as well as can be, and only the diagonal filled."""
    limits = Limits()
    pixels = 20_000**2
    for size in (3 * pixels, 3 * pixels // 1032, 40 * 512**2):
        assert pixels <= limits.pixels
        assert check_density(pixels, size, limits.pixels_per_byte, advice="") is None
