"""A teacher's answers from the page Datasets: whose they are, what is asked before, how far they are, what is given."""

import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.services import artifacts, mask_jobs, own_datasets
from app.services.access import Person
from app.services.mask_jobs import MaskRequest, PictureSource
from app.services.stores import open_store
from core import paths
from core.data import named
from core.data.description import DescribedClass, Description, write_description
from core.errors import ConfigError, DatasetNotFoundError
from core.runs.store.records import MACHINE, RunKind
from tests.ui.conftest import World, words
from tests.unit.data.pictures import random_image, save

View = Callable[..., AppTest]
ANN, BOB = Person("203.0.113.1", folder="a" * 64), Person("203.0.113.2", folder="b" * 64)
SAMPLES = PictureSource(dataset="samples")


@pytest.fixture(autouse=True)
def _here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.started = 0
    monkeypatch.setattr(artifacts, "require_known", lambda *_, **__: None)
    monkeypatch.setattr(mask_jobs, "require_known", lambda *_, **__: None)


def finished(order: dict[str, Any], who: Person) -> None:
    """What the job leaves of an order: a dataset of one picture."""
    folder = named.folder_of(order["name"])
    for kind in ("images", "masks"):
        save(folder / kind / "a.png", random_image() if kind == "images" else random_image()[..., 0] % 2)
    classes = (DescribedClass("Roof"), DescribedClass("Rest"))
    said = Description(order["name"], order["title"], classes, labelled_by="Answers of the model guide, and no labels.")
    write_description(folder, said)
    facts = {"pictures": 1, "labelled": 1, "parts": {}}
    made = folder.rename(folder.with_name(".made"))
    own_datasets.adopt(made, order["name"], owner=who.folder, shared=False, facts=facts)


def carry_out(who: Person) -> None:
    """A worker takes the job that is next, and ends it."""
    taken = open_store().claim("w", [MACHINE], RunKind.PSEUDO_MASKS)
    assert taken is not None
    finished(taken.job["order"], who)
    told = {
        "dataset": taken.job["order"]["name"],
        "pictures": 3,
        "masks": 2,
        "sure": 0.743,
        "problems": ["x.png is bad."],
    }
    open_store().finish(taken.id, "w", told, attempt=taken.attempt)


def test_a_job_is_its_visitor_s_and_so_is_what_it_makes() -> None:
    mask_jobs.start(MaskRequest("teacher", SAMPLES, "Roofs by the teacher"), ANN)
    assert mask_jobs.job(BOB) is None
    going = mask_jobs.job(ANN)
    assert going is not None
    assert going.running
    carry_out(ANN)
    ended = mask_jobs.job(ANN)
    assert ended is not None
    assert ended.told == ("3 images, 2 with a mask; 74.3 % of their pixels got a class.", "x.png is bad.")
    assert own_datasets.may_use(ended.dataset, ANN.folder)
    assert not own_datasets.may_use(ended.dataset, BOB.folder)
    with pytest.raises(ConfigError):
        mask_jobs.zip_of(ended.dataset, BOB.folder)
    with mask_jobs.zip_of(ended.dataset, ANN.folder) as file, zipfile.ZipFile(file) as packed:
        inside = {name.partition("/")[2] for name in packed.namelist()}
    assert inside == {"dataset.toml", "images/a.png", "masks/a.png"}
    mask_jobs.dismiss(ANN)
    assert mask_jobs.job(ANN) is None
    assert named.is_there(ended.dataset)


@pytest.mark.parametrize(
    ("request_", "who", "told"),
    [
        (MaskRequest("teacher", SAMPLES, "x"), Person("203.0.113.3"), "keeps no cookie"),
        (MaskRequest("teacher", SAMPLES, " "), ANN, "Name the dataset"),
        (MaskRequest("teacher", SAMPLES, "x", confidence=1.2), ANN, "from 0 to 1"),
        (MaskRequest("teacher", PictureSource(dataset="nowhere"), "x"), ANN, "There is no dataset"),
        (MaskRequest("teacher", PictureSource(folder="/etc"), "x"), ANN, "does not open its own files"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_queued(request_: MaskRequest, who: Person, told: str) -> None:
    with pytest.raises((ConfigError, DatasetNotFoundError), match=told):
        mask_jobs.start(request_, who)
    assert open_store().list(kinds=(RunKind.PSEUDO_MASKS,)) == []


def test_labels_that_people_made_are_not_given_away() -> None:
    with pytest.raises(ConfigError, match="whose masks a model made"):
        mask_jobs.zip_of("samples", ANN.folder)


def test_the_page_asks_and_tells_how_far_it_is(view: View, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.visitor.person", lambda: ANN)
    page = view("datasets", masks_of="teacher")
    assert not page.exception
    page.button(key="masks_start").click().run()
    assert not page.exception
    assert [button.key for button in page.button if button.key == "masks_cancel"]
    taken = open_store().list(kinds=(RunKind.PSEUDO_MASKS,))[0]
    assert taken.job["order"]["source"]["dataset"] == "samples"
    assert taken.job["order"]["confidence"] == mask_jobs.USUAL_CONFIDENCE
    page.button(key="masks_cancel").click().run()
    assert "It was stopped; nothing was kept." in words(page)
    page.button(key="masks_close").click().run()
    assert open_store().list(kinds=(RunKind.PSEUDO_MASKS,)) == []
    assert world.started == 1
    assert not list(paths.named_datasets().glob("*"))
