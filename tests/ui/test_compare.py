"""The landing page: empty, filled, failed; and that looking again costs no model."""

import csv
import gc
import html
import io
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import rasterio
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import caching
from app.components import score_table
from app.services import datasets, inference, speeds
from app.services.artifacts import TrainedOn
from app.services.datasets import Picture
from app.services.deferred import DEFERRED
from app.services.inference import Planes, Quality
from app.views.compare.answer import StripFigure, answer
from core.data.datasets.dubai import AERIAL
from core.data.scene import digest
from core.errors import ImageError
from tests.ui.conftest import MASKS, TRUTH, World, as_read, make_model, make_speed, words

View = Callable[..., AppTest]


def scores(page: AppTest) -> dict[str, list[str]]:
    """The cells of the last table on the page, by the name of their row."""
    drawn = next(part for part in page.get("html")[::-1] if "<table>" in part.proto.body).proto.body
    rows = re.findall(r'<th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', drawn)
    return {name: re.findall("<td>(.*?)</td>", cells) for name, cells in rows}


def test_without_models_it_says_how_to_get_some(view: View, world: World) -> None:
    world.models.clear()
    page = view("compare")
    assert not page.exception
    assert "No models yet" in words(page)


def test_teacher_students_and_known_mask_stand_side_by_side(view: View, viewer_payloads: list[dict[str, Any]]) -> None:
    page = view("compare")
    assert not page.exception
    shown = viewer_payloads[-1]["panels"]
    assert [(panel["role"], panel["title"]) for panel in shown] == [
        ("truth", "Known mask"),
        ("teacher", "teacher"),
        ("student", "student"),
    ]
    assert [entry["name"] for entry in viewer_payloads[-1]["classes"]] == list(AERIAL.names)


def test_the_student_without_a_teacher_is_one_button_away(view: View, viewer_payloads: list[dict[str, Any]]) -> None:
    page = view("compare")
    page.button(key="control").click().run()
    assert [panel["title"] for panel in viewer_payloads[-1]["panels"]][1:] == ["teacher", "student", "student-control"]
    assert not any(button.key == "control" for button in page.button)


def answer_of(page: AppTest) -> str:
    """What the strip above the picture says, without markup."""
    strips = [part.proto.body for part in page.get("html") if 'class="answer"' in part.proto.body]
    assert len(strips) == 1
    return html.unescape(re.sub(r"<style>.*</style>|<[^>]*>", " ", strips[0], flags=re.DOTALL))


@pytest.mark.usefixtures("viewer_payloads")
def test_the_answer_stands_above_the_picture_with_where_each_figure_is_from(view: View) -> None:
    told = answer_of(view("compare"))
    assert "20.0 × smaller" in told
    assert "4.0 × faster" in told
    assert "PyTorch, one thread of a CPU, ± 2 %" in told
    assert f"agrees on {100 * 7 / 8:.1f} %" in told
    # Scores are over all pixels of the scenes together; here both scenes are one and the same.
    assert f"{100 * (1 / 2 + 2 / 3 + 1 + 1) / 4:.1f} % of the teacher's score" in told


def test_the_strip_shows_markup_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(st, "html", written.append)
    strange = '<img src=x onerror="alert(1)">'
    answer([StripFigure(strange, strange, strange)])
    assert "<img" not in written[0]
    assert 'onerror="' not in written[0]


@pytest.mark.usefixtures("viewer_payloads")
def test_a_slower_student_is_not_called_faster(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"teacher": make_speed("teacher", latency_ms=1.0), "student": make_speed("student", latency_ms=4.0)}
    monkeypatch.setattr(speeds, "kept", lambda model: {"pytorch": kept[model.name]})
    told = answer_of(view("compare"))
    assert "4.0 × slower" in told
    assert "faster" not in told


@pytest.mark.usefixtures("viewer_payloads")
def test_the_first_picture_is_the_test_scene_of_median_agreement(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five scenes; the student learned from the one that would be the median of all."""
    wrong = {"scene_01": 8, "scene_02": 0, "scene_03": 4, "scene_04": 2, "scene_05": 1}
    pictures = {name: make_picture(name, value) for value, name in enumerate(wrong)}
    learned = digest(pictures["scene_04"].image)
    trained = TrainedOn("samples", "by-image", (("train", frozenset({learned})),))
    world.models["student"] = replace(world.models["student"], trained_on=trained)
    monkeypatch.setattr(datasets, "scene_names", lambda: list(wrong))
    monkeypatch.setattr(datasets, "load_scene", pictures.__getitem__)
    monkeypatch.setattr(inference, "predict_planes", lambda name, image: planes_with_wrong(name, image, wrong))
    page = view("compare")
    assert page.selectbox(key="scene").value == "scene_03"
    assert "typical" in words(page)
    trained_there = view("compare", scene="scene_04")
    assert "training picture of student" in words(trained_there)
    assert "its scores here are higher" in words(trained_there)
    assert "its scores here are higher" not in words(page)


def make_picture(name: str, value: int) -> Picture:
    return Picture(name, name * 4, np.full((2, 4, 3), value, np.uint8), TRUTH, dataset="samples")


def planes_with_wrong(model: str, image: Any, wrong: dict[str, int]) -> Planes:
    """The teacher's mask, of which the student has so many of the eight pixels wrong."""
    mask = MASKS["teacher"].copy()
    if model == "student":
        mask.reshape(-1)[: list(wrong.values())[int(image[0, 0, 0])]] = 4
    return Planes(mask, np.full((2, 4), 200, np.uint8), np.full((2, 4), 20, np.uint8))


@pytest.mark.usefixtures("viewer_payloads")
def test_what_was_measured_once_is_not_measured_by_another_server(view: View, world: World) -> None:
    view("compare", scene="scene_01")
    asked = len(world.predicted)
    st.cache_data.clear()
    view("compare", scene="scene_01")
    # The shown scene is segmented anew for its masks; the other one's figures are kept.
    assert len(world.predicted) == asked + 2
    assert asked == 4


@pytest.mark.usefixtures("viewer_payloads")
@pytest.mark.parametrize("idle", [False, True])
def test_kept_speeds_are_drawn_once_and_cost_the_visitor_nothing(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    """Also those that were measured beside other work, as long as measuring again would bring nothing better."""
    kept = {name: make_speed(name, disturbed=True) for name in world.models}
    drawn, measured = list[int](), list[str]()
    original = score_table.table_html
    monkeypatch.setattr(speeds, "kept", lambda model: {"pytorch": kept[model.name]})
    monkeypatch.setattr(speeds, "_idle", lambda: idle)
    monkeypatch.setattr(speeds, "_tried", {})
    monkeypatch.setattr(speeds, "measure", lambda models, *_, **__: measured.extend(model.name for model in models))

    def noted(rows: Any) -> str:
        drawn.append(len(rows))
        return original(rows)

    monkeypatch.setattr(score_table, "table_html", noted)
    page = view("compare")
    assert not page.exception
    assert bool(measured) is idle
    assert len(drawn) == (2 if idle else 1)


def test_the_table_has_size_speed_agreement_and_scores(view: View) -> None:
    table = scores(view("compare"))
    assert [len(cells) for cells in table.values()] == [2] * len(table)
    student = {name: cells[1] for name, cells in table.items()}
    assert (student["Faster"], student["Smaller"], student["Less work"]) == ("4.0 ×", "20.0 ×", "20.0 ×")
    assert student["Agreement"] == f"{100 * 7 / 8:.1f} %"
    assert (student["Latency"], student["Latency p95"]) == ("2.0 ms", "3.0 ms")
    assert list(table).index("Faster") < list(table).index("Latency")
    assert (table["Agreement"][0], table["mIoU"][0]) == ("–", "100.0 %")
    # One of seven labelled pixels is wrong: Building 1 of 2, Land 2 of 3, the rest right; Water does not occur.
    assert student["mIoU"] == f"{100 * (1 / 2 + 2 / 3 + 1 + 1) / 4:.1f} %"
    assert table["Parameters"] == ["2 M", "100 k"]
    assert student["MACs"] == "100 M"


def test_the_table_is_there_as_csv_and_as_harmless_html() -> None:
    models = [make_model("teacher", parameters=2_000_000), make_model("own", title="=<b>&")]
    qualities = {"teacher": Quality(None, 0.5, {"Road": 0.25}), "own": Quality(0.75, 0.4, {"Road": None})}
    rows = score_table.table_rows(models, qualities, None)
    drawn = score_table.table_html(rows)
    assert "=&lt;b&gt;&amp;" in drawn
    assert "<b>" not in drawn
    read = list(csv.DictReader(io.StringIO(score_table.table_csv(rows))))
    assert [row["Model"] for row in read] == ["teacher", "'=<b>&"]
    assert [float(row["Road"] or "nan") for row in read] == pytest.approx([25, math.nan], nan_ok=True)
    assert float(read[1]["Smaller"]) == 20


@pytest.mark.usefixtures("viewer_payloads")
def test_a_rerun_asks_no_model_again(view: View, world: World) -> None:
    page = view("compare")
    asked = list(world.predicted)
    assert sorted(asked) == ["student", "student", "teacher", "teacher"]
    page.run()
    page.multiselect(key="students").set_value([]).run()
    assert world.predicted == asked


@pytest.mark.usefixtures("viewer_payloads")
def test_what_the_first_page_shows_was_computed_before(view: View, world: World) -> None:
    caching.compute_first_comparison()
    assert sorted(world.predicted) == ["student", "student", "teacher", "teacher"]
    view("compare")
    assert len(world.predicted) == 4


@pytest.mark.usefixtures("viewer_payloads")
def test_other_weights_under_the_same_name_are_asked_anew(view: View, world: World) -> None:
    page = view("compare")
    world.models["student"] = replace(world.models["student"], identity="student@2")
    page.run()
    assert world.predicted.count("student") == 4


def test_a_link_brings_back_what_was_chosen(view: View, viewer_payloads: list[dict[str, Any]]) -> None:
    page = view("compare", scene="scene_02", teacher="student", students=["student-control"])
    assert page.selectbox(key="scene").value == "scene_02"
    assert [panel["title"] for panel in viewer_payloads[-1]["panels"]] == ["Known mask", "student", "student-control"]


@pytest.mark.usefixtures("viewer_payloads")
def test_a_link_has_the_choice_and_drops_defaults(view: View) -> None:
    page = view("compare")
    assert "scene" not in page.query_params
    page.selectbox(key="scene").set_value("scene_02").run()
    assert page.query_params["scene"] in ("scene_02", ["scene_02"])
    page.selectbox(key="scene").set_value("scene_01").run()
    assert "scene" not in page.query_params


@pytest.mark.usefixtures("viewer_payloads")
def test_a_link_with_nonsense_falls_back(view: View) -> None:
    page = view("compare", scene="../../etc", teacher="nobody", students=["nobody"], view="x", opacity="-3")
    assert not page.exception
    assert page.selectbox(key="teacher").value == "teacher"
    assert page.multiselect(key="students").value == ["student"]
    assert "nobody" in words(page)


@pytest.mark.usefixtures("viewer_payloads")
def test_a_student_of_other_classes_cannot_be_chosen(view: View, world: World) -> None:
    world.models["roads"] = make_model(
        "roads", classes=(("Road", (0, 0, 0)), ("Other", (1, 1, 1)), ("None", (2, 2, 2)))
    )
    page = view("compare")
    assert not any("roads" in option for option in page.multiselect(key="students").options)


def test_a_scene_that_cannot_be_read_is_told_in_a_sentence(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ImageError(f"{name} is damaged: make the scenes again.")

    monkeypatch.setattr(datasets, "load_scene", broken)
    page = view("compare")
    assert not page.exception
    assert [as_read(error.value) for error in page.error] == ["scene_01 is damaged: make the scenes again."]


def test_an_upload_is_shown_without_scores(view: View, viewer_payloads: list[dict[str, Any]]) -> None:
    page = view("compare", **{"from": "upload"})
    assert "No image yet" in words(page)
    picture = io.BytesIO()
    Image.new("RGB", (4, 2)).save(picture, "PNG")
    page.file_uploader[0].set_value(("roof.png", picture.getvalue(), "image/png")).run()
    assert not page.exception
    assert [panel["role"] for panel in viewer_payloads[-1]["panels"]] == ["teacher", "student"]
    assert "mIoU" not in scores(page)
    assert "no scores" in words(page)


def test_an_upload_that_is_no_picture_is_refused_by_name_and_not_called_missing(view: View) -> None:
    page = view("compare", **{"from": "upload"})
    page.file_uploader[0].set_value(("roof.png", b"not a picture", "image/png")).run()
    assert not page.exception
    assert len(page.error) == 1
    assert page.error[0].value.startswith("roof.png ")
    assert "No image yet" not in words(page)
    assert page.get("skeleton") == []


def test_a_picture_that_is_too_large_is_sent_where_any_size_is_taken(view: View) -> None:
    """20,000 x 20,000 is never shown as one picture: the file has few enough bytes, but too many pixels."""
    page = view("compare", **{"from": "upload"})
    with rasterio.MemoryFile() as file:
        kept = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "sparse_ok": True}
        with warnings.catch_warnings(action="ignore"):
            file.open(driver="GTiff", width=20_000, height=20_000, count=3, dtype="uint8", **kept).close()
        page.file_uploader[0].set_value(("city.tif", file.read(), "image/tiff")).run()
    assert not page.exception
    assert [as_read(error.value) for error in page.error] == [
        f"city.tif has 400 megapixels; this page takes 16: {datasets.ELSEWHERE}"
    ]
    assert "Your images" in datasets.ELSEWHERE


def test_an_upload_stays_while_a_shipped_scene_is_shown(view: View, viewer_payloads: list[dict[str, Any]]) -> None:
    page = view("compare", **{"from": "upload"})
    picture = io.BytesIO()
    Image.new("RGB", (4, 2)).save(picture, "PNG")
    page.file_uploader[0].set_value(("roof.png", picture.getvalue(), "image/png")).run()
    shown = viewer_payloads[-1]
    page.segmented_control(key="from").set_value("scene").run()
    assert viewer_payloads[-1] != shown
    page.segmented_control(key="from").set_value("upload").run()
    assert viewer_payloads[-1] == shown
    assert "roof.png is still here" in words(page)


def test_a_removed_upload_is_gone(view: View) -> None:
    page = view("compare", **{"from": "upload"})
    picture = io.BytesIO()
    Image.new("RGB", (4, 2)).save(picture, "PNG")
    page.file_uploader[0].set_value(("roof.png", picture.getvalue(), "image/png")).run()
    page.file_uploader[0].set_value([]).run()
    assert "No image yet" in words(page)


@pytest.mark.usefixtures("viewer_payloads")
def test_the_teacher_is_no_student_of_its_own(view: View) -> None:
    page = view("compare", students=["teacher", "student"])
    assert page.multiselect(key="students").options == ["student (U-Net 4)", "student-control (U-Net 4)"]
    assert page.multiselect(key="students").value == ["student"]


def test_the_real_viewer_mounts(view: View) -> None:
    page = view(
        "compare", view="disagreement", opacity="80", hidden="2", layout="swipe", pair="1.2", at="250.500.4000",
        split="250", cell="truth.0.2", confusion="1.truth",
    )  # fmt: skip
    assert not page.exception
    assert page.session_state["viewer_initial"] == {
        "link": 1,
        "layer": "disagreement",
        "layout": "swipe",
        "colours": "safe",
        "opacity": 80,
        "hidden": [2],
        "a": 1,
        "b": 2,
        "camera": {"x": 0.25, "y": 0.5, "zoom": 4},
        "split": 0.25,
        "cell": {"against": "truth", "wanted": 0, "found": 2},
        "pair": "1.truth",
    }


def test_the_browser_can_fetch_the_shares_as_long_as_the_session_shows_them(view: View) -> None:
    page = view("compare")
    offer = page.session_state["viewer_offer"]
    shares = DEFERRED.get(offer.token, visitor=None)
    assert shares is not None
    assert shares.startswith(offer.identity.encode())
    page.run()
    assert page.session_state["viewer_offer"] is offer
    token, other = offer.token, view("compare", scene="scene_02")
    assert other.session_state["viewer_offer"].token != token
    del page, offer
    gc.collect()
    assert DEFERRED.get(token, visitor=None) is None


def test_a_link_with_nonsense_leaves_the_viewer_as_it_is(view: View) -> None:
    page = view(
        "compare", view="x", layout="-", opacity="high", hidden="2,3", pair="1", at="0.5", region="1.2.3",
        split="0.5", cell="student.0.1", confusion="truth",
    )  # fmt: skip
    assert not page.exception
    assert page.session_state["viewer_initial"] == {"colours": "safe", "link": 1}
