"""The page that segments in the browser, around an engine that answers at once: its colours follow the switch."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from app import web_modules
from app.services import palettes
from benchmarks.serving import CHROMIUM
from benchmarks.viewer_page import ALONE, CLASSES, open_alone

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here")]

_ENGINE = """
export class Engine {
  static async start() { return Object.assign(new Engine(), { name: "a test" }); }
  async latency() { return 1; }
  async segment({ height, width }) { return Uint8Array.from({ length: height * width }, (_, i) => i % 5); }
}"""
_PAGE = """<!doctype html><main><div class="in-browser"></div></main><script type="module">
import mount from "/MODULE";
window.show = (data) => void mount({ parentElement: document.querySelector("main"), data });
window.picture = async () => {
  const canvas = new OffscreenCanvas(10, 4);
  canvas.getContext("2d").fillRect(0, 0, 10, 4);
  return canvas.convertToBlob();
};
</script>"""


def test_the_switch_changes_the_screen_and_the_download(page: Page) -> None:
    open_alone(page, _PAGE.replace("MODULE", web_modules.address("in_browser/in_browser.mjs")))
    engine = f"{ALONE}/{web_modules.address('in_browser/engine.mjs')}"
    page.route(engine, lambda route: route.fulfill(body=_ENGINE, content_type="text/javascript"))
    page.reload()
    page.wait_for_function("() => window.show")
    classes = palettes.entries(CLASSES)[:5]
    data = {"id": "a", "title": "a", "size": "1 MB", "runtime": "http://localhost/", "model": "", "sample": "",
            "server": [], "classes": classes}  # fmt: skip
    for palette in palettes.PALETTES:
        page.evaluate(f"show({json.dumps({**data, 'palette': palette})})")
        if palette == "safe":
            page.locator(".in-browser[data-state=ready]").wait_for()
            page.locator("input[type=file]").set_input_files(
                {"name": "a.png", "mimeType": "image/png", "buffer": _black()}
            )
            page.locator(".in-browser[data-state=done]").wait_for()
        colours = np.array([colour for _, colour in palettes.painted(CLASSES, palette)[:5]])
        with page.expect_download() as download:
            page.get_by_role("button", name="Download mask").click()
        with Image.open(download.value.path()) as picture:
            np.testing.assert_array_equal(np.asarray(picture.convert("RGB"))[0], np.tile(colours, (2, 1)))
        swatches = page.locator(".swatch").evaluate_all(
            "nodes => nodes.map((node) => getComputedStyle(node).backgroundColor)"
        )
        assert swatches == [f"rgb({red}, {green}, {blue})" for red, green, blue in colours]


def _black() -> bytes:
    from core.image import encode_png

    return encode_png(np.zeros((4, 10, 3), np.uint8))
