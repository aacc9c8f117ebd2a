"""The viewer for everybody: what can be saved, touch, full screen, phones, contrast, names of controls."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.serving import CHROMIUM
from benchmarks.viewer_page import COLOURS, DARK, World, last_report, open_viewer
from tests.e2e.test_viewer import assert_shows, canvas

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here")]

# In the order of the page, by number: what can be pressed, chosen or moved, and is shown.
CONTROLS = """() => {
    const kinds = 'button, input, select, summary, [role=slider], .frame > canvas, [tabindex="0"]';
    const shown = [...document.querySelectorAll('.viewer')].flatMap((viewer) => [...viewer.querySelectorAll(kinds)])
        .filter((node) => node.checkVisibility() && !node.disabled);
    shown.forEach((node, at) => { node.dataset.control = at; });
    return shown.map((node, at) => `${at}`);
}"""
FOCUSED = """() => {
    const node = document.activeElement;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(node);
    return [node.dataset.control || node.outerHTML.slice(0, 80),
            (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1) || boxShadow !== 'none'];
}"""


def test_a_layer_and_the_numbers_are_saved(page: Page, world: World) -> None:
    open_viewer(page, world)
    page.get_by_text("Save", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="small: this layer, PNG").click()
    with Image.open(download.value.path()) as opened:
        assert np.array_equal(np.asarray(opened.convert("RGB")), COLOURS[world.masks[2]])
    with page.expect_download() as download:
        page.get_by_role("button", name="Numbers, CSV").click()
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    agreed = 100 * (world.masks[1] == world.masks[3]).mean()
    assert next(row for row in rows if row[0] == "Agreement")[3] == f"{agreed:.1f} %"
    with page.expect_download() as download:
        page.get_by_role("button", name="What is shown, PNG").click()
    with Image.open(download.value.path()) as opened:
        assert opened.width > 4 * 300
    clipboard = "{ writeText: async (text) => { window.copied = text; } }"
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }})")
    page.get_by_role("button", name="Copy the link to this view").click()
    expect(page.get_by_role("button", name="The link is copied")).to_be_visible()
    assert page.evaluate("window.copied") == page.url


def test_minimap_and_scale_bar_say_where_and_how_large(page: Page, world: World) -> None:
    open_viewer(page, world)
    width = canvas(page).bounding_box()["width"]
    bar = page.locator(".bar").first
    metres = float(bar.inner_text().removesuffix(" m"))
    assert bar.bounding_box()["width"] == pytest.approx(metres / 0.5 * width / world.width, abs=1)
    expect(page.locator("canvas.map")).to_be_hidden()
    page.get_by_role("button", name="Zoom in").click(click_count=4)
    page.locator("canvas.map").click(position={"x": 5, "y": 5})
    camera = last_report(page)["camera"]
    assert camera["x"] == pytest.approx(0.5 / camera["zoom"], abs=0.01)
    assert_shows(page, world, [0, 1, 2, 3], camera)


def test_two_fingers_zoom(chromium: Browser, world: World) -> None:
    page = chromium.new_context(viewport={"width": 800, "height": 900}, has_touch=True).new_page()
    open_viewer(page, world)
    box = canvas(page).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, apart: float) -> None:
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}] if apart else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 30)
    for apart in (40, 50, 60):
        fingers("touchMove", apart)
    fingers("touchEnd", 0)
    camera = last_report(page)["camera"]
    assert camera["zoom"] == pytest.approx(2, rel=0.1)
    assert camera["x"] == pytest.approx(0.5, abs=0.05)
    page.context.close()


def test_it_fills_the_screen_and_comes_back(page: Page, world: World) -> None:
    open_viewer(page, world, layout="swipe")
    before = canvas(page).bounding_box()["width"]
    button = page.get_by_role("button", name="Full screen")
    button.click()
    page.wait_for_function("document.fullscreenElement !== null")
    expect(page.locator(".viewer")).to_have_attribute("data-full", "true")
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    expect(page.locator(".viewer")).to_have_attribute("data-full", "false")
    assert canvas(page).bounding_box()["width"] == pytest.approx(before, abs=2)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(page: Page, world: World, theme: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_viewer(page, world, **({"theme": DARK} if theme == "dark" else {}))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for layout in ("Swipe", "Overlay", "Blink", "Side by side"):
        page.get_by_role("button", name=layout).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, layout
    assert canvas(page).bounding_box()["width"] > 150


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(page: Page, world: World, theme: str) -> None:
    open_viewer(page, world, **({"theme": DARK} if theme == "dark" else {}))
    script = """() => {
      const light = (text) => {
        const context = document.createElement('canvas').getContext('2d');
        context.fillStyle = text;
        context.fillRect(0, 0, 1, 1);
        const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((value) => linear(value / 255));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const behind = light(getComputedStyle(document.body).backgroundColor);
      const unpressed = '.group button:not([aria-pressed="true"])';
      const words = ['.hint', 'figcaption strong', 'caption', '.only', 'td', unpressed];
      return words.map((selector) => {
        const own = light(getComputedStyle(document.querySelector(selector)).color);
        return [selector, (Math.max(own, behind) + 0.05) / (Math.min(own, behind) + 0.05)];
      });
    }"""
    for selector, contrast in page.evaluate(script):
        assert contrast >= 4.5, selector


def test_every_control_has_a_name_and_tab_reaches_it_with_a_visible_mark(page: Page, world: World) -> None:
    for layout in ("side", "swipe", "blink"):
        open_viewer(page, world, layout=layout)
        wanted, reached = page.evaluate(CONTROLS), []
        for _ in wanted:
            page.keyboard.press("Tab")
            reached.append(page.evaluate(FOCUSED))
        assert [name for name, _ in reached] == wanted
        assert [name for name, marked in reached if not marked] == []
        script = """() => [...document.querySelectorAll('button, canvas, input, select, summary, [role=slider], svg')]
            .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim()))
            .map((node) => node.outerHTML)"""
        assert page.evaluate(script) == []
