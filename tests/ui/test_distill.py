"""The launch page: empty, filled, refused, launched, failed."""

from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.services import datasets, launch
from app.services.run_settings import PRESETS
from core.errors import PairError
from tests.ui.conftest import World, held, make_model, words

View = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _checks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are checked by the real rules of core.config; what needs a model on disk is left out."""

    def check(request: launch.Request, *_: object) -> launch.Check:
        warnings = ["The student is not smaller than its teacher."] if held(request, "base") >= (48,) else []
        return launch.Check(launch.problems(request), warnings)

    def queue(request: launch.Request, _: object) -> str:
        world.launched.append(request)
        return "20261123-101500-ab12"

    monkeypatch.setattr(launch, "check", check)
    monkeypatch.setattr(launch, "launch", queue)


def launch_button(page: AppTest) -> Any:
    return page.button(key="launch")


def test_without_models_it_says_how_to_get_a_teacher(view: View, world: World) -> None:
    world.models.clear()
    page = view("distill")
    assert not page.exception
    assert "No teacher yet" in words(page)
    assert len(page.button) == 0


def test_size_and_time_are_known_before_launch(view: View) -> None:
    page = view("distill")
    assert not page.exception
    assert "**120 k**" in words(page)
    # 18 epochs of 256 views at 10.1 ms, teacher answers to pictures, start, validation; and as much for a control.
    assert page.metric[0].label == "Estimated time, with control"
    assert page.metric[0].value == "2 min"
    assert "Timed" not in words(page)
    assert "timed on this machine" in words(page)


def test_a_larger_student_changes_the_figures(view: View) -> None:
    page = view("distill")
    page.select_slider(key="base").set_value(16).run()
    assert "**480 k**" in words(page)


@pytest.mark.parametrize(
    ("field", "value", "range_in_words"),
    [
        ("temperature", 0.2, "0.5 to 50"),
        ("alpha", 1.5, "from 0 to 1"),
        ("epochs", 0, "1 to 10,000"),
        ("seed", -1, "0 to 2,147,483,647"),
        ("batch_size", 0, "1 to 1,024"),
        ("seeds", 6, "1 to 5"),
        ("seeds", 0, "1 to 5"),
        ("crop", 100, "multiple of 16 from 32 to 1,024"),
        ("ema", 1.0, "0 to below 1"),
        ("weight_channel_wise", 0.0, "above 0 and at most 10,000"),
    ],
)
def test_a_bad_setting_is_refused_with_its_range(
    view: View, world: World, field: str, value: float, range_in_words: str
) -> None:
    page = view("distill")
    page.number_input(key=field).set_value(value).run()
    assert not page.exception
    assert range_in_words in page.error[0].value
    assert launch_button(page).disabled
    assert world.launched == []


def test_a_student_that_saves_nothing_is_warned_of_and_may_be_launched(view: View) -> None:
    page = view("distill", base="64")
    assert "not smaller" in page.warning[0].value
    assert not launch_button(page).disabled


def test_launch_queues_starts_a_worker_and_leads_to_the_run(view: View, world: World) -> None:
    page = view("distill", temperature="3.0", alpha="0.3")
    page.toggle(key="control").set_value(False).run()
    launch_button(page).click().run()
    assert not page.exception
    assert [held(request, "temperature", "alpha", "teacher") for request in world.launched] == [(3.0, 0.3, "teacher")]
    assert not world.launched[0].control
    assert world.started == 1
    assert world.switched == [("views/runs/page.py", {"run": "20261123-101500-ab12"})]


def test_data_that_cannot_be_used_is_told_and_cannot_be_launched_on(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: dict[str, Any]) -> Any:
        raise PairError(["a: no partner.", "b: sizes differ."])

    monkeypatch.setattr(datasets, "split_summary", broken)
    page = view("distill")
    assert not page.exception
    assert launch_button(page).disabled
    assert len(page.error) == 1
    assert "a: no partner." in page.error[0].value
    assert "b: sizes differ." in page.error[0].value


def test_data_that_breaks_while_the_page_is_open_is_not_queued(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = view("distill")

    def broken(_: dict[str, Any]) -> Any:
        raise PairError(["a: no partner."])

    monkeypatch.setattr(datasets, "split_summary", broken)
    st.cache_data.clear()
    launch_button(page).click().run()
    assert not page.exception
    assert "a: no partner." in page.error[0].value
    assert world.launched == []
    assert world.started == 0


def test_a_preset_fills_the_form(view: View) -> None:
    page = view("distill")
    page.segmented_control(key="preset").set_value("full").run()
    assert not page.exception
    assert page.number_input(key="epochs").value == PRESETS["full"].train.epochs
    assert page.number_input(key="views").value == PRESETS["full"].data.views_per_epoch


def test_a_link_brings_back_the_settings(view: View, world: World) -> None:
    world.models["other"] = make_model("other")
    page = view("distill", teacher="other", epochs="33", seed="7", base="8", preset="full")
    launch_button(page).click().run()
    made = world.launched[0]
    assert held(made, "teacher", "epochs", "seed", "base") == ("other", 33, 7, 8)


def test_a_dataset_that_is_not_there_says_how_to_fetch_it(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    choices = [datasets.DatasetChoice("dubai", "Dubai", "Fetch it with `python -m core data dubai`.")]
    monkeypatch.setattr(datasets, "training_choices", lambda *_: choices)
    page = view("distill")
    assert "python -m core data dubai" in page.warning[0].value


@pytest.mark.parametrize(
    ("busy", "range_"), [(0.0, "2 min"), (0.1, "2 min"), (0.5, "50 s to 2 min"), (0.9, "10 s to 2 min")]
)
def test_an_estimate_is_a_range_where_others_keep_the_machine_busy(busy: float, range_: str) -> None:
    def script(busy: float) -> None:
        from app.components import say
        from app.components.forecast import time_figures
        from app.services.estimates import Pace

        say.caption(time_figures(50.0, Pace(256, "a CPU", 0.01, 0.0, 0.02, busy), control=True))

    page = AppTest.from_function(script, default_timeout=60, args=(busy,)).run()
    assert not page.exception
    assert page.metric[0].value == range_
    assert (f"{100 * busy:.0f} % of it busy" in words(page)) == (" to " in range_)
