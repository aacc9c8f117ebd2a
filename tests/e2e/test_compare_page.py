"""Compare in the real app: a link brings back all that was on the screen, in the dark and on a phone as well."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.serving import CHROMIUM, ROOT
from core import paths

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here"),
    pytest.mark.skipif(not (paths.CHECKPOINTS / "student.json").is_file(), reason="the checkpoints are not here"),
]

PATIENCE_MS = 240_000
ARTEFACTS = ROOT / "artefacts"
_CUT = """() => [...document.querySelectorAll('[role=radiogroup], .answer b')]
    .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => one.innerText)"""
"""Choices and figures that do not fit in their place."""


def test_a_link_brings_back_the_divider_and_the_cell(app: tuple[Browser, str]) -> None:
    page = opened(app, "/?students=student&layout=swipe", viewport={"width": 1400, "height": 1000})
    page.get_by_role("slider", name="Where the two meet").press("End")
    page.get_by_role("slider", name="Where the two meet").press("ArrowLeft")
    page.get_by_role("combobox", name="Confusion of").select_option("student against the teacher")
    cell = page.locator("[data-cell='1.0']")
    cell.click()
    page.wait_for_url(lambda url: all(f"{name}=" in url for name in ("split", "cell", "confusion")))
    page.wait_for_timeout(1500)
    link = page.url
    page.context.close()
    again = opened(app, link.removeprefix(app[1]), viewport={"width": 1400, "height": 1000})
    expect(again.get_by_role("slider", name="Where the two meet")).to_have_attribute("aria-valuenow", "98")
    expect(again.get_by_role("combobox", name="Confusion of")).to_have_value("1.teacher")
    expect(again.locator("[data-cell='1.0']")).to_have_attribute("aria-pressed", "true")
    expect(again.locator(".hint")).to_contain_text("Land in the teacher, Building in the model")
    again.screenshot(path=ARTEFACTS / "compare-cell.png", full_page=True)
    again.context.close()


def test_the_page_is_found_by_its_name_too(app: tuple[Browser, str]) -> None:
    page = opened(app, "/compare?students=student-2", viewport={"width": 1400, "height": 1000})
    expect(page.locator(".viewer[data-ready] figure").filter(has_text="student-2")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    page.context.close()


def test_classes_are_there_when_the_shares_fail_and_a_second_try_brings_them(app: tuple[Browser, str]) -> None:
    chromium, address = app
    page = chromium.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.route("**/deferred/*", lambda route: route.abort())
    page.goto(f"{address}/?students=student", timeout=PATIENCE_MS)
    page.locator(".viewer[data-ready] .where").wait_for()
    page.locator(".frame > canvas").nth(1).hover()
    expect(page.locator(".readout")).to_contain_text("teacher")
    assert "%" not in page.locator(".readout").inner_text()
    assert page.locator(".reliability").count() == 0
    page.get_by_role("button", name="Entropy").click()
    expect(page.locator(".hint")).to_contain_text("press the layer once more")
    page.unroute("**/deferred/*")
    page.get_by_role("button", name="Entropy").click()
    expect(page.locator(".hint")).to_contain_text("How undecided")
    page.locator(".frame > canvas").nth(1).hover()
    expect(page.locator(".readout")).to_contain_text("%")
    page.context.close()


def opened(app: tuple[Browser, str], link: str, **context: object) -> Page:
    chromium, address = app
    page = chromium.new_context(**context).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address + link, timeout=PATIENCE_MS)
    page.locator(".viewer[data-ready] .where").wait_for()
    return page


def test_a_link_brings_everything_back(app: tuple[Browser, str]) -> None:
    page = opened(app, "/?scene=scene_02&students=student", viewport={"width": 1400, "height": 1000})
    page.get_by_role("button", name="Swipe").click()
    page.get_by_role("button", name="Entropy").click()
    page.get_by_role("button", name="Road", exact=True).click()
    page.get_by_role("combobox", name="Left").select_option("Known mask")
    page.locator(".frame > canvas").focus()
    for key in ("+", "+", "ArrowRight", "r"):
        page.keyboard.press(key)
    where = page.locator(".where")
    expect(where).to_contain_text("Region of")
    page.wait_for_url(
        lambda url: all(f"{name}=" in url for name in ("layout", "view", "hidden", "pair", "region", "at"))
    )
    page.wait_for_timeout(1500)
    told, link = where.inner_text().splitlines()[0], page.url
    page.screenshot(path=ARTEFACTS / "compare-link.png")
    page.context.close()
    again = opened(app, link.removeprefix(app[1]), viewport={"width": 1400, "height": 1000}, color_scheme="dark")
    expect(again.locator(".where")).to_contain_text(told)
    expect(again.get_by_role("button", name="Swipe")).to_have_attribute("aria-pressed", "true")
    expect(again.get_by_role("button", name="Entropy")).to_have_attribute("aria-pressed", "true")
    expect(again.get_by_role("button", name="Road", exact=True)).to_have_attribute("aria-pressed", "false")
    expect(again.get_by_role("combobox", name="Left")).to_have_value("0")
    dark = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    assert max(int(part) for part in again.evaluate(dark).strip("rgb()").split(",")) < 60
    again.screenshot(path=ARTEFACTS / "compare-dark.png", full_page=True)
    again.context.close()


@pytest.mark.parametrize("view", ["", "gallery", "temperature"])
def test_pages_fit_a_phone(app: tuple[Browser, str], view: str) -> None:
    chromium, address = app
    page = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/{view}", timeout=PATIENCE_MS)
    if view == "gallery":
        page.get_by_role("button", name="Compare on 12 images").wait_for()
    else:
        page.locator(".temperature[data-ready]" if view else ".viewer[data-ready] .where").wait_for()
    page.wait_for_timeout(1000)
    page.screenshot(path=ARTEFACTS / f"phone-{view or 'compare'}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(_CUT) == []
    page.context.close()
