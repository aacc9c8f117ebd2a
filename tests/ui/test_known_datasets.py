"""Datasets shaped like well-known ones, through what the page Datasets calls, to a student of a few steps."""

import io
import json
import shutil
import time
from pathlib import Path

import pytest

from app.services import datasets, import_choices, imports, own_datasets
from core import paths
from core.cli.main import main
from core.config import DataConfig
from core.data import open_dataset
from tests.ui.test_own_datasets import ANN, Done, with_usual
from tests.unit.data.readers import known_datasets as known
from tests.unit.data.readers import known_outlines as outlines
from tests.unit.data.readers.brought import photo, save

FAST = ("--crop", "32", "--views", "4", "--batch", "2", "--epochs", "1", "--device", "cpu", "--json")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_process", Done)


def uploaded(folder: Path, title: str) -> str:
    """Bring a folder as a zip, take what is proposed, save it, and give its name."""
    packed = Path(shutil.make_archive(str(folder), "zip", folder))
    draft = imports.open_draft(ANN, "session", now=time.time())
    draft.bring([(packed.name, io.BytesIO(packed.read_bytes()))])
    report = draft.report()
    assert report is not None, draft.state()
    edits = with_usual(report, title)
    assert import_choices.problems(report, edits) == []
    draft.save(edits, shared=False)
    found = draft.state()
    assert found.step == "saved", found
    return found.saved


@pytest.mark.slow
@pytest.mark.parametrize("make", [known.potsdam, known.deepglobe, outlines.spacenet])
def test_upload_save_and_a_student_of_a_few_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: known.Make
) -> None:
    wanted = make(tmp_path / "in")
    name = uploaded(tmp_path / "in", "Taken")
    loaded = open_dataset(DataConfig(name))
    assert set(loaded.dataset.classes.scored_names) == set(wanted.names)
    assert {scene.name: scene.mask is None for scene in loaded.scenes} == {
        n: m is None for n, m in wanted.masks.items()
    }
    capsys.readouterr()
    assert main(["train", "--dataset", name, "--architecture", "compact", "--base", "4", *FAST]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    card = json.loads((paths.home() / run["id"] / "student.json").read_text())
    assert card["classes"]["names"][:-1] == list(loaded.dataset.classes.scored_names)


def test_pictures_without_labels_are_saved_and_offered_beside_labelled_ones_alone(tmp_path: Path) -> None:
    for at in range(2):
        save(tmp_path / "in" / f"flight_{at}.jpg", photo(at))
    name = uploaded(tmp_path / "in", "Flights")
    (saved,) = own_datasets.listing(ANN)
    assert (saved.classes, saved.pictures, saved.labelled) == ((), 2, 0)
    (choice,) = [choice for choice in datasets.training_choices(ANN) if choice.name == name]
    assert (choice.classes, choice.missing) == ((), None)
