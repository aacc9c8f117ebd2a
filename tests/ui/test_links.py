"""Links and memory: a link gives the page again, and a page that was left is found as it was."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.services import launch
from app.services.run_settings import PRESETS
from app.services.stores import open_store
from core.config import DistillConfig, ModelConfig, RunConfig
from tests.ui.conftest import World, ask, file_of, held, make_model, words

View = Callable[..., AppTest]

RUN = RunConfig(
    kind="distill", name="Tiny", model=ModelConfig("unet", {"base": 4}), distill=DistillConfig(teacher="teacher")
)


@pytest.fixture(autouse=True)
def _checks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of core, without the models on disk that a check would look up; nothing is queued."""

    def queue(request: launch.Request, _: object) -> str:
        world.launched.append(request)
        return "20261123-101500-ab12"

    monkeypatch.setattr(launch, "check", lambda request, *_: launch.Check(launch.problems(request)))
    monkeypatch.setattr(launch, "launch", queue)


def _pages(path: str) -> None:
    """A view, or another page in its place: Streamlit drops what a page does not draw."""
    import runpy

    import streamlit as st

    from app.components.guard import page

    if st.session_state.get("elsewhere"):
        page(lambda: st.title("Elsewhere"))
    else:
        runpy.run_path(path, run_name="__main__")


def visit(name: str, /, **query: str | list[str]) -> AppTest:
    page = AppTest.from_function(_pages, default_timeout=60, args=(str(file_of(name)),))
    page.query_params.update(query)
    return page.run()


def leave_and_return(page: AppTest, **query: str | list[str]) -> AppTest:
    """To another page and back, by a menu (which empties the link) or by a link that says something."""
    page.session_state["elsewhere"] = True
    page.query_params.clear()
    page.run()
    page.session_state["elsewhere"] = False
    page.query_params.clear()
    page.query_params.update(query)
    page.run()
    assert not page.exception
    return page


def query(page: AppTest, name: str) -> Any:
    value = page.query_params.get(name)
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def again(view: View, page: AppTest) -> AppTest:
    """The link of a page, opened by somebody else."""
    return view("distill", **page.query_params)


def launched(page: AppTest, world: World) -> launch.Request:
    page.button(key="launch").click().run()
    assert not page.exception
    return world.launched[-1]


def test_distill_is_found_as_it_was_left(world: World) -> None:
    world.models["other"] = make_model("other")
    page = visit("distill", teacher="other", base="8", preset="full", control="false", losses="hint:2", views="64")
    page.selectbox(key="split").set_value("leaky-patches").run()
    left = launched(page, world)
    assert held(left, "teacher", "base", "losses") == ("other", 8, {"hint": 2.0})
    assert not left.control
    page = leave_and_return(page)
    assert page.segmented_control(key="preset").value == "full"
    assert query(page, "teacher") == "other"
    assert launched(page, world) == left


@pytest.mark.usefixtures("viewer_payloads")
def test_compare_is_found_as_it_was_left() -> None:
    page = visit("compare", scene="scene_02", teacher="student", students=["student-control"])
    page.segmented_control(key="from").set_value("upload").run()
    page = leave_and_return(page)
    assert page.segmented_control(key="from").value == "upload"
    assert page.selectbox(key="teacher").value == "student"
    assert page.multiselect(key="students").value == ["student-control"]
    page.segmented_control(key="from").set_value("scene").run()
    assert page.selectbox(key="scene").value == "scene_02"


@pytest.mark.usefixtures("viewer_payloads")
def test_a_link_goes_before_what_was_left() -> None:
    page = visit("compare", teacher="student", students=["student-control"])
    page = leave_and_return(page, teacher="student-control", students=["teacher"])
    assert page.selectbox(key="teacher").value == "student-control"
    assert page.multiselect(key="students").value == ["teacher"]


def test_a_preset_by_link_is_the_preset_by_hand(view: View, world: World) -> None:
    by_hand = view("distill")
    by_hand.segmented_control(key="preset").set_value("full").run()
    settings = launched(by_hand, world)
    assert settings == ask("full")
    assert launched(again(view, by_hand), world) == settings
    assert launched(view("distill", preset="full"), world) == settings


def test_settings_in_a_link_go_before_its_preset(view: View, world: World) -> None:
    made = launched(view("distill", preset="full", epochs="33", views="512", cache_form="float16"), world)
    assert held(made, "epochs", "views_per_epoch", "cache_form", "crop") == (33, 512, "float16", 128)


def test_a_full_run_with_values_of_the_quick_one_keeps_them(view: View, world: World) -> None:
    quick = PRESETS["quick"]
    page = view("distill", preset="full")
    page.number_input(key="epochs").set_value(quick.train.epochs).run()
    # A browser writes what differs from the default of a field that binds itself; AppTest does not.
    page.query_params["epochs"] = str(quick.train.epochs)
    page.number_input(key="views").set_value(quick.data.views_per_epoch).run()
    page.selectbox(key="cache_form").set_value(held(ask(), "cache_form")[0]).run()
    made = launched(again(view, page), world)
    names = ("epochs", "views_per_epoch", "cache_form")
    assert held(made, *names) == held(ask(), *names)


def test_no_limit_of_views_survives_the_link(view: View, world: World) -> None:
    page = view("distill")
    page.number_input(key="views").set_value(None).run()
    assert query(page, "views") == "none"
    assert held(launched(again(view, page), world), "views_per_epoch") == (None,)


@pytest.mark.parametrize("text", ["", "many", "1.5", "9" * 5000, "²"])
def test_views_that_are_no_number_are_the_usual_ones(view: View, world: World, text: str) -> None:
    assert held(launched(view("distill", views=text), world), "views_per_epoch") == (256,)


def test_the_name_of_a_run_is_in_the_link(world: World) -> None:
    assert launched(visit("distill", name="Small roofs"), world).config.name == "Small roofs"


def test_the_link_of_a_run_names_it_even_when_it_is_the_newest(view: View) -> None:
    store = open_store()
    shown = store.add(RUN).id
    page = view("runs")
    assert query(page, "run") == shown
    newer = store.add(RUN).id
    assert newer != shown
    assert view("runs", **page.query_params).selectbox(key="run").value == shown


def test_a_run_that_is_gone_is_told(view: View) -> None:
    run_id = open_store().add(RUN).id
    page = view("runs", run="20260101-000000-0000")
    assert "That run is gone." in words(page)
    assert query(page, "run") == run_id
    assert "That run is gone." not in words(view("runs", run=run_id))
    assert "That run is gone." not in words(view("runs"))


@pytest.mark.usefixtures("viewer_payloads")
def test_no_student_at_all_survives_the_link(view: View) -> None:
    page = view("compare")
    page.multiselect(key="students").set_value([]).run()
    assert query(page, "students") == "none"
    assert view("compare", **page.query_params).multiselect(key="students").value == []


@pytest.mark.usefixtures("viewer_payloads")
def test_a_link_with_too_many_students_shows_the_first_three(view: View, world: World) -> None:
    names = ["student", "student-control", "third", "fourth"]
    world.models |= {name: make_model(name, identity="student@1") for name in names[2:]}
    page = view("compare", students=names)
    assert not page.exception
    assert page.multiselect(key="students").value == names[:3]


def told(page: AppTest) -> str:
    """Warnings as they are read: without the marks that keep texts from becoming markup."""
    return "\n".join(warning.value for warning in page.warning).replace("\\", "")


@pytest.mark.usefixtures("viewer_payloads")
def test_each_part_of_a_link_that_cannot_be_given_is_told_with_what_is_shown_instead(view: View) -> None:
    page = view("compare", teacher="nobody", students=["student", "ghost"], scene="scene_99")
    assert not page.exception
    assert "asks for teacher nobody, which is not here; teacher (U-Net 4) is shown instead" in told(page)
    assert "asks for ghost (students)" in told(page)
    assert "asks for scene scene_99, which is not here; Scene 1 is shown instead" in told(page)
    page.multiselect(key="students").set_value(["student-control"]).run()
    assert "ghost" not in told(page)
    assert "nobody" in told(page)
    assert told(view("compare", teacher="teacher", students=["student"], scene="scene_02")) == ""
    assert told(view("compare")) == ""


@pytest.mark.parametrize(
    ("name", "query", "sentence"),
    [
        ("distill", {"views": "many"}, "asks for views many, which is no whole number"),
        ("distill", {"preset": "gigantic"}, "gigantic, which is not here; Quick"),
        ("distill", {"losses": "telepathy:3,hint:2"}, "asks for telepathy (losses)"),
        ("distill", {"teacher": "<b>[x](http://evil)"}, "evil), which is not here"),
        ("temperature", {"t": "900"}, "asks for temperature 900; it is from"),
        ("temperature", {"window": "left"}, "names no place in the image (left)"),
        ("runs", {"run": "20260101-000000-0000"}, "That run is gone. The newest one is shown instead."),
    ],
)
def test_no_page_hides_what_it_cannot_give(view: View, name: str, query: dict[str, str], sentence: str) -> None:
    open_store().add(RUN)
    page = view(name, **query)
    assert not page.exception
    assert sentence in told(page)
    assert "http" not in told(page)


@pytest.mark.usefixtures("viewer_payloads")
def test_what_a_link_could_not_give_is_told_until_another_page_is_opened() -> None:
    page = visit("compare", teacher="nobody")
    assert "nobody" in told(page)
    assert "nobody" in told(page.run())
    assert "nobody" not in told(leave_and_return(page))


@pytest.mark.usefixtures("viewer_payloads")
def test_a_link_whose_students_are_all_gone_shows_the_usual_ones_and_says_so(view: View) -> None:
    page = view("compare", students=["ghost", "spirit"])
    assert page.multiselect(key="students").value == view("compare").multiselect(key="students").value
    assert "ghost, spirit (students), which cannot be shown here; the usual ones are shown instead" in told(page)


def test_runs_opens_what_is_running_unless_a_link_names_another(view: View) -> None:
    store = open_store()
    running = store.add(RUN).id
    newest = store.add(RUN).id
    assert view("runs").selectbox(key="run").value == newest
    claimed = store.claim("here-1", ["cpu"])
    assert claimed is not None
    assert claimed.id == running
    assert view("runs").selectbox(key="run").value == running
    assert view("runs", run=newest).selectbox(key="run").value == newest
    assert "The running one is shown instead." in told(view("runs", run="20260101-000000-0000"))


@pytest.mark.usefixtures("viewer_payloads")
def test_back_brings_the_state_before(monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit("compare", scene="scene_02", students=["student-control"])
    page.selectbox(key="scene").set_value("scene_01").run()
    page.multiselect(key="students").set_value(["student"]).run()
    monkeypatch.setattr(state, "went_back", lambda: True)
    page.query_params.clear()
    page.query_params.update({"scene": "scene_02", "students": ["student-control"]})
    page.run()
    assert page.selectbox(key="scene").value == "scene_02"
    assert page.multiselect(key="students").value == ["student-control"]
    page.query_params.clear()
    page.run()
    assert page.selectbox(key="scene").value == "scene_01"
