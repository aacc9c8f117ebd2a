"""What a stranger sees of Compare without scrolling: the answer, both masks and what their colours mean."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.serving import CHROMIUM, settled
from core import paths

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here"),
    pytest.mark.skipif(not (paths.CHECKPOINTS / "student.json").is_file(), reason="the checkpoints are not here"),
]

PATIENCE_MS = 400_000
_APART = 4
"""Pixels between the title's box and what stands below it, at least."""
_CUT = """() => [...document.querySelectorAll('.answer b')]
    .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)"""
DESKTOPS = [(1280, 720), (1440, 900)]
WIDTHS = [(800, 600), (1024, 600), (1024, 768), (1920, 1080), (2560, 1440), (844, 390)]
LOWEST = 480
"""Pixels of a window's height up to which the title is for screen readers alone."""
SEEN = 0.6
"""Share of both masks that is above the fold, at least."""


def opened(app: tuple[Browser, str], size: tuple[int, int], link: str = "/") -> Page:
    chromium, address = app
    width, height = size
    page = chromium.new_context(viewport={"width": width, "height": height}, has_touch=width < 500).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address + link, timeout=PATIENCE_MS)
    page.locator(".viewer[data-ready] .where").wait_for()
    expect(page.locator(".answer")).to_contain_text("agrees on", timeout=PATIENCE_MS)
    return settled(page)


def assert_seen(page: Page, found: Locator) -> None:
    """All of it, without scrolling."""
    box, size = found.bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    assert box["y"] >= 0, box
    assert box["y"] + box["height"] <= size["height"], (box, size)
    assert box["x"] + box["width"] <= size["width"] + 1, (box, size)


@pytest.mark.parametrize("size", DESKTOPS, ids=str)
def test_answer_masks_and_legend_are_seen_at_once(app: tuple[Browser, str], size: tuple[int, int]) -> None:
    page = opened(app, size)
    for part in (".answer", ".legend"):
        assert_seen(page, page.locator(part))
    for role in ("teacher", "student"):
        canvas = page.locator(f"figure[data-role={role}] .frame > canvas")
        assert_seen(page, canvas)
        box = canvas.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 280
    page.context.close()


def test_a_phone_shows_the_answer_and_the_picture(app: tuple[Browser, str]) -> None:
    page = opened(app, (390, 844))
    assert_seen(page, page.locator(".answer"))
    for role in ("teacher", "student"):
        assert_seen(page, page.locator(f"figure[data-role={role}] .frame > canvas"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Tools").click()
    expect(page.get_by_label("Opacity of the masks")).to_be_visible()
    page.context.close()


def share_seen(page: Page, role: str) -> float:
    """Of a mask's height, how much is seen without scrolling."""
    box, size = page.locator(f"figure[data-role={role}] .frame > canvas").bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    return min(1.0, (size["height"] - box["y"]) / box["height"])


@pytest.mark.parametrize("size", WIDTHS, ids=str)
def test_pictures_use_the_room_that_there_is(app: tuple[Browser, str], size: tuple[int, int]) -> None:
    """Side by side as far as they are wide enough, never wider than the window is high, and seen at once."""
    page = opened(app, size)
    assert_seen(page, page.locator(".answer"))
    assert min(share_seen(page, role) for role in ("teacher", "student")) >= SEEN
    stage = page.locator(".stage").bounding_box()
    boxes = [canvas.bounding_box() for canvas in page.locator(".frame > canvas").all()]
    assert stage is not None
    row = [box for box in boxes if box and abs(box["y"] - boxes[0]["y"]) < 2]  # type: ignore[index]
    used = sum(box["width"] for box in row) + 12 * (len(row) - 1)
    left = size[1] - boxes[0]["y"] - boxes[0]["height"]  # type: ignore[index]
    assert used == pytest.approx(stage["width"], abs=6) or left < 60, (used, stage, left)
    assert min(min(box["width"], box["height"]) for box in row) >= min(200, size[1] * 0.55)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(_CUT) == []
    title, strip = page.get_by_role("heading", name="Compare").bounding_box(), page.locator(".answer").bounding_box()
    assert title is not None
    assert strip is not None
    assert size[1] <= LOWEST or strip["y"] - (title["y"] + title["height"]) >= _APART
    page.context.close()


def test_one_student_a_test_scene_and_the_other_question(app: tuple[Browser, str]) -> None:
    page = opened(app, (1280, 720))
    expect(page.locator("figure[data-role=student]")).to_have_count(1)
    expect(page.get_by_text(re.compile("test picture of student"))).to_be_visible()
    expect(page.locator(".answer a")).to_have_count(page.locator(".answer b").count())
    page.get_by_role("button", name="What if there had been no teacher?").click()
    expect(page.locator("figure[data-role=student]")).to_have_count(2, timeout=PATIENCE_MS)
    page.context.close()
