"""`evaluate`: JSON as promised, splits by source image, a folder that holds one part only."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import checkpoint
from core.cli.evaluate import choose_scenes
from core.data.datasets.dubai import AERIAL
from core.data.folder import load_folder
from core.data.scene import Scene
from core.errors import ConfigError
from core.evaluate import evaluate
from core.normalise import Normaliser

from .conftest import MakeFolder, Run

ALL_PARTS = tuple(range(1, 10))


def test_json_is_alone_on_stdout_and_holds_the_scores(run: Run, model_path: Path, make_folder: MakeFolder) -> None:
    root = make_folder(names=("a", "b"))
    code, out, _ = run("evaluate", "--model", model_path, "--data", root, "--json")
    assert code == 0
    told = json.loads(out)
    assert {"miou5", "miou6", "accuracy", "per_class", "model", "images", "split"} <= set(told)
    assert (told["model"], told["images"], told["split"]) == (str(model_path), 2, "all")
    assert list(told["per_class"]) == list(AERIAL.scored_names)
    assert {"iou", "precision", "recall", "f1"} <= set(told["per_class"]["Road"])

    loaded, card = (found := checkpoint.load(model_path)).model, found.card
    scenes = load_folder(root, AERIAL).scenes
    report = evaluate(loaded, scenes, AERIAL, normaliser=Normaliser.of_card(card, "cpu"))
    assert told["miou5"] == pytest.approx(report.scores.miou5)
    assert told["accuracy"] == pytest.approx(report.scores.accuracy)


@pytest.mark.parametrize(("split", "images"), [("train", 14), ("val", 2), ("test", 2), ("all", 18)])
def test_parts_tell_the_split(run: Run, model_path: Path, make_folder: MakeFolder, split: str, images: int) -> None:
    root = make_folder(parts=ALL_PARTS)
    _, out, _ = run("evaluate", "--model", model_path, "--data", root, "--split", split, "--json")
    assert json.loads(out)["images"] == images


@pytest.mark.parametrize("split", ["test", "all"])
def test_a_folder_of_part_nine_alone_is_enough(run: Run, model_path: Path, make_folder: MakeFolder, split: str) -> None:
    root = make_folder(parts=(9,), tiles=tuple(range(1, 9)))
    code, out, _ = run("evaluate", "--model", model_path, "--data", root, "--split", split, "--json")
    assert code == 0
    assert json.loads(out)["images"] == 8


def test_a_split_that_is_not_in_the_folder_says_what_is(run: Run, model_path: Path, make_folder: MakeFolder) -> None:
    root = make_folder(parts=(9,))
    code, out, err = run("evaluate", "--model", model_path, "--data", root, "--split", "val", "--json")
    assert (code, out) == (1, "")
    assert "parts 9" in err


def test_scenes_without_parts_are_drawn_as_for_training() -> None:
    empty = np.zeros((1, 1, 3), np.uint8)
    scenes = [Scene(f"s{number:02d}", empty, empty[..., 0]) for number in range(20)]
    groups = [{scene.name for scene in choose_scenes(scenes, split)} for split in ("train", "val", "test")]
    assert sum(map(len, groups)) == 20
    assert set.union(*groups) == {scene.name for scene in scenes}
    with pytest.raises(ConfigError, match="too few images"):
        choose_scenes(scenes[:2], "test")


def test_the_table_says_how_many_images_were_used(run: Run, model_path: Path, make_folder: MakeFolder) -> None:
    code, out, _ = run("evaluate", "--model", model_path, "--data", make_folder(names=("a", "b", "c")))
    assert code == 0
    assert "3 images" in out
    assert all(name in out for name in AERIAL.scored_names)


def test_a_bad_pair_stops_it_by_name_unless_it_is_to_be_skipped(
    run: Run, model_path: Path, make_folder: MakeFolder
) -> None:
    root = make_folder(names=("a", "b"))
    Image.new("RGB", (5, 5)).save(root / "masks" / "b.png")
    code, out, err = run("evaluate", "--model", model_path, "--data", root, "--json")
    assert (code, out) == (1, "")
    assert err.startswith("terrastill: b: ")
    code, out, err = run("evaluate", "--model", model_path, "--data", root, "--json", "--skip-bad")
    assert code == 0
    assert json.loads(out)["images"] == 1
    assert "skipped b" in err


@pytest.mark.parametrize("missing", ["--model", "--data"])
def test_what_is_not_there_is_said_in_one_line(
    run: Run, model_path: Path, make_folder: MakeFolder, tmp_path: Path, missing: str
) -> None:
    options = {"--model": model_path, "--data": make_folder(names=("a",))} | {missing: tmp_path / "nowhere"}
    code, out, err = run("evaluate", *(item for pair in options.items() for item in pair))
    assert (code, out) == (1, "")
    assert err.startswith("terrastill: ")
    assert err.count("\n") == 1


def test_images_without_masks_cannot_be_scored(run: Run, model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "plain" / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "plain" / "images" / "a.png")
    code, _, err = run("evaluate", "--model", model_path, "--data", tmp_path / "plain")
    assert code == 1
    assert "add masks" in err
