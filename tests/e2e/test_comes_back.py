"""In a real browser: own images survive a reload and a restart for their browser alone; Back brings what was before."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.serving import CHROMIUM, browser, serve, settled
from core import paths
from core.config import RunConfig

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    if not (paths.CHECKPOINTS / "student.json").is_file():
        pytest.skip("the shipped checkpoints are not here")
    with browser() as opened:
        yield opened


def new_page(chromium: Browser, state: str | None = None) -> Page:
    page = chromium.new_context(viewport={"width": 1280, "height": 720}, storage_state=state).new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return page


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_own_images_come_back_to_their_browser_alone_until_they_are_deleted(chromium: Browser, tmp_path: Path) -> None:
    state = str(tmp_path / "browser.json")
    with serve(tmp_path / "home", log=tmp_path / "first.log") as (address, _):
        page = new_page(chromium)
        page.goto(f"{address}/images")
        files = [("roof.png", png()), ("half.png", png()[:200])]
        page.locator("input[type=file]").set_input_files(
            [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
        )
        page.get_by_role("button", name="Segment 2 images").wait_for()
        settled(page).get_by_role("button", name="Segment 2 images").click()
        page.get_by_role("button", name="Mask (GeoTIFF)").wait_for()
        # Why one failed is told whole, not cut off in a cell.
        expect(page.get_by_test_id("stAlert").filter(has_text="half.png cannot be read")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="Mask (GeoTIFF)").wait_for()
        assert "terrastill_visitor" not in page.evaluate("document.cookie")
        stranger = new_page(chromium)
        stranger.goto(page.url)
        stranger.get_by_role("button", name="Segment").wait_for()
        assert "roof.png" not in stranger.locator("body").inner_text()
        page.context.storage_state(path=state)
    with serve(tmp_path / "home", log=tmp_path / "second.log") as (address, _):
        page = new_page(chromium, state)
        page.goto(f"{address}/images")
        page.get_by_role("button", name="Mask (GeoTIFF)").wait_for()
        settled(page).get_by_role("button", name="Delete my pictures now").click()
        page.get_by_text("No image yet").wait_for()
        page.reload()
        page.get_by_text("No image yet").wait_for()
        assert list((tmp_path / "home" / "uploads").iterdir()) == []


def test_back_brings_the_run_and_the_page_before(
    chromium: Browser, shared_server: tuple[str, Path], failed_run: Callable[[RunConfig, str], Path]
) -> None:
    address = shared_server[0]
    first, second = (
        failed_run(RunConfig(kind="train", name=name), "No pictures.").name for name in ("First", "Second")
    )
    page = new_page(chromium)
    page.goto(f"{address}/cost")
    page.get_by_role("heading", name="Cost").wait_for()
    page.goto(f"{address}/runs?run={first}")
    page.get_by_role("heading", name="First").wait_for()
    settled(page).get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name=f"Second · {second[-4:]}").click()
    page.get_by_role("heading", name="Second").wait_for()
    expect(page).to_have_url(f"{address}/runs?run={second}")
    page.go_back()
    page.get_by_role("heading", name="First").wait_for()
    expect(page).to_have_url(f"{address}/runs?run={first}")
    page.go_forward()
    page.get_by_role("heading", name="Second").wait_for()
    settled(page).get_by_role("link", name="Benchmark").click()
    page.get_by_role("heading", name="Benchmark").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Second").wait_for()
    page.context.close()


def test_a_menu_keeps_its_choice_on_the_next_page(chromium: Browser, shared_server: tuple[str, Path]) -> None:
    page = new_page(chromium)
    page.goto(f"{shared_server[0]}/gallery")
    page.get_by_role("heading", name="Gallery").wait_for()
    page.get_by_role("combobox", name="Teacher").wait_for()
    settled(page).get_by_role("link", name="Temperature").click()
    page.get_by_role("button", name="Distill at T").wait_for()
    assert "teacher=" not in page.url, "the usual teacher, not the first model of the menu"
    page.context.close()
