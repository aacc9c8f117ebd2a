"""A model of other bands than colours segments pictures that hold them; others are refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image

from core import checkpoint
from core.band_set import BandSet
from core.cards import ModelCard
from core.cli.main import main
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.infer.batch import BatchPredictor, BatchRequest, Item
from core.infer.picture import Wanted
from core.infer.predict import predict
from core.infer.tiling import Tiling
from core.models import build_model
from core.normalise import Normaliser
from tests.unit.banded import NAMES, TYPICAL, write_bands

FOUR = BandSet(NAMES, "uint16", ("near infrared", "red", "green"))


def model_of(folder: Path, bands: BandSet, name: str = "banded") -> Path:
    """The stem of a saved network of two filters for these bands, with random weights."""
    torch.manual_seed(0)
    config = ModelConfig("unet", {"base": 2})
    model = build_model(config, outputs=AERIAL.outputs, inputs=len(bands))
    with torch.no_grad():
        for name_of, values in model.named_parameters():
            if name_of.endswith("bias"):
                values.zero_()
    middle = tuple(TYPICAL[bands.depth] / (2 + at) for at in range(len(bands)))
    card = ModelCard(name, config, AERIAL, middle, middle, parameters=1, macs_256=1, bands=bands)
    checkpoint.save(folder / name, model, card)
    return folder / name


def picture_of(
    path: Path, bands: BandSet, *, names: tuple[str, ...] = (), side: int = 96, **more: object
) -> np.ndarray:
    """A TIFF of smooth random values; gives them."""
    random = np.random.default_rng(0)
    coarse = random.uniform(0.1, 0.9, (side // 8, side // 8, len(bands)))
    values = (coarse.repeat(8, 0).repeat(8, 1) * TYPICAL[bands.depth]).astype(bands.depth)
    write_bands(path, values, names, crs="EPSG:32611", **more)
    return values


def mask_of(folder: Path, stem: str = "field") -> np.ndarray:
    with rasterio.open(folder / f"{stem}.tif") as file:
        return file.read(1)


@pytest.mark.parametrize("bands", [FOUR, BandSet(NAMES, "float32"), BandSet(("pan",), "uint16"), BandSet(("b", "a"))])
def test_the_mask_is_that_of_the_numbers_in_the_file(tmp_path: Path, bands: BandSet) -> None:
    values = picture_of(tmp_path / "field.tif", bands)
    stem = model_of(tmp_path, bands)
    command = ["predict", str(tmp_path / "field.tif"), "--model", str(stem), "--out", str(tmp_path / "out"), "--tif"]
    assert main(command) == 0
    loaded = checkpoint.load(stem)
    wanted = predict(loaded.model, values, normaliser=Normaliser.of_card(loaded.card, "cpu", bands)).mask
    assert len(np.unique(wanted)) > 1
    # The kernels of one window and of several round differently where two classes are alike.
    assert (mask_of(tmp_path / "out") == wanted).mean() > 0.98


def test_bands_are_found_by_name_windows_are_those_of_the_picture_and_no_data_has_no_class(tmp_path: Path) -> None:
    order = ("blue", "near infrared", "green", "red")
    values = picture_of(tmp_path / "field.tif", FOUR, names=order, nodata=7)
    with rasterio.open(tmp_path / "field.tif", "r+") as file:
        hole = values.copy()
        hole[:8, :8] = 7
        file.write(np.moveaxis(hole, 2, 0))
    stem = model_of(tmp_path, FOUR)
    request = BatchRequest((), str(stem), Wanted(tif=True, photo=True), tiling=Tiling(tile=64, overlap=32))
    item = Item(str(tmp_path / "field.tif"), "field.tif", str(tmp_path / "out" / "field"))
    result = BatchPredictor(request).predict(item)
    assert result.error is None
    assert any("The model sees the bands red, green, blue, near infrared; a person sees near infrared, red, green" in
               note for note in result.notes)  # fmt: skip
    found = mask_of(tmp_path / "out")
    assert (found[:8, :8] == 255).all()
    assert (found[8:] < AERIAL.outputs).all()
    given = hole[..., [3, 2, 0, 1]]
    given[:8, :8] = 0
    loaded = checkpoint.load(stem)
    wanted = predict(
        loaded.model, given, normaliser=Normaliser.of_card(loaded.card, "cpu", FOUR), tile=64, overlap=32
    ).mask
    assert (found[40:, 40:] == wanted[40:, 40:]).mean() > 0.99
    with Image.open(tmp_path / "out" / "field_photo.webp") as seen:
        shown = np.asarray(seen.convert("RGB")).astype(float)
    # Near infrared is seen as red.
    assert np.corrcoef(shown[16:, 16:, 0].ravel(), given[16:, 16:, 3].ravel())[0, 1] > 0.9


def test_a_teacher_of_other_bands_reads_its_own(tmp_path: Path) -> None:
    values = picture_of(tmp_path / "field.tif", FOUR, names=NAMES)
    student, teacher = model_of(tmp_path, FOUR.only(NAMES[:3]), "student"), model_of(tmp_path, FOUR, "teacher")
    command = ["predict", str(tmp_path / "field.tif"), "--model", str(student), "--teacher", str(teacher), "--tif"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    loaded, taught = checkpoint.load(student), checkpoint.load(teacher)
    ours = predict(loaded.model, values, normaliser=Normaliser.of_card(loaded.card, "cpu", FOUR)).mask
    theirs = predict(taught.model, values, normaliser=Normaliser.of_card(taught.card, "cpu", FOUR)).mask
    expected = np.where(ours == theirs, AERIAL.outputs, ours)
    assert (mask_of(tmp_path / "out", "field_difference") == expected).mean() > 0.98


@pytest.mark.parametrize(
    ("bands", "more", "said"),
    [
        (FOUR.only(NAMES[:3]), (), "has 3 bands, whose names do not tell red, green, blue, near infrared apart, which "
         "the model takes: name them in the file, or bring a picture with these bands alone, in this order."),
        (BandSet(NAMES, "float32"), (), "holds float32 values, and the model takes uint16: convert it."),
        (FOUR, ("--bands", "3,2,1"), "so numbers of red, green and blue are of no use: leave them away."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bands: BandSet, more: tuple[str, ...], said: str
) -> None:
    picture_of(tmp_path / "field.tif", bands)
    command = [
        "predict",
        str(tmp_path / "field.tif"),
        "--model",
        str(model_of(tmp_path, FOUR)),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*command, *more]) == 1
    told = capsys.readouterr().err.strip()
    assert told.count("\n") == 0
    assert "field.tif" in told
    assert told.endswith(said)


def test_a_png_has_no_fourth_band(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "field.png")
    command = [
        "predict",
        str(tmp_path / "field.png"),
        "--model",
        str(model_of(tmp_path, FOUR)),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(command) == 1
    assert "is no TIFF, so it cannot hold the bands red, green, blue, near infrared" in capsys.readouterr().err
