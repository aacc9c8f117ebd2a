"""The viewer alone in a browser, on masks that are known: no server, no model. For a test and for a benchmark."""

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, Route

from app import web_modules
from app.services import overlays
from app.services.inference import Planes, Quality
from app.services.palettes import safe_colours
from core.data.datasets.dubai import AERIAL

ALONE = "http://localhost:9"
"""Where no server is: every request to it is answered by `open_alone`."""
CLASSES = tuple(zip(AERIAL.names, AERIAL.colours, strict=True))
COLOURS = np.array(safe_colours(CLASSES))
PINK = (236, 32, 96)
TITLES = ("Known mask", "big", "small", "tiny")
LIGHT = "--st-text-color:#1f2421;--st-background-color:#fcfbf8;--st-border-color:#ddd8cc;--st-primary-color:#0e7c66"
DARK = "--st-text-color:#e9e7e1;--st-background-color:#121615;--st-border-color:#343c39;--st-primary-color:#2ea88b"

_PAGE = """<!doctype html><meta name=viewport content="width=device-width"><title>Viewer</title>
<style>body {{ margin: 16px; background: var(--st-background-color); {theme};
--st-font: sans-serif; --st-base-radius: 8px; --st-secondary-background-color: #8883 }} {css}</style>
<main><div class="viewer"></div></main><script type="module">
import mount from "/{module}";
const bytes = Uint8Array.from(atob("{data}"), (letter) => letter.charCodeAt(0));
window.reports = [];
const setStateValue = (_, view) => window.reports.push(view);
mount({{ parentElement: document.querySelector("main"), data: bytes, setStateValue }});
</script>"""


@dataclass(frozen=True)
class World:
    """What the page shows: masks (H, W) by panel, the known one first, and each model's confidence."""

    masks: list[NDArray[np.uint8]]
    confidences: list[NDArray[np.uint8]]

    @property
    def height(self) -> int:
        return self.masks[0].shape[0]

    @property
    def width(self) -> int:
        return self.masks[0].shape[1]


def make_world(height: int = 96, width: int = 128) -> World:
    """Blocks of 8 pixels: a truth with unlabelled blocks, a teacher and two students, each wrong in its own places."""
    random = np.random.default_rng(11)
    truth = random.integers(0, 6, (height // 8, width // 8)).astype(np.uint8)
    masks = [truth]
    for wrong in (0.1, 0.2, 0.4):
        other = random.integers(0, 5, truth.shape)
        masks.append(np.where((random.random(truth.shape) < wrong) | (truth == 5), other, truth).astype(np.uint8))
    full = [mask.repeat(8, 0).repeat(8, 1) for mask in masks]
    sure = [random.integers(60, 256, truth.shape).astype(np.uint8).repeat(8, 0).repeat(8, 1) for _ in full[1:]]
    return World(full, sure)


def blob(world: World, **session: Any) -> bytes:
    """What the component is given; the shares come from an address that needs no server."""
    shown = [
        (title, overlays.encode(Planes(mask, sure, 255 - sure)), Quality(None, None, {}))
        for title, mask, sure in zip(TITLES[1:], world.masks[1:], world.confidences, strict=True)
    ]
    panels = overlays.panels(truth=world.masks[0], shown=shown)
    image = np.full((world.height, world.width, 3), 90, np.uint8)
    packed = overlays.pack(image, panels, classes=CLASSES, ignore_index=AERIAL.ignore_index, ground=0.5)
    address = f"data:application/octet-stream;base64,{base64.b64encode(packed.shares).decode()}"
    return overlays.frame({"shares": address, **session}) + packed.first


def open_viewer(page: Page, world: World, *, theme: str = LIGHT, **session: Any) -> None:
    """Show `world`, with masks that cover the picture unless `session` says otherwise; waits for the numbers."""
    css = web_modules.styles("viewer/viewer.css", "numbers/numbers.css")
    module = web_modules.address("viewer/viewer.mjs")
    data = base64.b64encode(blob(world, **{"opacity": 100, **session})).decode()
    open_alone(page, _PAGE.format(theme=theme, css=css, module=module, data=data))
    page.locator(".numbers .where").wait_for()
    # Where there is no room for one line of them, most tools wait behind a button.
    tools = page.get_by_role("button", name="Tools")
    if tools.is_visible():
        tools.click()


def open_alone(page: Page, html: str) -> None:
    """Show a page that may import what `web_modules.address` gives, with nothing behind it but these modules."""
    known = {f"/{web_modules.address(name)}": text for name, text in web_modules.modules().items()}

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == "/":
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif path in known:
            route.fulfill(body=known[path], content_type="text/javascript")
        else:
            route.fulfill(status=404)

    page.route(f"{ALONE}/**", answer)
    page.goto(f"{ALONE}/")


def seen(page: Page, panel: int, across: float, down: float) -> tuple[int, int, int]:
    """The colour that a panel shows at a point, given as fractions of its canvas.

    `panel` is its place in the scene; side by side, the known mask (the first there) stands behind the models.
    """
    script = """async ([panel, across, down]) => {
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        const drawn = document.querySelectorAll('.frame > canvas');
        const canvas = drawn[(panel + drawn.length - 1) % drawn.length];
        const at = [Math.floor(across * canvas.width), Math.floor(down * canvas.height)];
        return [...canvas.getContext('2d').getImageData(...at, 1, 1).data.slice(0, 3)];
    }"""
    red, green, blue = page.evaluate(script, [panel, across, down])
    return red, green, blue


def last_report(page: Page) -> dict[str, Any]:
    """What the viewer told the server last, once it has nothing new to tell."""
    page.wait_for_timeout(900)
    return dict(page.evaluate("window.reports.at(-1)"))


def under(world: World, camera: dict[str, float], across: float, down: float) -> tuple[int, int]:
    """Row and column of the picture at a point of a canvas of the picture's shape."""
    x = camera["x"] + (across - 0.5) / camera["zoom"]
    y = camera["y"] + (down - 0.5) / camera["zoom"]
    return int(y * world.height), int(x * world.width)
