"""The page Models: what there is, and a model from elsewhere from its upload to its mask, its new name and its end."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from onnx import helper, numpy_helper
from streamlit.testing.v1 import AppTest

from app.services import access, artifacts, benchmarks, brought_models, datasets, inference, launch, own_models, runs
from app.services.access import Person
from app.services.visitors import COOKIE, folder_name
from core import paths
from core.band_set import COLOURS, BandSet
from core.benchmark import results
from core.benchmark.plan import Plan
from core.brought.found import FoundModel, ModelAnswers
from core.cards import load_card, resolve
from core.classes import ClassMap
from core.errors import CheckpointError, ConfigError, ModelError, RunStateError
from core.image import encode_png
from core.models.committee import committee_card
from core.models.external.importer import import_model, keep_card
from tests.ui.conftest import ask, file_of, words
from tests.unit.banded import banded_dataset
from tests.unit.brought.graphs import bright
from tests.unit.brought.graphs import graph as graph_of

ANN = Person("203.0.113.1", folder=str(folder_name({COOKIE: "A" * 43}, None)))
BOB = Person("203.0.113.2", folder=str(folder_name({COOKIE: "B" * 43}, None)))
SAID = ModelAnswers(classes=("red", "green", "blue"), mean=(0, 0, 0), std=(1, 1, 1), scale=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def graph(tmp_path: Path) -> bytes:
    return bright(tmp_path / "bright.onnx", source=("n", 3, "h", "w"), result=("n", 3, "h", "w")).read_bytes()


def test_an_upload_becomes_a_model_that_pages_name_and_its_owner_changes(graph: bytes, home: Path) -> None:
    upload = brought_models.take_in("../Bright.ONNX", io.BytesIO(graph), ANN)
    assert any("classes" in sentence for sentence in upload.missing)
    with pytest.raises(ConfigError):
        brought_models.import_uploaded(upload, "bright", ModelAnswers(), ANN)
    brought_models.import_uploaded(upload, "bright", SAID, ANN)
    assert not upload.folder.exists()
    assert artifacts.models(ANN.folder)["bright"].brought
    mine = {entry.name: entry.mine for entry in brought_models.listing(ANN.folder)}
    assert (mine["bright"], mine["teacher"]) == (True, False)
    (entry,) = [one for one in brought_models.listing(ANN.folder) if one.name == "bright"]
    assert entry.card.model.arguments["confined"]
    planes = inference.predict_planes(inference.load("bright"), np.eye(3, dtype=np.uint8)[None] * 250)
    assert planes.mask.tolist() == [[0, 1, 2]]
    (own,) = [one for one in brought_models.listing(ANN.folder) if one.name == "bright"]
    brought_models.rename(own, "colours", ANN)
    assert {"colours"} == artifacts.models(ANN.folder).keys() - {"bright"} - {one.name for one in _shipped()}
    (renamed,) = [one for one in brought_models.listing(ANN.folder) if one.mine]
    brought_models.delete(renamed, ANN)
    assert "colours" not in artifacts.models(ANN.folder)
    assert list((home / "models").glob("[!.]*")) == []


def _shipped() -> list[brought_models.ModelEntry]:
    return [one for one in brought_models.listing(None) if one.source == "shipped"]


def test_whoever_may_not_launch_brings_nothing_and_strangers_change_nothing(
    graph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = brought_models.take_in("bright.onnx", io.BytesIO(graph), ANN)
    brought_models.import_uploaded(upload, "bright", SAID, ANN, shared=True)
    closed = replace(access.read_access(), may_launch=("ann@example.org",), may_delete=("ann@example.org",))
    monkeypatch.setattr(access, "read_access", lambda: closed)
    with pytest.raises(RunStateError):
        brought_models.take_in("bright.onnx", io.BytesIO(graph), BOB)
    (entry,) = [one for one in brought_models.listing(BOB.folder) if one.name == "bright"]
    for change in (lambda: brought_models.delete(entry, BOB), lambda: brought_models.rename(entry, "mine", BOB)):
        with pytest.raises(RunStateError):
            change()
    assert "bright" in artifacts.models(None)


def test_a_model_is_its_owners_alone_until_they_share_it(graph: bytes) -> None:
    brought_models.import_uploaded(brought_models.take_in("b.onnx", io.BytesIO(graph), ANN), "bright", SAID, ANN)
    (entry,) = [one for one in brought_models.listing(ANN.folder) if one.name == "bright"]
    settings = ask(teacher="bright")
    taking = (
        lambda who: launch.launch(settings, who),
        lambda who: brought_models.archive("bright", who.folder),
        lambda who: benchmarks.start(
            who, models=("student",), teacher="bright", runtimes=("pytorch",), sizes=(64,), batches=(1,), threads=(1,),
            labelled="none", care="Quick",
        ),
    )  # fmt: skip
    for who in (BOB, Person("203.0.113.3")):
        assert "bright" not in artifacts.models(who.folder)
        assert "bright" not in {one.name for one in brought_models.listing(who.folder)}
        for take in taking:
            with pytest.raises((CheckpointError, ConfigError), match="no model 'bright'"):
                take(who)
        assert any("no model 'bright'" in said for said in launch.check(settings, who.folder).problems)
        with pytest.raises(CheckpointError):
            brought_models.share(entry, True, who)
    assert not any("no model" in said for said in launch.problems(settings, ANN.folder))
    brought_models.share(entry, True, ANN)
    assert "bright" in artifacts.models(BOB.folder)
    brought_models.share(entry, False, ANN)
    assert "bright" not in artifacts.models(BOB.folder)
    assert "bright" in artifacts.models(ANN.folder)


def test_a_model_whose_owner_is_not_known_again_or_came_by_the_command_line_is_everybodys(
    graph: bytes, home: Path, tmp_path: Path
) -> None:
    nobody = Person("203.0.113.4")
    brought_models.import_uploaded(brought_models.take_in("b.onnx", io.BytesIO(graph), nobody), "one", SAID, nobody)
    import_model(tmp_path / "bright.onnx", "two", SAID)
    brought_models.import_uploaded(brought_models.take_in("b.onnx", io.BytesIO(graph), ANN), "three", SAID, ANN)
    (home / "models" / "three" / "owner.json").write_text("{")
    assert {"one", "two"} == {one.name for one in brought_models.listing(BOB.folder) if one.source == "brought"}
    assert "three" not in artifacts.models(ANN.folder)


def test_a_download_brought_elsewhere_asks_for_nothing_and_answers_alike(graph: bytes) -> None:
    ponds = ClassMap(("Water", "Ground", "None"), ((1, 2, 3), (4, 5, 6), (0, 0, 0)), 2)
    said = replace(SAID, map={"red": "Ground", "green": "Water", "blue": ""}, target=ponds, metres=0.3, licence="MIT")
    upload = brought_models.take_in("bright.onnx", io.BytesIO(graph), ANN)
    first = brought_models.import_uploaded(upload, "bright", said, ANN)
    packed = brought_models.archive("bright", ANN.folder)
    again = brought_models.take_in("bright.zip", io.BytesIO(packed), BOB)
    assert again.missing == []
    second = brought_models.import_uploaded(again, "again", ModelAnswers(), BOB)
    same = ("model", "classes", "mean", "std", "licence", "metres_per_pixel")
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]
    assert not own_models.is_of("again", ANN.folder)


def test_a_damaged_card_in_a_zip_says_nothing(graph: bytes) -> None:
    for card in (b"{", b"[" * 100_000, b'{"schema": 1}', b"\xff"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as made:
            made.writestr("bright.onnx", graph)
            made.writestr("card.json", card)
        packed.seek(0)
        upload = brought_models.take_in("bright.zip", packed, ANN)
        assert upload.missing
        brought_models.discard(upload)


def test_names_with_commas_that_nobody_changed_stay_whole() -> None:
    found = FoundModel("onnx", "", (), {}, classes=("road, path", "tree"))
    assert brought_models.answers(classes=brought_models.typed("road, path, tree", found)).classes == ()
    assert brought_models.answers(classes=brought_models.typed("road, tree", found)).classes == ("road", "tree")


def test_a_committee_is_listed_and_not_downloaded() -> None:
    members = {"teacher": load_card(resolve("teacher"))}
    keep_card("both", committee_card("both", members, weights=[], flips=False, scales=[1.0], weigh=False))
    (entry,) = [one for one in brought_models.listing(BOB.folder) if one.name == "both"]
    assert not entry.has_files
    with pytest.raises(CheckpointError, match="members"):
        brought_models.archive("both", BOB.folder)


def test_the_newest_score_of_a_benchmark_is_shown_as_long_as_the_weights_are_those(graph: bytes, home: Path) -> None:
    brought_models.import_uploaded(brought_models.take_in("b.onnx", io.BytesIO(graph), ANN), "bright", SAID, ANN)
    weights = artifacts.weights(artifacts.models(ANN.folder)["bright"])
    plan = Plan(models=("bright",), teacher="bright", runtimes=("pytorch",))
    rows = {"1-old": (0.2, weights), "2-new": (0.4, weights), "3-others": (0.9, "0" * 12)}
    for at, (name, (score, digest)) in enumerate(rows.items()):
        row = results.Row("bright", "pytorch", 256, 1, 1, miou5=score, weights=digest)
        made = results.Result(name, plan, {}, (row,), created_at=float(at), scored_on="Dubai, validation images")
        results.save(made, into=home / results.FOLDER)
    assert brought_models.measured_scores(ANN.folder) == {"bright": (0.4, "Dubai, validation images")}
    assert brought_models.measured_scores(BOB.folder) == {}


@pytest.mark.parametrize("name", ["evil.pt", "evil.onnx", "evil.zip"])
def test_what_is_no_model_leaves_nothing_behind(home: Path, name: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("../../evil.onnx", b"x")
    content = packed.getvalue() if name.endswith(".zip") else b"\x80\x04evil"
    with pytest.raises(ModelError):
        brought_models.take_in(name, io.BytesIO(content), ANN)
    assert not [path for path in home.rglob("*") if path.is_file()]


_ASSUMED = ("No normalisation", "shown by their numbers", "Class 0 ")


def test_the_page_asks_imports_previews_and_shows_names_as_letters(
    graph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {})
    page = AppTest.from_file(str(file_of("models")), default_timeout=60).run()
    table = page.dataframe[0].value.set_index("Model")
    assert table.loc["teacher", "Scored on"] == "Dubai, synthetic"
    page.file_uploader[0].set_value(("bright.onnx", graph, "application/octet-stream")).run()
    assert not page.exception
    assert {"No normalisation", "shown by their numbers"} <= {part for part in _ASSUMED if part in words(page)}
    page.text_input(key="brought_name").set_value("bright")
    page.text_input(key="brought_classes").set_value("red, <b>green</b>, blue")
    page.button(key="brought_import").click().run()
    assert "normalised" in words(page)
    page.text_input(key="brought_mean").set_value("0, 0, 0")
    page.text_input(key="brought_std").set_value("0.004, 0.004, 0.004")
    page.button(key="brought_import").click().run()
    assert not page.exception
    assert "bright is here" in words(page)
    drawn = "".join(one.proto.body for one in page.get("html"))
    assert "&lt;b&gt;green&lt;/b&gt;" in drawn
    assert "<b>" not in drawn
    chosen = datasets.scene_names()[0]
    page.selectbox(key="preview_bright").set_value(chosen).run()
    assert not page.exception
    assert "blue" in words(page)


@pytest.mark.slow
def test_a_model_of_other_bands_is_seen_at_work_on_pictures_that_have_them(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a picture of a dataset and on a GeoTIFF, before it is imported and after: the last band tells the classes."""
    monkeypatch.setattr(type(st.context), "cookies", {})
    bands = BandSet((*COLOURS.names, "near infrared"), "uint16")
    folder = banded_dataset(home, bands)
    own = (folder / "images" / "a.tif").read_bytes()
    nodes = [helper.make_node("Slice", ["x", "from", "to", "axis"], ["last"]),
             helper.make_node("Neg", ["last"], ["less"]),
             helper.make_node("Concat", ["less", "last"], ["y"], axis=1)]  # fmt: skip
    weights = [numpy_helper.from_array(np.array([at]), name) for name, at in (("from", 3), ("to", 4), ("axis", 1))]
    shape = ("n", 4, "h", "w")
    source = graph_of(tmp_path / "plants.onnx", nodes, source=shape, result=("n", 2, "h", "w"), weights=weights)
    page = AppTest.from_file(str(file_of("models")), default_timeout=60).run()
    page.file_uploader[0].set_value(("plants.onnx", source.read_bytes(), "application/octet-stream")).run()
    assert not page.exception
    assert "Name its bands" in words(page)
    page.text_input(key="brought_bands").set_value(", ".join(bands.names))
    page.selectbox(key="brought_depth").set_value("uint16")
    page.text_input(key="brought_classes").set_value("Bare, Plants").run()
    menu = page.selectbox(key="brought_preview")
    assert menu.options[:2] == ["Fields: a", "Fields: b"]
    # Every value is above 0, where plants begin while no mean is given.
    assert "Plants 100%" in words(page)
    page.text_input(key="brought_mean").set_value("0, 0, 0, 5000")
    page.text_input(key="brought_std").set_value("1000, 1000, 1000, 1000").run()
    assert "Plants 50%" in words(page)
    page.selectbox(key="brought_preview").set_value("own picture").run()
    page.file_uploader(key="brought_picture").set_value(("mine.tif", own, "image/tiff")).run()
    assert "Plants 50%" in words(page)
    page.text_input(key="brought_name").set_value("plants")
    page.button(key="brought_import").click().run()
    assert not page.exception
    assert "plants is here" in words(page)
    assert load_card(resolve("plants")).bands == bands
    for chosen in ("Fields: c", "own picture"):
        page.selectbox(key="preview_plants").set_value(chosen).run()
        if chosen == "own picture":
            page.file_uploader(key="picture_plants").set_value(("mine.tif", own, "image/tiff")).run()
        assert not page.exception
        assert "Plants 50%" in words(page)
    page.file_uploader(key="picture_plants").set_value(
        ("photo.png", encode_png(np.zeros((8, 8, 3), np.uint8)), "")
    ).run()
    assert "cannot hold the bands" in words(page)


def test_a_starting_point_stands_apart_and_is_there_to_begin_with_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "checkpoints"
    shipped.mkdir()
    card = load_card(paths.CHECKPOINTS / "student")
    (shipped / "plain.json").write_text(card.to_json())
    (shipped / "ready.json").write_text(replace(card, starting_point=True).to_json())
    monkeypatch.setattr(paths, "CHECKPOINTS", shipped)
    monkeypatch.setattr(type(st.context), "cookies", {})
    assert (set(artifacts.models(None)), set(artifacts.starting_points(None))) == ({"plain"}, {"ready"})
    page = AppTest.from_file(str(file_of("models")), default_timeout=60).run()
    models, starts = (table.value for table in page.dataframe)
    assert (list(models["Model"]), list(starts["Starting point"])) == (["plain"], ["ready"])
    asked = ask(teacher="plain", start_from="ready").config
    runs.require_opened(asked, None)
    for wrong in ({"teacher": "ready"}, {"start_from": "nobody"}):
        with pytest.raises(CheckpointError, match="There is no model"):
            runs.require_opened(ask(**{"teacher": "plain", "start_from": "ready"} | wrong).config, None)
