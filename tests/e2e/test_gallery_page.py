"""The gallery in the real app: cards come one by one, it can be stopped, and the picture itself opens the viewer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.serving import CHROMIUM, browser, serve, settled
from core import paths

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here"),
    pytest.mark.skipif(not (paths.CHECKPOINTS / "student.json").is_file(), reason="the checkpoints are not here"),
]

PATIENCE_MS = 240_000


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[Browser, str]]:
    """A server of its own: what another test compared would be there at once."""
    with serve(tmp_path / "home", log=tmp_path / "server.log", speeds=True) as (address, _), browser() as chromium:
        yield chromium, address


def test_cards_come_as_they_are_ready_and_the_picture_opens_the_viewer(app: tuple[Browser, str]) -> None:
    chromium, address = app
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/gallery?set=samples", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Compare on 12 images").click()
    cards = page.locator("[class*='st-key-card_']")
    cards.first.locator("img").wait_for()
    early = cards.count()
    assert early < 12, "the first card waits for the others"
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Stopped after")).to_be_visible(timeout=PATIENCE_MS)
    settled(page)
    kept = cards.count()
    assert early <= kept < 12
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("12 images, the models agree on").wait_for()
    expect(cards).to_have_count(12, timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    settled(page)
    unlike = [float(text.split(" %")[0].split()[-1]) for text in cards.all_inner_texts()]
    assert unlike == sorted(unlike, reverse=True)
    name = cards.first.locator("strong").inner_text()
    picture = cards.first.locator("img").bounding_box()
    page.mouse.click(picture["x"] + picture["width"] / 2, picture["y"] + picture["height"] / 3)
    page.wait_for_url(lambda url: "picture=scene_" in url and "view=disagreement" in url)
    page.locator(".viewer[data-ready] .where").wait_for()
    assert name.removeprefix("Scene ").zfill(2) in page.url.split("picture=scene_")[1][:3]
    page.context.close()
