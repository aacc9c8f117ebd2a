"""The gallery: asks before it works, sorts the worst first, leads into the viewer; folders stay where they may."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.components import sign_in
from app.services import access, galleries, inference, overlays, picture_collections
from app.services.datasets import Picture
from app.services.galleries import PairScores
from app.services.picture_collections import CollectionEntry
from core import paths
from core.errors import DatasetNotFoundError, ImageError
from core.image import encode_png, read_rgb
from tests.ui.conftest import CLASSES, MASKS, TRUTH, World, words

View = Callable[..., AppTest]


@pytest.fixture
def two(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A collection of two pictures with the world's masks; the second has no known mask for its left half."""
    picture = Picture("a", "a" * 64, np.zeros((2, 4, 3), np.uint8), TRUTH)
    pictures = {"a": picture, "b": replace(picture, name="b", sha256="b" * 64, mask=np.where(TRUTH == 0, 5, TRUTH))}
    monkeypatch.setattr(picture_collections, "titles", lambda _=None: {"samples": "Shipped scenes"})
    monkeypatch.setattr(picture_collections, "entries", lambda *_: (CollectionEntry("a", ""), CollectionEntry("b", "")))
    monkeypatch.setattr(picture_collections, "open_picture", lambda _, name, *__: pictures[name])
    return world


def planes(mask: np.ndarray) -> bytes:
    return overlays.encode(inference.Planes(mask, mask, mask))


def judged(truth: np.ndarray | None) -> PairScores:
    picture = Picture("a", "a", np.zeros((2, 4, 3), np.uint8), truth)
    return galleries.judge(
        picture, teacher=planes(MASKS["teacher"]), student=planes(MASKS["student"]), classes=CLASSES, ignore_index=5
    )


def test_a_verdict_counts_agreement_and_scores() -> None:
    found = judged(TRUTH)
    assert found.agreement == pytest.approx(7 / 8)
    assert found.teacher == pytest.approx(1)
    assert found.student == pytest.approx((1 / 2 + 2 / 3 + 1 + 1) / 4)
    assert found.per_class["Building"] == pytest.approx(1 / 2)
    assert found.per_class["Water"] is None


def test_without_a_known_mask_classes_are_compared_with_the_teacher() -> None:
    found = judged(None)
    assert (found.teacher, found.student) == (None, None)
    assert found.per_class["Building"] == pytest.approx(1 / 2)


def test_a_thumbnail_is_pink_where_models_differ() -> None:
    image = np.full((700, 900, 3), 60, np.uint8)
    student = np.zeros((700, 900), np.uint8)
    student[:350] = 1
    picture = Picture("a", "a", image, None)
    found = galleries.judge(
        picture, teacher=planes(np.zeros_like(student)), student=planes(student), classes=CLASSES, ignore_index=5
    )
    with Image.open(io.BytesIO(found.thumbnail)) as opened:
        small = np.asarray(opened.convert("RGB"), int)
    assert max(small.shape[:2]) <= galleries.THUMBNAIL
    assert small[10, 10, 0] > 150 > 90 > small[-10, 10, 0]


def test_the_worst_comes_first_whatever_it_is_judged_by() -> None:
    def one(name: str, agreement: float, student: float | None, road: float | None) -> PairScores:
        return PairScores(name, agreement, 0.0, 0.9, student, {"Road": road}, b"")

    given = [one("a", 0.9, 0.3, None), one("b", 0.5, 0.8, 0.7), one("c", 0.7, None, 0.1)]

    def names(**by: str) -> str:
        return "".join(verdict.name for verdict in galleries.worst_first(given, **{"order": "disagreement", **by}))

    assert (names(), names(order="iou"), names(order="gap")) == ("bca", "abc", "abc")
    assert names(class_name="Road") == "cb"


def test_it_asks_before_it_works_and_then_shows_cards(view: View, two: World) -> None:
    page = view("gallery")
    assert not page.exception
    assert two.predicted == []
    page.button[0].click().run()
    assert not page.exception
    assert sorted(set(two.predicted)) == ["student", "teacher"]
    assert "12.5 % of the pixels differ" in words(page)
    asked = list(two.predicted)
    page.selectbox(key="class").set_value("Building").run()
    assert "IoU of Building" in words(page)
    assert two.predicted == asked


@pytest.mark.usefixtures("world")
def test_a_person_compares_so_many_images_an_hour(view: View, two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "RATES", access.Rates())
    monkeypatch.setattr(sign_in, "person", lambda: access.Person("somebody"))
    (paths.home() / access.FILE).write_text("gallery_images_an_hour = 3\n")
    page = view("gallery")
    page.button[0].click().run()
    asked = list(two.predicted)
    assert asked
    page.run()
    page.selectbox(key="student").set_value("student-control").run()
    page.button[0].click().run()
    assert [error.value for error in page.error] == [
        "At most 3 gallery images an hour are taken from one person: try again later."
    ]
    assert two.predicted == asked


def test_a_picture_that_cannot_be_read_is_told_and_left_out(
    view: View, two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = picture_collections.open_picture

    def open_picture(collection: str, name: str, *rest: str) -> Picture:
        if name == "a":
            raise ImageError("a has 400 megapixels: cut it into smaller pictures.")
        return good(collection, name, *rest)

    monkeypatch.setattr(picture_collections, "open_picture", open_picture)
    page = view("gallery")
    page.button[0].click().run()
    assert not page.exception
    assert "1 of 2 images are left out. a has 400 megapixels" in words(page)
    assert [button.label for button in page.button] == ["Open in the viewer"]
    assert two.predicted


def test_a_card_leads_into_the_viewer(view: View, two: World) -> None:
    page = view("gallery")
    page.button[0].click().run()
    page.button(key="open b").click().run()
    assert two.switched == [
        (
            "views/compare/page.py",
            {
                "from": "set",
                "set": "samples",
                "picture": "b",
                "teacher": "teacher",
                "students": "student",
                "view": "disagreement",
            },
        )
    ]


@pytest.mark.usefixtures("two")
def test_the_viewer_opens_what_a_card_names(view: View, viewer_payloads: list[dict[str, object]]) -> None:
    page = view("compare", **{"from": "set", "set": "samples", "picture": "b"})
    assert not page.exception
    assert page.selectbox(key="picture").value == "b"
    assert viewer_payloads
    assert page.segmented_control(key="from").value == "set"


@pytest.mark.usefixtures("world")
def test_it_says_what_is_missing(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_collections, "titles", lambda _=None: {})
    assert "Nothing to compare yet" in words(view("gallery"))


def test_the_shipped_scenes_are_a_collection() -> None:
    names = [entry.name for entry in picture_collections.entries("samples")]
    assert names[:2] == ["scene_01", "scene_02"]
    picture = picture_collections.open_picture("samples", "scene_02")
    assert picture.mask is not None
    with pytest.raises(DatasetNotFoundError, match="choose another"):
        picture_collections.open_picture("samples", "../secret")


def test_only_folders_below_the_opened_one_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open" / "mine" / "images").mkdir(parents=True)
    (tmp_path / "shut" / "images").mkdir(parents=True)
    for place in ("open/mine", "shut"):
        (tmp_path / place / "images" / "roof.png").write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    monkeypatch.setattr(access, "read_access", lambda: access.Access(images=None))
    with pytest.raises(DatasetNotFoundError, match=r"access\.toml"):
        picture_collections.entries("folder", "mine")
    monkeypatch.setattr(access, "read_access", lambda: access.Access(images=str(tmp_path / "open")))
    assert [entry.name for entry in picture_collections.entries("folder", "mine")] == ["roof"]
    assert read_rgb(encode_png(picture_collections.open_picture("folder", "roof", "mine").image)).shape == (4, 4, 3)
    for outside in ("../shut", str(tmp_path / "shut"), "nowhere"):
        with pytest.raises(DatasetNotFoundError, match="check the path"):
            picture_collections.entries("folder", outside)


def test_pictures_that_lie_in_the_folder_itself_are_a_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    roof = encode_png(np.full((4, 4, 3), 7, np.uint8))
    for name in ("10.png", "9.png", "field_sat.png", "field.b.png", ".hidden.png"):
        (flat / name).write_bytes(roof)
    (flat / "field_mask.png").write_bytes(encode_png(np.full((4, 4, 3), CLASSES[1][1], np.uint8)))
    (flat / "9.jpg").write_bytes(roof)
    (flat / "notes.txt").write_text("no picture")
    monkeypatch.setattr(access, "read_access", lambda: access.Access(images=str(tmp_path)))
    names = [entry.name for entry in picture_collections.entries("folder", "flat")]
    assert names == ["9.jpg", "9.png", "10", "field.b", "field_sat"]
    assert (picture_collections.open_picture("folder", "field_sat", "flat").mask == 1).all()
    assert picture_collections.open_picture("folder", "10", "flat").mask is None
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match=r"put PNG, JPEG or TIFF files into it"):
        picture_collections.entries("folder", "empty")


def test_a_picture_counts_once_though_two_runs_of_the_page_finish_it() -> None:
    going = galleries.Pass(("a", "b", "c"))
    for name, problem in (("a", None), ("b", "b is damaged."), ("a", None)):
        going.done[name] = problem
    assert (going.found, going.problems, going.left) == (["a"], ["b is damaged."], ("c",))


def test_a_pass_that_was_stopped_keeps_its_cards_and_goes_on(
    view: View, two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "RATES", access.Rates())
    (paths.home() / access.FILE).write_text("gallery_images_an_hour = 2\n")
    page = view("gallery")
    page.button(key="compare").click().run()
    (going,) = page.session_state["gallery_passes"].values()
    del going.done["b"]
    going.stopped = True
    page.run()
    assert "Stopped after 1 of 2 images." in words(page)
    assert [button.label for button in page.button] == ["Go on", "Open in the viewer"]
    page.button(key="go_on").click().run()
    assert not page.exception
    assert not page.error, "what was counted once is not counted again"
    assert [button.label for button in page.button] == ["Open in the viewer"] * 2
    assert two.predicted
