"""A dataset that a visitor brings: found by them alone until it is shared, on every page and in every launch."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.services import (
    benchmarks,
    datasets,
    import_choices,
    import_preview,
    import_report,
    imports,
    inference,
    launch,
    own_datasets,
    picture_collections,
    progress,
    runs,
    teachers,
)
from app.services.access import Person
from app.services.artifacts import TrainedOn
from app.services.imports import Draft
from app.services.stores import open_store
from app.services.visitors import COOKIE, folder_name
from core import paths
from core.classes import UNLABELLED_COLOUR
from core.config import DataConfig, RunConfig
from core.data import named, open_split
from core.data.cut_blocks import Box, blocks_of
from core.data.import_order import PROBLEM, ImportOrder
from core.data.import_process import carry_out
from core.errors import ConfigError, DataError, DatasetNotFoundError, RunStateError, TerrastillError
from tests.ui.conftest import World, words
from tests.unit.data.pictures import fields
from tests.unit.data.test_import_process import odd_zip
from tests.unit.own_dataset import USES, own_dataset

ANN_ID = "A" * 43
ANN = str(folder_name({COOKIE: ANN_ID}, None))
BOB = str(folder_name({COOKIE: "B" * 43}, None))
ANN_PERSON, BOB_PERSON = Person("203.0.113.1", folder=ANN), Person("203.0.113.2", folder=BOB)


class Done:
    """In the place of the process: all is done when it was started."""

    pid, returncode = 0, 0

    def __init__(self, order: ImportOrder) -> None:
        try:
            carry_out(order)
        except TerrastillError as error:
            (Path(order.folder) / PROBLEM).write_text(f'{{"error": "{error}"}}')

    def poll(self) -> int:
        return 0

    def kill(self) -> None: ...

    def wait(self) -> int:
        return 0


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(imports, "_process", Done)
    yield
    imports._DRAFTS.clear()
    imports._WORKING.clear()


def with_usual(report: import_report.ImportReport, title: str) -> import_report.Edits:
    """What is proposed: the names that were found, and the remedies that are on at first."""
    rows = import_report.found(report)
    return replace(
        import_report.Edits(title),
        names={row.code: row.name for row in rows},
        ignored=frozenset(row.code for row in rows if row.ignored),
        mended=frozenset(group.key for group in import_report.groups(report) if group.usual),
        split=import_report.splits(report)[0],
    )


def brought(owner: str | None = ANN, *, pictures: int = 6, tmp: Path | None = None) -> Draft:
    draft = imports.open_draft(owner, "session", now=time.time())
    packed = odd_zip((tmp or paths.home()) / "odd.zip", pictures=pictures)
    draft.bring([("odd.zip", io.BytesIO(packed.read_bytes()))])
    return draft


def saved(title: str = "Odd plots", *, owner: str = ANN, shared: bool = False) -> str:
    draft = brought(owner)
    report = draft.report()
    assert report is not None
    draft.save(with_usual(report, title), shared=shared)
    found = draft.state()
    assert found.step == "saved", found
    return found.saved


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises((ConfigError, DataError)) as refused:
        ask()
    return str(refused.value)


def test_a_saved_dataset_trains_and_is_read_as_it_was_shown() -> None:
    name = saved()
    assert name == "odd-plots"
    loaded, split = open_split(DataConfig(name))
    assert loaded.dataset.classes.scored_names == ("Class 3", "Class 17", "Class 90", "Class 201")
    told = datasets.split_summary({"dataset": name})
    assert (told["train"], told["val"]) == (len(split.train), len(split.val)) == (4, 1)
    assert told["val_megapixels"] == pytest.approx(40 * 40 / 1e6)
    assert not list(paths.imports().iterdir())


def test_no_other_visitor_is_shown_or_trains_on_a_private_dataset() -> None:
    name = saved()
    config = RunConfig(kind="train", data=DataConfig(name))
    run_id = open_store().add(config).id
    open_store().request_cancel(run_id)
    for owner, there in ((ANN, True), (BOB, False), (None, False)):
        assert (name in [each.name for each in own_datasets.listing(owner)]) is there
        assert (name in [choice.name for choice in datasets.training_choices(owner)]) is there
        assert bool(datasets.class_names(name, owner)) is there
        assert (name in picture_collections.titles(owner)) is there
        assert (name in benchmarks.labelled(owner)) is there
    asks: list[Callable[[], object]] = [
        lambda: picture_collections.entries(name, "", BOB),
        lambda: picture_collections.open_picture(name, "plot_0", "", BOB),
        lambda: launch.launch(
            replace(launch.Request(), config=replace(launch.Request().config, data=config.data)), BOB_PERSON
        ),
        lambda: launch.launch(
            replace(launch.Request(), config=replace(launch.Request().config, data=DataConfig(transfer=name))),
            BOB_PERSON,
        ),
        lambda: launch.launch_more_seeds(runs.some_runs([run_id])[0], [], BOB_PERSON),
        lambda: teachers.launch(teachers.TeacherRequest(config), BOB_PERSON),
        lambda: runs.retry(run_id, BOB_PERSON),
    ]
    absent = refusal(lambda: picture_collections.entries("nowhere", "", BOB)).replace("nowhere", name)
    assert {refusal(ask) for ask in asks} == {absent}
    assert progress.read_preview(run_id, config.data, BOB) is None
    assert picture_collections.open_picture(name, "plot_0", "", ANN).private
    own_datasets.share(name, True, ANN)
    assert name in own_datasets.visible(BOB)
    assert not picture_collections.open_picture(name, "plot_0", "", BOB).private


def test_a_dataset_of_the_command_line_is_for_everybody() -> None:
    own_dataset(paths.home())
    assert own_datasets.may_use("plots", None)
    assert not named.is_brought("plots")


def test_only_who_brought_a_dataset_shares_and_deletes_it() -> None:
    name = saved(shared=True)
    with pytest.raises(DatasetNotFoundError):
        own_datasets.share(name, False, BOB)
    with pytest.raises(RunStateError):
        own_datasets.delete(name, BOB, BOB_PERSON)
    assert own_datasets.may_use(name, BOB)
    own_datasets.delete(name, ANN, ANN_PERSON)
    assert not named.is_there(name)


def test_what_a_run_still_needs_is_said_before_it_is_deleted() -> None:
    name = saved()
    assert own_datasets.needed_by(name) == ([], 0)
    open_store().add(RunConfig(kind="train", name="Teacher of plots", data=DataConfig(name)))
    assert own_datasets.needed_by(name) == (["Teacher of plots"], 0)


def test_a_damaged_record_of_the_owner_is_shown_to_nobody() -> None:
    name = saved(shared=True)
    (named.folder_of(name) / named.OWNER_FILE).write_text("{")
    assert not own_datasets.may_use(name, ANN)
    assert not own_datasets.may_use(name, BOB)


def test_names_are_made_of_titles_and_never_twice() -> None:
    assert own_datasets.free_name("Odd plots") == "odd-plots"
    saved()
    assert own_datasets.free_name("Odd plots") == "odd-plots-2"
    assert own_datasets.free_name("水 / ../x") == "x"
    assert own_datasets.free_name("2024") == "dataset-2024"
    assert own_datasets.free_name("samples") == "samples-2"


def test_classes_are_merged_ignored_and_painted_at_once() -> None:
    report = brought().report()
    assert report is not None
    edits = replace(
        with_usual(report, "x"),
        names={3: "Tree", 17: "tree", 90: "Road", 201: "Water"},
        ignored=frozenset({201}),
        colours={3: (1, 2, 3), 90: (4, 5, 6)},
    )
    classes, unlabelled = import_report.edited(report, edits)
    assert [(each.name, each.colour) for each in classes] == [("Tree", (1, 2, 3)), ("Road", (4, 5, 6))]
    assert [round(each.share, 1) for each in classes] == [0.7, 0.3]
    assert unlabelled == pytest.approx(0.25, abs=0.01)
    right = import_preview.painted(report, 0, edits)[:, 44:]
    assert {tuple(map(int, pixel)) for pixel in right.reshape(-1, 3)} == {(1, 2, 3), (4, 5, 6), UNLABELLED_COLOUR}


def test_what_does_not_fit_is_left_out_or_resampled_as_its_switch_says() -> None:
    report = brought().report()
    assert report is not None
    (group,) = import_report.groups(report)
    assert (group.what, group.resample, group.usual) == ("2 masks are 3 % larger than their image", True, True)
    usual = with_usual(report, "x")
    assert len(import_report.kept(report, usual)) == 6
    left = {each.stem for each in import_report.kept(report, replace(usual, mended=frozenset()))}
    assert left == {"plot_0", "plot_3", "plot_4", "plot_5"}
    assert import_choices.choices_of(report, replace(usual, mended=frozenset()))["leave_out"] == ["plot_1", "plot_2"]


def test_problems_are_sentences_and_nothing_is_saved_with_one() -> None:
    draft = brought(pictures=3)
    report = draft.report()
    assert report is not None
    edits = replace(with_usual(report, " "), ignored=frozenset({3, 17, 90}))
    told = import_choices.problems(report, edits)
    assert [sentence.split(":")[0] for sentence in told][:2] == [
        "Give the dataset a name.",
        "A dataset needs two classes at least",
    ]
    with pytest.raises(ConfigError):
        draft.save(edits, shared=False)
    assert draft.state().step == "ready"


def test_who_cannot_be_known_again_saves_nothing_private() -> None:
    draft = brought(None)
    report = draft.report()
    assert report is not None
    with pytest.raises(DataError, match="keeps no cookie"):
        draft.save(with_usual(report, "x"), shared=False)


def test_a_zip_that_is_none_is_one_sentence_and_leaves_nothing() -> None:
    draft = imports.open_draft(ANN, "", now=time.time())
    draft.bring([("bad.zip", io.BytesIO(b"PK\3\4 no zip"))])
    found = draft.state()
    assert (found.step, found.error) == ("failed", "bad.zip cannot be read: the zip is damaged.")
    draft.discard()
    assert not list(paths.imports().iterdir())


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("packed.zip", b"Rar!\x1a\x07\x01\x00" + bytes(99), "packed.zip is no zip, whatever its name says"),
        ("text.ZIP", b"hello", "text.ZIP is no zip, whatever its name says"),
        ("empty.zip", b"PK\5\6" + bytes(18), "No pictures were found: bring PNG, JPEG or TIFF files"),
    ],
)
def test_an_upload_that_holds_nothing_is_told_by_what_it_is(name: str, content: bytes, told: str) -> None:
    draft = imports.open_draft(ANN, "", now=time.time())
    draft.bring([(name, io.BytesIO(content))])
    found = draft.state()
    assert found.step == "failed"
    assert found.error.startswith(told)


def test_what_is_not_saved_goes_after_a_day() -> None:
    draft = brought()
    assert imports.sweep(time.time() + 3600) == 0
    assert draft.folder.is_dir()
    assert imports.sweep(time.time() + imports.KEPT_SECONDS + 60) == 1
    assert not draft.folder.exists()


def test_a_folder_that_is_not_opened_is_refused(tmp_path: Path) -> None:
    draft = imports.open_draft(ANN, "", now=time.time())
    assert "does not open its own files" in refusal(lambda: draft.bring_path(str(tmp_path)))
    opened = tmp_path / "opened"
    odd_zip(opened / "in.zip") if opened.mkdir() is None else None
    (paths.home() / "access.toml").write_text(f'images = "{opened}"\n')
    assert "There is no such folder" in refusal(lambda: draft.bring_path("../"))
    draft.bring_path("in.zip")
    assert draft.state().step == "ready"


def test_datasets_of_all_visitors_are_bounded_on_the_disk() -> None:
    (paths.home() / "access.toml").write_text("datasets_gigabytes = 0\n")
    assert "take 0 GB here at most" in refusal(brought)


@pytest.fixture
def page(view: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> Callable[[], AppTest]:
    monkeypatch.setattr(type(st.context), "cookies", {COOKIE: ANN_ID})
    return lambda: view("datasets")


def test_the_page_goes_from_empty_over_the_report_to_saved(page: Callable[[], AppTest]) -> None:
    assert "No dataset yet" in words(page())
    brought()
    test = page()
    assert not test.exception
    assert "2 masks are 3 % larger than their image." in words(test)
    assert "1 image has no labels." in words(test)
    names = {field.label: field for field in test.text_input}
    names["Name of 3"].set_value("Tree <b>").run()
    test.button(key="dataset_save_now").click().run()
    assert not test.exception
    assert "odd is saved" in words(test)
    assert "Train a teacher on it" in words(test)
    assert own_datasets.visible(ANN)["odd"].classes.scored_names[0] == "Tree <b>"
    assert "odd" not in own_datasets.visible(BOB)


def test_the_page_deletes_only_after_it_said_what_is_lost(page: Callable[[], AppTest]) -> None:
    name = saved()
    open_store().add(RunConfig(kind="train", name="Waiting run", data=DataConfig(name)))
    test = page()
    assert "Still needed by runs that wait or train: Waiting run." in words(test)
    test.button(key=f"delete_{name}").click().run()
    assert not test.exception
    assert not named.is_there(name)


def test_a_picture_of_other_classes_is_shown_to_a_model_without_its_labels() -> None:
    name = saved()
    picture = picture_collections.open_picture(name, "plot_0", "", ANN)
    own = tuple((each, (0, 0, 0)) for each in (*picture.classes, "Unlabeled"))
    assert picture.known_to(own).mask is not None
    assert picture.known_to((("House", (0, 0, 0)), ("Unlabeled", (1, 1, 1)))).mask is None


def test_an_orthophoto_and_a_geopackage_of_another_system_train_without_a_zip() -> None:
    """The two files as they are: the polygons in degrees, the picture in UTM, one picture cut into blocks."""
    folder = paths.home() / "files"
    folder.mkdir()
    classes = fields(folder)
    draft = imports.open_draft(ANN, "", now=time.time())
    draft.bring([(name, io.BytesIO((folder / name).read_bytes())) for name in ("ortho.tif", "fields.gpkg")])
    report = draft.report()
    assert report is not None
    edits = with_usual(report, "Fields")
    assert (edits.split, [row.name for row in import_report.found(report)]) == ("blocks", ["Clover", "Maize"])
    assert not import_choices.problems(report, edits)
    black = (import_preview.painted(report, 0, edits)[:, : report.seen[0].width] == 0).all(axis=2).all(axis=0)
    assert 0 < black.sum() < report.seen[0].width / 4
    draft.save(edits, shared=False)
    name = draft.state().saved
    loaded, split = open_split(DataConfig(name))
    assert loaded.dataset.metres_per_pixel == pytest.approx(0.5, rel=0.01)
    for scenes, part in ((split.train, "train"), (split.val, "validate"), (split.test, "test")):
        blocks = [block for block in blocks_of(Box(0, 0, *classes.shape)) if block.part == part]
        assert len(scenes) == len(blocks)
        for scene, block in zip(sorted(scenes, key=lambda one: one.name), blocks, strict=True):
            here = classes[block.top : block.top + block.height, block.left : block.left + block.width]
            assert (scene.mask == here).mean() > 0.98


def test_compare_opens_a_test_picture_of_the_students_own_data_with_its_labels(
    view: Callable[..., AppTest], world: World, viewer_payloads: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    own_dataset(paths.home(), names=("Tree", "Road", "Roof", "Pool"))
    classes = tuple((name, (40 * at, 0, 0)) for at, name in enumerate(("Tree", "Road", "Roof", "Pool", "Unlabeled")))
    told = {"classes": classes, "ignore_index": 4, "trained_on": TrainedOn("plots", "by-image")}
    for name in ("teacher", "student"):
        world.models[name] = replace(world.models[name], identity=f"{name}@own", **told)
    mask = np.zeros((48, 48), np.uint8)
    plane = np.full((48, 48), 200, np.uint8)
    monkeypatch.setattr(inference, "predict_planes", lambda *_: inference.Planes(mask, plane, plane))
    page = view("compare")
    assert not page.exception
    assert {box.label: box.value for box in page.selectbox}["Picture"] == "d"
    assert "d · test picture of student" in words(page)
    assert [panel["role"] for panel in viewer_payloads[-1]["panels"]] == ["truth", "teacher", "student"]
    page = view("compare", **{"from": "set", "set": "plots", "picture": "a"})
    assert "a · training picture of student" in words(page)
    page = view("compare", **{"from": "set", "set": "plots", "picture": "a", "teacher": "student-control"})
    assert "labels of other classes" in words(page)
    assert "truth" not in [panel["role"] for panel in viewer_payloads[-1]["panels"]]


def test_data_whose_labels_all_test_are_refused_before_a_run_waits_for_them() -> None:
    """The dataset keeps its labelled pictures to test on: nothing is left to choose the weights by."""
    folder = own_dataset(paths.home())
    (folder / "masks" / "c.png").unlink()
    for stem in USES["train"]:
        (folder / "masks" / f"{stem}.png").unlink()
    with pytest.raises(ConfigError, match="hold no labelled pixel"):
        datasets.split_summary({"dataset": "plots"})
