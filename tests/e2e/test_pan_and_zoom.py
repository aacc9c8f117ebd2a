"""Pan and zoom in a real browser: the viewer and the close look obey pointers, wheel, keys and small picture alike."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from app import web_modules
from app.services import map_views
from benchmarks.serving import CHROMIUM
from benchmarks.viewer_page import DARK, LIGHT, World, open_alone, open_viewer
from core.image import encode_webp

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here")]

SIDE = 600
_PAGE = """<!doctype html><meta name=viewport content="width=device-width"><style>body {{ {theme} }} {css}</style>
<main><div class="close-look"></div></main><script type="module">
import mount from "/{module}";
const bytes = Uint8Array.from(atob("{data}"), (letter) => letter.charCodeAt(0));
mount({{ parentElement: document.querySelector("main"), data: bytes, setStateValue: () => {{}} }});
</script>"""
_DIGEST = """async canvas => {
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return canvas.toDataURL();
}"""


def open_close_look(page: Page, theme: str) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image = np.stack([rows * 255 // SIDE, columns * 255 // SIDE, rows * 0], axis=2).astype(np.uint8)
    payload = map_views.pack(encode_webp(image), None, None, name="a", size=(SIDE, SIDE), ground=0.5)
    css = web_modules.styles("close_look/close_look.css")
    module = web_modules.address("close_look/close_look.mjs")
    data = base64.b64encode(payload).decode()
    open_alone(page, _PAGE.format(theme=theme, css=css, module=module, data=data))
    page.get_by_text(re.compile("^Overview of 600")).wait_for()


@pytest.mark.parametrize("width", [1400, 390], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("kind", ["viewer", "close look"])
def test_wheel_drag_pinch_and_keys_move_and_zero_brings_it_back(
    page: Page, world: World, kind: str, theme: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    if kind == "viewer":
        open_viewer(page, world, theme=theme)
    else:
        open_close_look(page, theme)
    canvas = page.locator(".frame > canvas:not(.map)").first
    canvas.focus()
    page.keyboard.press("0")
    # While the picture moves it may be drawn at half the resolution.
    page.wait_for_timeout(500)
    whole = canvas.evaluate(_DIGEST)
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 3
    seen = [whole]

    def moved(what: str) -> None:
        seen.append(canvas.evaluate(_DIGEST))
        assert seen[-1] != seen[-2], what

    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    moved("the wheel")
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=3)
    page.mouse.up()
    moved("a drag")
    page.keyboard.press("ArrowRight")
    moved("an arrow")
    page.keyboard.press("+")
    moved("plus")
    page.get_by_role("button", name="Zoom out").click()
    moved("a button")
    canvas.dblclick(position={"x": 30, "y": 30})
    moved("a double click")
    page.locator("canvas.map").click(position={"x": 8, "y": 8})
    moved("the small picture")
    canvas.focus()
    page.keyboard.press("0")
    moved("zero")
    page.wait_for_timeout(500)
    assert canvas.evaluate(_DIGEST) == whole
