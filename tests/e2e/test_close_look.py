"""A picture of 12,800 x 12,800 pixels in a real browser: an overview at first, its own pixels where one zooms in."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from playwright.sync_api import Browser, Page, expect
from rasterio.windows import Window

from benchmarks.serving import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_MS = 400_000
SIDE, BLOCK = 12_800, 1024
"""The block lies in one window, so that the model looks once. It is not compressed: a nearly empty file is refused."""
STRIPE = 4
CONTRAST = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(canvas.width / 2 - 10, canvas.height / 2 - 10, 20, 20);
    const reds = [...data].filter((_, index) => index % 4 === 0);
    return Math.max(...reds) - Math.min(...reds);
}"""


def striped(path: Path) -> Path:
    """No data but for a block in the middle, of stripes too fine for any overview of the whole."""
    rows = np.where(np.arange(BLOCK) // STRIPE % 2, 230, 30).astype(np.uint8)
    block = np.broadcast_to(rows[None, :, None], (3, BLOCK, BLOCK))
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    layout = {
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "SPARSE_OK": True,
        "nodata": 0,
    }
    place = {"crs": "EPSG:32640", "transform": rasterio.Affine(0.3, 0, 327150, 0, -0.3, 2783400)}
    with rasterio.open(path, "w", **profile, **layout, **place) as file:
        start = SIDE // 2 - BLOCK // 2
        file.write(block, window=Window(start, start, BLOCK, BLOCK))
    return path


@pytest.fixture
def page(app: tuple[Browser, str]) -> Iterator[Page]:
    chromium, address = app
    found = chromium.new_page(viewport={"width": 1400, "height": 1000})
    found.set_default_timeout(PATIENCE_MS)
    found.goto(f"{address}/images")
    yield found
    found.close()


@pytest.mark.usefixtures("no_traceback")
def test_zooming_into_a_large_picture_brings_its_own_pixels(page: Page, tmp_path: Path) -> None:
    page.locator("input[type=file]").set_input_files(striped(tmp_path / "city.tif"))
    page.get_by_text("1 image,").wait_for()
    settled(page).get_by_role("button", name="Segment").click()
    state = page.locator(".close-look .state")
    expect(state).to_have_text("Overview of 12,800 × 12,800 pixels. Zoom in for full detail.", timeout=PATIENCE_MS)
    picture = page.locator(".close-look .frame canvas").first
    before = picture.evaluate(CONTRAST)
    for _ in range(5):
        page.get_by_role("button", name="Zoom in").click()
    expect(state).to_contain_text("at full resolution", timeout=PATIENCE_MS)
    x, y, width, height = map(int, (page.locator(".close-look").get_attribute("data-detail") or "").split(","))
    assert x <= SIDE // 2 <= x + width
    assert y <= SIDE // 2 <= y + height
    assert picture.evaluate(CONTRAST) > before + 40
    place = page.locator(".close-look .bar").inner_text()
    page.get_by_role("button", name="Back to the whole picture").click()
    expect(state).to_contain_text("Overview of 12,800")
    assert place.split()[1] == "m"
    assert page.locator(".close-look .bar").inner_text() != place
