"""A dataset that is registered by one entry is offered by the pages, under its own title and in its own classes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services import benchmarks, datasets, estimates, picture_collections, progress
from app.services.stores import open_store
from core.config import DataConfig, RunConfig
from core.data.dataset import Dataset
from core.data.datasets import DATASETS
from core.events import PreviewEvent
from core.runs.recorder import Recorder
from tests.unit.data.pictures import meadows


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    made = meadows(tmp_path / "meadows")
    monkeypatch.setitem(DATASETS, made.name, made)
    return made


def test_the_form_offers_it_by_its_title(dataset: Dataset, view: Callable[..., AppTest]) -> None:
    page = view("distill")
    choice = next(box for box in page.selectbox if box.label == "Dataset")
    assert "Mown meadows (4)" in choice.options
    page = view("distill", dataset=dataset.name)
    assert not page.exception


def test_it_is_a_collection_and_can_be_scored_on(dataset: Dataset) -> None:
    assert picture_collections.titles()["meadows"] == dataset.short_title == "Meadows"
    assert [entry.use for entry in picture_collections.entries("meadows")] == ["train", "train", "validate", "test"]
    picture = picture_collections.open_picture("meadows", "field_part_1")
    assert picture.mask is not None
    assert set(np.unique(picture.mask)) == {1, 2, 3}
    assert benchmarks.choices().labelled["meadows"] == "Meadows, validation images"


def test_where_it_is_not_there_the_form_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = replace(meadows(tmp_path / "here"), place=lambda: tmp_path / "gone", remedy="walk there and take pictures")
    monkeypatch.setitem(DATASETS, gone.name, gone)
    assert "meadows" not in picture_collections.titles()
    choice = next(choice for choice in datasets.training_choices() if choice.name == "meadows")
    assert choice.missing == "Walk there and take pictures, then reload this page."


def test_the_preview_of_a_run_on_it_has_its_classes(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataConfig("meadows")
    store = open_store()
    run_id = store.add(RunConfig(kind="train", data=data)).id
    folder = store.folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    picture, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    Recorder(folder, RunConfig(kind="train", data=data))(PreviewEvent(1, picture, mask, mask))
    found = progress.read_preview(run_id, data)
    assert found is not None
    assert found.classes == tuple(zip(dataset.classes.names, dataset.classes.colours, strict=True))
    monkeypatch.delitem(DATASETS, "meadows")
    forgotten = progress.read_preview(run_id, data)
    assert forgotten is not None
    assert forgotten.classes == ()


def test_a_student_has_the_outputs_of_its_teacher() -> None:
    few, many = (estimates.student_size(4, outputs=outputs) for outputs in (3, 200))
    assert few.parameters < many.parameters
    assert few.macs_256 < many.macs_256
