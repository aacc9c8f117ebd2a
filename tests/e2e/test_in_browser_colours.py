"""The page that segments in the browser, without a server: its colours follow the switch, and bands reach the model."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page

from app import web_modules
from app.services import exports, palettes
from benchmarks.serving import CHROMIUM
from benchmarks.viewer_page import ALONE, CLASSES, open_alone
from core.band_set import BandSet
from core.image import read_bands
from core.infer.predict import predict
from core.normalise import Normaliser
from tests.ui.test_browser_bands import Convolution, values
from tests.unit.banded import NAMES, TYPICAL, write_bands

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
_DATA = {"id": "a", "title": "a", "size": "1 MB", "sample": "", "server": []}


def test_the_switch_changes_the_screen_and_the_download(page: Page) -> None:
    open_alone(page, _PAGE.replace("MODULE", web_modules.address("in_browser/in_browser.mjs")))
    engine = f"{ALONE}/{web_modules.address('in_browser/engine.mjs')}"
    page.route(engine, lambda route: route.fulfill(body=_ENGINE, content_type="text/javascript"))
    page.reload()
    page.wait_for_function("() => window.show")
    classes = palettes.entries(CLASSES)[:5]
    data = {**_DATA, "runtime": "http://localhost/", "model": "", "classes": classes}
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


@pytest.mark.skipif(not exports.runtime_is_there(), reason="ONNX Runtime Web is not here: make web fetches it")
def test_the_mask_of_other_bands_than_colours_is_the_servers(page: Page, tmp_path: Path) -> None:
    """A GeoTIFF of four bands in 16 bits, through the page's own engine and ONNX Runtime Web, in several windows."""
    torch.manual_seed(0)
    model, bands, typical = Convolution().eval(), BandSet(NAMES, "uint16"), TYPICAL["uint16"]
    mean, std = [0.5 * typical] * 4, [0.2 * typical] * 4
    path = write_bands(tmp_path / "a.tif", values("uint16"), compress="DEFLATE", predictor=2)
    normaliser = Normaliser.of(mean, std, "cpu", bands=bands)
    expected = predict(model, read_bands(path, bands), normaliser=normaliser).mask
    open_alone(page, _PAGE.replace("MODULE", web_modules.address("in_browser/in_browser.mjs")))
    page.route(
        f"{ALONE}/runtime/*", lambda route: route.fulfill(path=exports.RUNTIME / route.request.url.split("/")[-1])
    )
    page.wait_for_function("() => window.show")
    data = {**_DATA, "runtime": f"{ALONE}/runtime/", "classes": palettes.entries(CLASSES)[:5], "palette": "safe",
            "model": base64.b64encode(model.to_onnx("uint16", mean, std)).decode(), "window": 64, "margin": 16,
            "bands": {"names": bands.names, "depth": bands.depth, "shown": bands.colours}}  # fmt: skip
    page.evaluate(f"show({json.dumps(data)})")
    page.locator(".in-browser[data-state=ready]").wait_for()
    page.get_by_text("a GeoTIFF with red, green, blue, near infrared (uint16)").wait_for()
    page.locator("input[type=file]").set_input_files(path)
    page.locator(".in-browser[data-state=done]").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download mask").click()
    with Image.open(download.value.path()) as picture:
        found = np.asarray(picture.convert("RGB")).astype(int)
    colours = np.array([colour for _, colour in palettes.painted(CLASSES, "safe")[:5]])
    assert len(np.unique(expected)) == 5
    assert (np.abs(found[..., None, :] - colours).sum(axis=3).argmin(axis=2) == expected).mean() > 0.999
