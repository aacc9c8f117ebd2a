"""The tour: every step names a page of the app, and its link goes before what the page held."""

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.components.tour import STEPS
from core.paths import ROOT
from tests.ui.conftest import World, words

View = Callable[..., AppTest]


def _tour() -> None:
    import streamlit as st

    from app.components.guard import page
    from app.components.tour import tour

    def main() -> None:
        st.title("A page")
        st.checkbox("Of the page", key="of the page")

    tour()
    page(main)


def at(**query: str) -> AppTest:
    page = AppTest.from_function(_tour, default_timeout=60)
    page.query_params.update(query)
    page.run()
    assert not page.exception
    return page


def keys(page: AppTest) -> set[str | None]:
    return {button.key for button in page.button}


def test_every_step_is_a_page_of_the_app() -> None:
    shell = (ROOT / "app" / "shell.py").read_text(encoding="utf-8")
    assert {step.page for step in STEPS} <= set(re.findall(r'st\.Page\("([^"]+)"', shell))


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_a_step_tells_where_it_is_and_leads_on(world: World, number: int) -> None:
    page = at(tour=str(number))
    assert f"{number} of {len(STEPS)} · {STEPS[number - 1].title}" in words(page)
    assert ("tour_next" in keys(page)) == (number < len(STEPS))
    assert ("tour_back" in keys(page)) == (number > 1)
    if number < len(STEPS):
        page.button(key="tour_next").click().run()
        after = STEPS[number]
        assert world.switched == [(after.page, {**after.link, "tour": str(number + 1)})]


@pytest.mark.parametrize("number", ["0", "6", "-1", "two", "1.0"])
def test_what_is_no_step_draws_nothing(number: str) -> None:
    assert keys(at(tour=number)) == set()


def test_the_presenters_view_lasts_until_it_is_left() -> None:
    page = at(present="1")
    assert keys(page) == {"tour_here", "tour_leave"}
    page.query_params.clear()
    page.run()
    assert page.query_params["present"] in ("1", ["1"])
    page.button(key="tour_leave").click().run()
    assert keys(page) == set()
    assert "present" not in page.query_params


@pytest.mark.usefixtures("viewer_payloads")
def test_a_taken_link_goes_before_what_the_page_holds(view: View) -> None:
    page = view("compare", scene="scene_02", students=["student-control"])
    page.query_params.clear()
    page.session_state[state._TAKEN] = True
    page.run()
    assert page.selectbox(key="scene").value == "scene_01"
    assert page.multiselect(key="students").value == ["student"]
    page.selectbox(key="scene").set_value("scene_02").run()
    assert page.selectbox(key="scene").value == "scene_02"
