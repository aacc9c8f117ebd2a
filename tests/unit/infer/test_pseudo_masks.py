"""A model's answers as a dataset: the classes that it is sure of and no others, read back by us and by others."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import checkpoint, paths
from core.band_set import COLOURS, BandSet
from core.checkpoint import ModelCard
from core.classes import ClassMap
from core.config import DataConfig, ModelConfig
from core.config.pseudo_mask_order import PictureSource, PseudoMaskOrder
from core.data import named, open_dataset, open_split
from core.data.dataset_files import write_dataset
from core.data.description import FILE, read_description, told_by
from core.data.folder import find_pairs
from core.data.importing import ImportChoices, opened_source, survey
from core.errors import ConfigError, DataError, NoRoomError
from core.events import CancelledError
from core.infer.predict import predict
from core.infer.pseudo_masks import PseudoMasks, make_dataset
from core.models import build_model
from core.normalise import Normaliser
from core.runs.executors.pseudo_masking import execute, partial_of
from tests.unit.banded import NAMES, banded_dataset
from tests.unit.data.pictures import random_image, save
from tests.unit.own_dataset import own_dataset

CLASSES = ClassMap(("Roof", "Löß, wet", "Rest", "Unknown"), ((200, 0, 0), (0, 200, 0), (0, 0, 200), (9, 9, 9)), 3)


def trained(folder: Path, *, bands: BandSet = COLOURS) -> str:
    """A model with random weights, by its path."""
    torch.manual_seed(0)
    config, count = ModelConfig("compact", {"base": 2}), len(bands)
    model = build_model(config, outputs=CLASSES.outputs, inputs=count)
    card = ModelCard("guide", config, CLASSES, (127.0,) * count, (60.0,) * count, 1, 1, licence="MIT", bands=bands)
    checkpoint.save(folder / "guide", model, card)
    return str(folder / "guide")


def pictures(folder: Path, count: int = 2) -> Path:
    for at in range(count):
        save(folder / f"p{at}.png", random_image(at, height=40, width=56))
    return folder


def made(order: PseudoMaskOrder, **more: object) -> PseudoMasks:
    target = named.folder_of(order.name)
    return make_dataset(order, target, partial=target.with_name(".part"), **more)  # type: ignore[arg-type]


def masks(name: str) -> dict[str, np.ndarray]:
    folder = named.folder_of(name) / "masks"
    return {path.stem: np.asarray(Image.open(path)) for path in folder.glob("*.png")}


@pytest.mark.parametrize("confidence", [0.0, 0.4])
def test_a_pixel_has_the_likeliest_class_where_the_model_is_sure_enough_and_none_elsewhere(
    tmp_path: Path, confidence: float
) -> None:
    model, folder = trained(tmp_path), pictures(tmp_path / "p")
    found = made(PseudoMaskOrder(model, PictureSource(folder=str(folder)), "answers", confidence=confidence))
    loaded, shares = checkpoint.load(Path(model)), []
    for stem, mask in masks("answers").items():
        image = np.asarray(Image.open(folder / f"{stem}.png"))
        answer = predict(loaded.model, image, normaliser=Normaliser.of_card(loaded.card, "cpu"))
        expected = np.where(answer.confidence >= confidence, answer.mask, 255)
        assert (mask == expected).mean() > 0.999
        shares.append((mask != 255).mean())
    assert found.sure == pytest.approx(np.mean(shares))
    assert found.sure == 1 if confidence == 0 else 0.01 < found.sure < 0.99


def test_we_read_it_and_so_does_the_reader_of_anybody_s_data(tmp_path: Path) -> None:
    own_dataset(paths.home())
    model = trained(tmp_path)
    order = PseudoMaskOrder(model, PictureSource(dataset="plots"), "answers", confidence=0.34, attribution="Ann")
    assert made(order).pictures == 5
    dataset = named.find("answers")
    assert dataset.labelled_by.startswith("Answers of the model guide, and no labels; pixels of which it was less than")
    assert (dataset.attribution, dataset.classes.scored_names) == ("Ann", CLASSES.scored_names)
    assert dataset.classes.colours[:3] == CLASSES.colours[:3]
    shutil.copytree(named.folder_of("answers"), tmp_path / "others", ignore=shutil.ignore_patterns(FILE))
    with opened_source(tmp_path / "others") as tree:
        found = survey(tree, ImportChoices()).to_json()
    assert not found["problems"]
    told = {str(each["from"][0]): each["name"] for each in found["classes"]}
    assert told
    assert told.items() <= {str(at): name for at, name in enumerate(CLASSES.scored_names)}.items()
    # What its own dataset kept for scores is kept for scores here too.
    split = open_split(DataConfig("answers"))[1]
    assert {scene.name for scene in split.val} == {"c"}
    assert {scene.name for scene in split.test} == {"d"}
    assert found["parts"] == {"train": 2, "validate": 1, "test": 1, "none": 1}


@pytest.mark.parametrize("form", ["folder", "zip", "two of them"])
def test_imported_again_its_masks_are_still_no_labels(form: str, tmp_path: Path) -> None:
    """Who made them goes with them, wherever they are taken, and is told before they are imported."""
    order = PseudoMaskOrder(trained(tmp_path), PictureSource(folder=str(pictures(tmp_path / "p"))), "answers")
    made(replace(order, confidence=0.0))
    own, source = named.folder_of("answers"), named.folder_of("answers")
    if form == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "taken"), "zip", own.parent, own.name))
    elif form == "two of them":
        source = own.parent
        shutil.copytree(own, source / "others")
        (source / "others" / FILE).write_text('labelled_by = "Answers of another model"\n', encoding="utf-8")
    with opened_source(source) as tree:
        found = survey(tree, ImportChoices())
    told = read_description(own).labelled_by
    assert told.startswith("Answers of the model guide")
    assert told in " ".join(found.to_json()["notes"])
    again = tmp_path / "again"
    again.mkdir()
    with opened_source(source) as tree:
        write_dataset(survey(tree, ImportChoices()), again, "again", ImportChoices())
    assert told in read_description(again).labelled_by
    assert ("another model" in read_description(again).labelled_by) == (form == "two of them")


@pytest.mark.parametrize("text", ["labelled_by = 3", "labelled_by =", 'labelled_by = "a\\u0007"', "x" * 10, ""])
def test_what_others_call_dataset_toml_says_nothing(text: str) -> None:
    assert told_by([text], "labelled_by") == ""
    assert told_by([text, 'labelled_by = "Ann"'], "labelled_by") == "Ann"


def test_other_bands_than_colours_are_read_as_the_model_takes_them(tmp_path: Path) -> None:
    bands = BandSet(NAMES)
    banded_dataset(paths.home(), bands)
    order = PseudoMaskOrder(trained(tmp_path, bands=bands), PictureSource(dataset="fields"), "answers", confidence=0.0)
    assert made(order).masks == 4
    scene = open_dataset(DataConfig("answers")).scenes[0]
    assert scene.bands == bands
    assert scene.mask is not None
    assert set(np.unique(scene.mask)) <= {0, 1, 2}
    with pytest.raises(ConfigError, match="near infrared"):
        made(replace(order, name="more", source=PictureSource(folder=str(pictures(tmp_path / "p")))))
    assert not named.is_there("more")


def test_a_bad_picture_is_told_and_the_others_are_made(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    (folder / "broken.png").write_bytes((folder / "p0.png").read_bytes()[:90])
    found = made(PseudoMaskOrder(trained(tmp_path), PictureSource(folder=str(folder)), "answers", confidence=0.0))
    assert (found.pictures, len(found.problems)) == (2, 1)
    assert found.problems[0].startswith("broken ")
    assert {pair.name for pair in find_pairs(named.folder_of("answers"))[0]} == {"p0", "p1"}


def test_nothing_is_left_of_what_was_stopped_or_had_no_answer(tmp_path: Path) -> None:
    order = PseudoMaskOrder(trained(tmp_path), PictureSource(folder=str(pictures(tmp_path / "p"))), "answers")
    with pytest.raises(CancelledError):
        made(order, cancelled=lambda: True)
    with pytest.raises(DataError, match="nowhere 100 % sure of a class: choose a lower confidence"):
        made(replace(order, confidence=1.0))
    with pytest.raises(ConfigError, match="from 0 to 1"):
        made(replace(order, confidence=1.1))
    with pytest.raises(ConfigError, match="Say which pictures"):
        made(replace(order, source=PictureSource()))
    assert not list(paths.named_datasets().iterdir())


def test_as_a_run_it_has_its_owner_and_is_made_once(tmp_path: Path) -> None:
    order = PseudoMaskOrder(trained(tmp_path), PictureSource(folder=str(pictures(tmp_path / "p"))), "answers")
    order = replace(order, confidence=0.0, title="Löß")
    job = {"order": order.to_json(), "owner": {"owner": "ann", "shared": False}}
    assert PseudoMaskOrder.from_json(job["order"]) == order
    run, told = tmp_path / "run-1", []
    left = partial_of(named.folder_of("answers"), run.name)
    (left / "images").mkdir(parents=True)

    def carry_out(folder: Path) -> dict[str, object]:
        return execute(job, folder, emit=told.append, cancelled=lambda: False, runs=tmp_path)

    assert carry_out(run)["masks"] == 2
    assert told[-1].done == told[-1].total
    assert named.is_brought("answers")
    assert named.find("answers").title == "Löß"
    # Killed between the last rename and its report, the next attempt finds what is there; another run does not.
    assert carry_out(run)["masks"] == 2
    with pytest.raises(ConfigError, match="There is a dataset answers already"):
        carry_out(tmp_path / "run-2")
    assert not left.exists()


def test_answers_that_have_no_room_on_the_disk_are_refused_before_any_picture_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = PseudoMaskOrder(trained(tmp_path), PictureSource(folder=str(pictures(tmp_path / "p"))), "answers")
    monkeypatch.setattr("core.files.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(NoRoomError, match=r"The dataset takes about .* of disk, and 1 KB are free"):
        made(order)
    assert not list(paths.named_datasets().iterdir())
