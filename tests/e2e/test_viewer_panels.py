"""What opens over the viewer: nothing is cut off, Escape ends the innermost first, values stand at the pointer."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.serving import CHROMIUM
from benchmarks.viewer_page import World, open_viewer
from tests.e2e.test_viewer import canvas

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here")]

SIZES = [(390, 844), (700, 800), (1280, 720), (1920, 1080)]
CLASSES = ("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled")


def assert_inside(page: Page, found: Locator) -> None:
    box, size = found.bounding_box(), page.viewport_size
    assert box["x"] >= 0, box
    assert box["y"] >= 0, box
    assert box["x"] + box["width"] <= size["width"], box
    assert box["y"] + box["height"] <= size["height"], box


def pictures(page: Page) -> list[float]:
    """How wide the picture is in each panel, in CSS pixels."""
    script = """() => [...document.querySelectorAll('.frame > canvas')].map((canvas) =>
        Math.min(canvas.clientWidth, canvas.clientHeight * 128 / 96))"""
    return list(page.evaluate(script))


@pytest.mark.parametrize("size", SIZES)
def test_menus_are_whole_and_escape_gives_the_focus_back(page: Page, world: World, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_viewer(page, world)
    for name in ("Save", "Keys"):
        opener = page.get_by_role("button", name=name, exact=True)
        opener.click()
        panel = page.locator(".panel:popover-open")
        assert_inside(page, panel)
        expect(opener).to_have_attribute("aria-expanded", "true")
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
        expect(opener).to_be_focused()
    opener.click()
    page.locator(".where").click()
    expect(page.locator(".panel:popover-open")).to_have_count(0)


@pytest.mark.parametrize("size", SIZES)
def test_the_whole_screen_makes_every_picture_larger(page: Page, world: World, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for layout in ("side", "swipe"):
        open_viewer(page, world, layout=layout)
        before = pictures(page)
        page.get_by_role("button", name="Full screen").click()
        page.wait_for_timeout(400)
        for place, width in enumerate(pictures(page)):
            assert width >= before[place], (layout, before[place], width)
            canvas(page, place).scroll_into_view_if_needed()
            assert_inside(page, canvas(page, place))
        last = canvas(page, len(before) - 1).bounding_box()
        assert last["y"] + last["height"] > 0.9 * size[1], "the lower part of the screen is left empty"
        assert_inside(page, page.get_by_role("button", name="Full screen"))
        page.get_by_role("button", name="Full screen").click()
        page.wait_for_function("document.fullscreenElement === null")


def test_escape_ends_the_innermost_first(page: Page, world: World) -> None:
    open_viewer(page, world)
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement !== null")
    canvas(page).focus()
    for key in ("+", "r", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Save", exact=True).click()
    viewer, tip = page.locator(".viewer"), page.locator(".tip")
    page.keyboard.press("Escape")
    expect(page.locator(".panel:popover-open")).to_have_count(0)
    expect(viewer).to_have_attribute("data-full", "true")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.keyboard.press("Escape")
    expect(viewer).to_have_attribute("data-full", "true")
    page.keyboard.press("Escape")
    expect(viewer).to_have_attribute("data-full", "false")


def test_a_window_that_may_not_fill_the_screen_is_filled_instead(page: Page, world: World) -> None:
    open_viewer(page, world)
    page.evaluate(
        "() => { document.querySelector('.viewer').requestFullscreen = () => Promise.reject(new Error('no')); }"
    )
    canvas(page).focus()
    page.keyboard.press("f")
    expect(page.locator(".viewer")).to_have_attribute("data-full", "true")
    assert canvas(page, 3).bounding_box()["x"] > 600
    page.keyboard.press("Escape")
    expect(page.locator(".viewer")).to_have_attribute("data-full", "false")
    expect(canvas(page)).to_be_focused()


@pytest.mark.parametrize("size", SIZES[::2])
def test_values_stand_at_the_pointer_and_turn_at_the_edges(page: Page, world: World, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_viewer(page, world)
    tip = page.locator(".tip")
    for panel in range(4):
        canvas(page, panel).scroll_into_view_if_needed()
        box = canvas(page, panel).bounding_box()
        for across, down in ((0.02, 0.02), (0.98, 0.02), (0.5, 0.5), (0.02, 0.98), (0.98, 0.98)):
            x, y = box["x"] + across * box["width"], box["y"] + down * box["height"]
            page.mouse.move(2, 2)
            expect(tip).to_be_hidden()
            page.mouse.move(x, y)
            expect(tip).to_be_visible()
            assert_inside(page, tip)
            stands = tip.bounding_box()
            away = max(stands["x"] - x, x - stands["x"] - stands["width"], 0)
            away = max(away, stands["y"] - y, y - stands["y"] - stands["height"])
            assert 0 < away < 30
            row, column = int(down * world.height), int(across * world.width)
            told = tip.inner_text()
            for other, name in enumerate(("Known mask", "big", "small", "tiny")):
                sure = f" {round(world.confidences[other - 1][row, column] / 2.55)} %" if other else ""
                assert f"{name} {CLASSES[world.masks[other][row, column]]}{sure}" in told
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()


def test_a_tap_and_the_keyboard_tell_them_too(chromium: Browser, world: World) -> None:
    page = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    open_viewer(page, world)
    box = canvas(page, 1).bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 3, box["y"] + 3)
    tip = page.locator(".tip")
    expect(tip).to_contain_text("tiny")
    assert_inside(page, tip)
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    canvas(page).focus()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator(".readout")).to_contain_text("x 64, y 48")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator(".readout")).to_contain_text("x 61, y 48")
    expect(page.locator(".readout")).to_have_attribute("aria-live", "polite")
    expect(tip).to_contain_text("x 61, y 48")
    page.context.close()
