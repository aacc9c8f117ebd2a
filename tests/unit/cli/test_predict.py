"""`predict`: a palette PNG a picture, no picture overwritten, no bad picture stopping the others."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import checkpoint
from core.classes import AERIAL
from core.cli.predict import mask_paths, palette_png
from core.data.palette import read_mask, to_rgb
from core.errors import ConfigError
from core.image import read_rgb
from core.infer.predict import predict

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
    expected = predict(loaded.model, image, mean=loaded.card.mean, std=loaded.card.std, device="cpu").mask
    mask, far = read_mask(out / "a.png", AERIAL)
    assert far == 0
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(read_rgb(out / "a.png"), to_rgb(expected, AERIAL))


def test_a_palette_png_holds_indices_and_colours() -> None:
    mask = np.arange(6, dtype=np.uint8).reshape(2, 3)
    with Image.open(io.BytesIO(palette_png(mask, AERIAL))) as read:
        assert read.mode == "P"
        np.testing.assert_array_equal(np.asarray(read), mask)
        np.testing.assert_array_equal(np.asarray(read.convert("RGB")), to_rgb(mask, AERIAL))


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
    with pytest.raises(ConfigError, match="would replace"):
        mask_paths([tmp_path / "b.png", tmp_path / "x" / "b.jpg", tmp_path / f"{tmp_path.name}_b.png"], tmp_path)
