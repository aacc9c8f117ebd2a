"""The viewer in a real browser, against the arrays that it was given. What it shows is read from its canvases."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks.serving import CHROMIUM
from benchmarks.viewer_page import (
    COLOURS,
    PINK,
    TITLES,
    World,
    last_report,
    open_viewer,
    seen,
    under,
)
from core.agreement import kappa
from core.metrics import confusion_matrix

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here")]

SPOTS = [(0.13, 0.21), (0.47, 0.66), (0.81, 0.34), (0.62, 0.9)]


def canvas(page: Page, panel: int = 0):
    return page.locator(".frame > canvas").nth(panel)


def roll(page: Page, panel: int, across: float, down: float, by: float) -> None:
    box = canvas(page, panel).bounding_box()
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    page.mouse.wheel(0, by)


def assert_shows(page: Page, world: World, panels: list[int], camera: dict[str, float]) -> None:
    for across, down in SPOTS:
        row, column = under(world, camera, across, down)
        for place, panel in enumerate(panels):
            expected = COLOURS[world.masks[panel][row, column]]
            assert seen(page, place, across, down) == tuple(expected), (TITLES[panel], across, down)


def test_panels_zoom_and_pan_in_step(page: Page, world: World) -> None:
    open_viewer(page, world)
    assert_shows(page, world, [0, 1, 2, 3], {"x": 0.5, "y": 0.5, "zoom": 1})
    roll(page, 2, 0.3, 0.3, -420)
    camera = last_report(page)["camera"]
    assert 3 < camera["zoom"] < 5
    assert_shows(page, world, [0, 1, 2, 3], camera)
    box = canvas(page, 1).bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 120)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 60, steps=3)
    page.mouse.up()
    moved = last_report(page)["camera"]
    assert moved["x"] == pytest.approx(camera["x"] + 60 / box["width"] / camera["zoom"], abs=0.003)
    assert moved["y"] > camera["y"]
    assert_shows(page, world, [0, 1, 2, 3], moved)


def test_hover_tells_what_the_arrays_hold(page: Page, world: World) -> None:
    open_viewer(page, world)
    roll(page, 0, 0.4, 0.6, -300)
    last_report(page)
    for across, down in SPOTS:
        box = canvas(page, 1).bounding_box()
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        told = page.locator(".readout").inner_text().replace("\n", " ")
        column, row = (int(number) for number in re.match(r"x (\d+), y (\d+)", told).groups())
        expected = under(world, last_report(page)["camera"], across, down)
        assert abs(row - expected[0]) <= 1
        assert abs(column - expected[1]) <= 1
        for panel, title in enumerate(TITLES):
            name = ("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled")[world.masks[panel][row, column]]
            sure = f" {round(world.confidences[panel - 1][row, column] / 2.55)} %" if panel else ""
            assert re.search(rf"{title}\s+{name}{sure}", told), told


def test_swipe_shows_one_model_on_each_side(page: Page, world: World) -> None:
    open_viewer(page, world, layout="swipe", a=1, b=3)
    whole = {"x": 0.5, "y": 0.5, "zoom": 1}
    handle = page.get_by_role("slider", name="Where the two meet")
    for split in (0.5, 0.25):
        box = canvas(page).bounding_box()
        knob = handle.bounding_box()
        page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + split * box["width"], box["y"] + 30, steps=3)
        page.mouse.up()
        page.wait_for_timeout(400)  # On a slow machine it is drawn at half resolution until it rests.
        for across, down in [*SPOTS, (split - 0.03, 0.4), (split + 0.03, 0.4)]:
            row, column = under(world, whole, across, down)
            side = 1 if across < split else 3
            assert seen(page, 0, across, down) == tuple(COLOURS[world.masks[side][row, column]])
    handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", "27")


def test_classes_are_switched_off_and_shown_alone(page: Page, world: World) -> None:
    open_viewer(page, world)
    row, column = np.argwhere(world.masks[1] == 2)[40]
    at = ((column + 0.5) / world.width, (row + 0.5) / world.height)
    assert seen(page, 1, *at) == tuple(COLOURS[2])
    page.get_by_role("button", name="Road", exact=True).click()
    assert seen(page, 1, *at) == (90, 90, 90)
    page.get_by_role("button", name="Show only Road").click()
    assert seen(page, 1, *at) == tuple(COLOURS[2])
    assert last_report(page)["hidden"] == [0, 1, 3, 4, 5]
    page.get_by_role("button", name="Show only Road").click()
    assert last_report(page)["hidden"] == []


def test_a_cell_of_the_confusion_matrix_shows_its_pixels(page: Page, world: World) -> None:
    open_viewer(page, world)
    counts = confusion_matrix(world.masks[2], world.masks[0], 6)
    np.fill_diagonal(counts, 0)
    wanted, found = np.unravel_index(counts[:5].argmax(), (5, 6))
    page.locator(f'[data-cell="{wanted}.{found}"]').click()
    expect(page.locator(f'[data-cell="{wanted}.{found}"]')).to_have_attribute("aria-pressed", "true")
    cell = (world.masks[0] == wanted) & (world.masks[2] == found)
    for row, column in [*np.argwhere(cell)[::97], *np.argwhere(~cell)[::977]]:
        at = ((column + 0.5) / world.width, (row + 0.5) / world.height)
        assert (seen(page, 2, *at) == PINK) == cell[row, column]


def test_numbers_are_those_of_the_region_drawn(page: Page, world: World) -> None:
    open_viewer(page, world)
    box = canvas(page).bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    part = last_report(page)["region"]
    expect(page.locator(".where")).to_contain_text(f"Region of {part['width']} × {part['height']} pixels")
    cut = (slice(part["y"], part["y"] + part["height"]), slice(part["x"], part["x"] + part["width"]))
    teacher, student = world.masks[1][cut], world.masks[2][cut]
    cells = page.locator(".numbers tr", has_text="Agreement").locator("td")
    expect(cells.nth(1)).to_have_text(f"{100 * (teacher == student).mean():.1f} %")
    chance = page.locator(".numbers tr", has_text="Cohen").locator("td")
    expect(chance.nth(1)).to_have_text(f"{kappa(confusion_matrix(student, teacher, 6)):.3f}")


def test_everything_is_done_by_keyboard(page: Page, world: World) -> None:
    open_viewer(page, world)
    canvas(page).focus()
    for key in ("+", "+", "ArrowRight", "ArrowDown", "3", "[", "r"):
        page.keyboard.press(key)
    told = last_report(page)
    assert told["camera"]["zoom"] == pytest.approx(2.25)
    assert told["camera"]["x"] > 0.5
    assert told["camera"]["y"] > 0.5
    assert (told["hidden"], told["opacity"]) == ([2], 90)
    assert told["region"]["width"] == pytest.approx(world.width / 2.25, abs=2)
    page.keyboard.press("0")
    page.keyboard.press("Escape")
    told = last_report(page)
    assert (told["camera"]["zoom"], told["region"]) == (1, None)
    overlay = page.get_by_role("button", name="Overlay")
    overlay.focus()
    page.keyboard.press("Enter")
    expect(overlay).to_be_focused()
    expect(page.locator(".frame > canvas")).to_have_count(1)
    canvas(page).focus()
    page.keyboard.press(" ")
    assert [last_report(page)[side] for side in "ab"] == [2, 1]


def test_blinking_alternates_and_stops(page: Page, world: World) -> None:
    open_viewer(page, world, layout="blink", a=1, b=3)
    row, column = np.argwhere(world.masks[1] != world.masks[3])[0]
    at = ((column + 0.5) / world.width, (row + 0.5) / world.height)
    both = {tuple(COLOURS[world.masks[panel][row, column]]) for panel in (1, 3)}
    found = set()
    for _ in range(40):
        found.add(seen(page, 0, *at))
        page.wait_for_timeout(100)
        if found == both:
            break
    assert found == both
    page.get_by_role("button", name="Pause").click()
    stopped = seen(page, 0, *at)
    page.wait_for_timeout(1700)
    assert seen(page, 0, *at) == stopped
