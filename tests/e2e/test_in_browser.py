"""The exported student in a real browser: its mask is the server's, nothing is uploaded, its speed is told."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, Request

from app.services import exports, inference, palettes
from benchmarks.serving import ROOT
from core import paths
from core.data.datasets.dubai import AERIAL

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_MS = 240_000
SAME = 0.995
ARTEFACTS = ROOT / "artefacts"


@pytest.fixture
def page(app: tuple[Browser, str]) -> Iterator[Page]:
    if not exports.runtime_is_there():
        pytest.skip("ONNX Runtime Web is not here: make web fetches it (it needs npm)")
    chromium, address = app
    opened = chromium.new_page(viewport={"width": 1400, "height": 1000})
    opened.set_default_timeout(PATIENCE_MS)
    opened.goto(f"{address}/browser")
    yield opened
    opened.screenshot(path=ARTEFACTS / "in-browser.png")
    opened.close()


def state(page: Page, wanted: str) -> None:
    page.locator(f'.in-browser[data-state="{wanted}"]').wait_for()


def mask_in_the_page(page: Page, picture: Path) -> NDArray[np.uint8]:
    """What a visitor would download, in the colours that a page opens with, as class indices (H, W)."""
    page.locator(".in-browser input[type=file]").set_input_files(picture)
    with Image.open(picture) as opened:
        width, height = opened.size
    page.get_by_text(re.compile(rf"^{width} × {height} pixels in .*Nothing was uploaded")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download mask").click()
    colours = np.asarray(Image.open(BytesIO(Path(download.value.path()).read_bytes())).convert("RGB")).astype(int)
    shown = [entry["safe"] for entry in palettes.entries(list(zip(AERIAL.names, AERIAL.colours, strict=True)))]
    distances = [np.abs(colours - colour).sum(axis=2) for colour in shown[: AERIAL.outputs]]
    assert np.min(distances, axis=0).max() == 0
    return np.argmin(distances, axis=0).astype(np.uint8)


def as_png(scene: NDArray[np.uint8], file: Path) -> Path:
    """Without loss, so that both sides decode the same pixels."""
    Image.fromarray(scene).save(file)
    return file


def test_the_mask_is_the_servers_and_nothing_is_uploaded(page: Page, tmp_path: Path) -> None:
    state(page, "ready")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method != "GET" else None)
    with Image.open(paths.SAMPLES / "images" / "scene_01.jpg") as opened:
        scene = np.asarray(opened.convert("RGB"))
    student = inference.load("student")
    for name, image in (("odd", scene[:517, :773]), ("whole", scene), ("wide", np.tile(scene, (1, 2, 1))[:600])):
        found = mask_in_the_page(page, as_png(np.ascontiguousarray(image), tmp_path / f"{name}.png"))
        expected = inference.predict_planes(student, np.ascontiguousarray(image)).mask
        assert found.shape == expected.shape
        assert len(np.unique(expected)) >= 3
        assert (found == expected).mean() >= SAME, name
    assert sent == []
    assert page.evaluate("self.crossOriginIsolated")
    page.get_by_text(re.compile(r"WebAssembly, \d+ threads?|WebGPU")).first.wait_for()
    page.get_by_text("Server, ONNX Runtime").wait_for()
    assert float(page.locator(".in-browser").get_attribute("data-latency") or 0) > 0
    tell_what_is_wrong(page, tmp_path)


def tell_what_is_wrong(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    page.locator(".in-browser input[type=file]").set_input_files(broken)
    page.get_by_text("is no picture that this browser can read").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    page.screenshot(path=ARTEFACTS / "in-browser-phone.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
