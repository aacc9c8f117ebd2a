"""The tour through the real pages: five steps, each with a link of its own; and Back of the browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.components.tour import STEPS
from benchmarks.serving import CHROMIUM, settled
from core import paths

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here"),
    pytest.mark.skipif(not (paths.CHECKPOINTS / "student.json").is_file(), reason="the checkpoints are not here"),
]

PATIENCE_MS = 300_000
SIGNS = (
    ".viewer[data-ready]",
    ".divider[role=slider]",
    'button[aria-pressed=true]:has-text("Disagreement")',
    "text=Costs less",
    'button:has-text("Launch")',
)
"""What shows that each step is in the state that it tells of."""


def opened(app: tuple[Browser, str], link: str) -> Page:
    chromium, address = app
    page = chromium.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(address + link)
    return page


def assert_step(page: Page, at: int) -> None:
    """The page tells of this step, is in its state, and says so in its link."""
    page.get_by_text(f"{at + 1} of {len(STEPS)} · {STEPS[at].title}").wait_for()
    page.locator(SIGNS[at]).first.wait_for()
    expect(page).to_have_url(re.compile(rf"[?&]tour={at + 1}(&|$)"))


def test_each_step_leads_to_the_next_and_has_a_link_of_its_own(app: tuple[Browser, str]) -> None:
    page = opened(app, "/?scene=scene_02&layout=overlay&view=entropy")
    page.locator(SIGNS[0]).wait_for()
    settled(page).get_by_role("button", name="Tour of two minutes").click()
    links = []
    for at in range(len(STEPS)):
        assert_step(page, at)
        links.append(page.url)
        if at + 1 < len(STEPS):
            settled(page).get_by_role("button", name="Next").click()
    expect(page.get_by_role("button", name="Next")).to_have_count(0)
    settled(page).get_by_role("button", name="Back", exact=True).click()
    assert_step(page, 3)
    page.goto(links[1])
    assert_step(page, 1)
    picture, bar = page.locator(".frame > canvas").bounding_box(), page.locator(".st-key-tour").bounding_box()
    assert picture is not None
    assert bar is not None
    assert picture["y"] + picture["height"] <= bar["y"]
    assert bar["y"] + bar["height"] <= 720
    settled(page).get_by_role("button", name="Leave").click()
    expect(page.locator(".st-key-tour")).to_have_count(0)
    assert "tour=" not in page.url
    page.context.close()


def test_a_presenter_has_no_sidebar_until_they_leave(app: tuple[Browser, str]) -> None:
    page = opened(app, "/cost?tour=4&present=1")
    assert_step(page, 3)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    settled(page).get_by_role("button", name="Back", exact=True).click()
    assert_step(page, 2)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    assert "present=1" in page.url
    settled(page).get_by_role("button", name="Leave").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    assert "present=" not in page.url
    page.context.close()


def test_one_press_of_back_leads_to_the_page_before(app: tuple[Browser, str]) -> None:
    page = opened(app, "/cost")
    page.get_by_text("Costs less").first.wait_for()
    settled(page).get_by_role("link", name="Gallery").click()
    page.get_by_role("button", name="Compare on").wait_for()
    page.wait_for_url("**/gallery?set=*")
    page.go_back()
    page.get_by_role("heading", name="Cost").wait_for()
    assert page.url.endswith("/cost"), page.url
    page.go_forward()
    page.get_by_role("heading", name="Gallery").wait_for()
    page.context.close()
