"""From a dataset of one's own classes to a small model, on the command line: teacher, student, scores, ONNX."""

import json
import zipfile
from pathlib import Path

import pytest

from core import cards
from core.classes import colours_for
from core.export.session import OnnxModel
from core.image import read_rgb
from tests.unit.data.test_import_process import odd_zip
from tests.unit.own_dataset import ODD_NAMES, own_dataset

from .conftest import Run

FAST = ("--crop", "32", "--views", "8", "--batch", "4", "--epochs", "2", "--device", "cpu", "--json")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_teacher_then_student_then_scores_then_onnx_in_ones_own_classes(run: Run, home: Path) -> None:
    folder, source, names = home / "datasets" / "plots", home / "plots.zip", home / "names.json"
    odd_zip(source, pictures=8)
    names.write_text(json.dumps(dict(zip(("3", "17", "90", "201"), ODD_NAMES, strict=True))))
    code, out, err = run("data", "import", source, "--name", "plots", "--resample", "5%", "--map", names)
    assert code == 0, err
    assert "2 masks resampled" in out
    teacher = trained(run, "train", "--dataset", "plots", "--architecture", "unet", "--base", "4", *FAST)
    student = trained(run, "distill", "--dataset", "plots", "--teacher", teacher, "--base", "2", *FAST)
    card = cards.load_card(home / student / "student")
    assert card.classes.scored_names == ODD_NAMES
    assert card.classes.colours[:4] == colours_for(4)
    assert str(card.metrics["images"][0]).startswith("plot_")

    code, out, _ = run("evaluate", "--model", student, "--dataset", "plots", "--split", "test", "--json")
    assert code == 0
    assert [*json.loads(out)["per_class"]] == [*ODD_NAMES]
    code, out, _ = run("evaluate", "--model", student, "--dataset", "plots", "--split", "test")
    assert "mIoU " in out
    assert "mIoU-5" not in out

    code, _, err = run("export", student, "--out", home / "out")
    assert code == 0, err
    with zipfile.ZipFile(home / "out" / f"{student}.zip") as bundle:
        assert json.loads(bundle.read("classes.json"))["names"] == list(ODD_NAMES)
        assert json.loads(bundle.read("parity.json"))["tiles_from"] == "plots"
        exported = OnnxModel(bundle.read("model.onnx"), threads=1)
    assert exported.run(read_rgb(folder / "images" / "plot_7.png")[None]).shape[1] == 4


def trained(run: Run, *argv: str) -> str:
    """The id of the run that this made."""
    code, out, err = run(*argv)
    assert code == 0, err
    return str(json.loads(out)["runs"][0]["id"])


def test_a_model_of_other_classes_is_refused_in_words(run: Run, home: Path, model_path: Path) -> None:
    own_dataset(home)
    code, out, err = run("evaluate", "--model", model_path, "--dataset", "plots")
    assert (code, out) == (1, "")
    assert "knows the classes Building, Land, Road, Vegetation, Water; the dataset plots has" in err
    code, _, err = run("evaluate", "--model", model_path, "--dataset", "gone")
    assert "no dataset 'gone': choose samples, dubai, mixture, unlabelled-scenes, folder, plots" in err
    code, _, err = run("evaluate", "--model", model_path, "--dataset", "plots", "--data", home)
    assert "choose --dataset NAME or --data DIR" in err
