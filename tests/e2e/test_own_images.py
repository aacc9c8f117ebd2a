"""The corpus in a real browser: hostile files are refused in words, the server stays well, good ones are mapped."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.serving import settled
from tests.corpus.everything import hostile, valid
from tests.corpus.sample import Sample

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_MS = 180_000
ONE_BY_ONE = (
    "bomb_57_bytes.png",
    "circle.tif",
    "vrt_passwd.tif",
    "drawing.png",
    "text_bomb.png",
    "too_large.jpg",
)


@pytest.fixture
def visit(app: tuple[Browser, str]) -> Iterator[tuple[Page, str]]:
    """A page, and the app's address."""
    chromium, address = app
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    yield page, address
    page.close()


def upload(page: Page, samples: list[Sample]) -> None:
    files = [{"name": sample.name, "mimeType": "image/png", "buffer": sample.data} for sample in samples]
    page.locator("input[type=file]").set_input_files(files)


def healthy(address: str) -> bool:
    with urllib.request.urlopen(f"{address}/_stcore/health", timeout=30) as answer:
        return bool(answer.read() == b"ok")


@pytest.mark.usefixtures("no_traceback")
def test_the_corpus_goes_through_the_page_and_the_server_stays_well(visit: tuple[Page, str]) -> None:
    page, address = visit
    page.goto(f"{address}/compare?from=upload")
    settled(page).get_by_role("button", name="Image and models").click()
    by_name = {sample.name: sample for sample in hostile()}
    for name in ONE_BY_ONE:
        upload(page, [by_name[name]])
        # The uploader names a file before it has it; one that follows sooner than a person could is lost.
        page.get_by_test_id("stAlert").filter(has_text=name).wait_for()
        settled(page)
        assert healthy(address)
    page.goto(f"{address}/images")
    page.get_by_role("heading", name="Your images").wait_for()
    samples = [sample for sample in (*valid()[::6], *hostile()[::6]) if sample.data]
    upload(page, samples)
    expect(page.get_by_role("button", name="Remove all")).to_be_enabled()
    settled(page).get_by_role("button", name="Segment").click()
    page.get_by_role("heading", name="Results").wait_for()
    page.get_by_text("All results (zip)").wait_for()
    settled(page)
    assert healthy(address)
    body = page.locator("body").inner_text()
    assert "Traceback" not in body
    assert "unexpected error" not in body
    expect(page.get_by_role("button", name="Mask (GeoTIFF)")).to_be_visible()
    with page.expect_download() as told:
        page.get_by_role("button", name="Mask (PNG)").click()
    assert Path(told.value.path()).read_bytes().startswith(b"\x89PNG")
