"""`python -m tools.screenshots`: take the pictures of docs/pictures/ anew, from the app on the shipped scenes.

Needs what the browser tests need: Playwright, and Chromium. Only what sample_images/ holds is shown; never add a step
that shows a real picture.
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.serving import ROOT, browser, serve

PICTURES = ROOT / "docs" / "pictures"
WIDTH, HEIGHT, SHOWN = 1400, 1000, 1100
"""Pixels of the browser's window, and the width of what is kept of it."""
_TOUR, _TOUR_SHOWN = (1280, 720), 640
"""The same for the steps of the tour, which stand side by side in the README."""
_WIDTHS, _WIDTH_SHOWN = ((390, 844), (844, 390), (800, 600), (1024, 768), (1440, 900), (1920, 1080), (2560, 1440)), 720
"""The same for Compare at every width (docs/tasks/compare.md): at most so many pixels of each are kept."""


def _run_gallery(page: Page) -> None:
    page.get_by_role("button", name="12 images").first.click()
    page.locator("[data-testid=stMain] img").first.wait_for()


def _segment(page: Page) -> None:
    """Upload the shipped GeoTIFF and segment it."""
    page.locator("input[type=file]").first.set_input_files(ROOT / "sample_images" / "georeferenced.tif")
    page.locator("[data-testid=stFileUploaderFile], [data-testid=stFileChip]").first.wait_for()
    page.get_by_role("button", name="Segment").first.click()
    page.locator("[data-testid=stMain] canvas").first.wait_for()


def _open_losses(page: Page) -> None:
    page.get_by_text("losses, and what they cost here").first.click()


# Each picture: the page's address, what shows that it is whole, and what is done there.
PAGES: dict[str, tuple[str, str, Callable[[Page], None] | None]] = {
    "compare": ("compare", "canvas", None),
    "distill": ("distill", "text=Estimated time", _open_losses),
    "temperature": ("temperature", "canvas", None),
    "gallery": ("gallery", "text=Both models run", _run_gallery),
    "own-images": ("images", "text=No image yet", _segment),
    "benchmark": ("benchmark", "text=What a model costs to run", None),
    "runs": ("runs", "text=Runs", None),
    "tour-1": ("?tour=1", "canvas", None),
    "tour-2": ("?tour=2&layout=swipe", "canvas", None),
    "tour-3": ("?tour=3&view=disagreement", "canvas", None),
    "tour-4": ("cost?tour=4", "text=Where the saving comes from", None),
    "tour-5": ("distill?tour=5", "text=Estimated time", None),
    **{f"compare-{width}x{height}": ("", ".viewer[data-ready] .where", None) for width, height in _WIDTHS},
    "compare-dark": ("", ".viewer[data-ready] .where", None),
}


def _window(name: str) -> tuple[int, int, int]:
    """Width and height of the browser's window, and how wide the picture is kept; pixels."""
    if name.startswith("tour"):
        return *_TOUR, _TOUR_SHOWN
    for width, height in _WIDTHS:
        if name == f"compare-{width}x{height}":
            return width, height, min(width, _WIDTH_SHOWN)
    return (1440, 900, _WIDTH_SHOWN) if name == "compare-dark" else (WIDTH, HEIGHT, SHOWN)


def take(page: Page, address: str, name: str) -> Image.Image:
    """The top of one page, once it is whole and nothing runs."""
    path, sign, steps = PAGES[name]
    width, height, _ = _window(name)
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if name.endswith("dark") else "light")
    page.goto(f"{address}/{path}")
    page.locator(f"[data-testid=stMain] >> {sign}").first.wait_for()
    if steps is not None:
        steps(page)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
    page.wait_for_timeout(4000)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(PAGES)} (default: all)")
    parser.add_argument("--home", type=Path, help="folder of runs to show, as TERRASTILL_HOME (default: an empty one)")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for a page (default: %(default)g)")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(PAGES):
        parser.error(f"there is no picture {', '.join(sorted(unknown))}: choose of {', '.join(PAGES)}")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        home = chosen.home or Path(folder)
        with serve(home, log=Path(folder) / "server.log", patience=chosen.patience) as (address, _):
            page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(1000 * chosen.patience)
            for name in chosen.names or PAGES:
                picture = take(page, address, name)
                *_, shown = _window(name)
                size = (shown, round(picture.height * shown / picture.width))
                picture.resize(size, Image.Resampling.LANCZOS).save(PICTURES / f"{name}.webp", quality=82, method=6)
                sys.stdout.write(f"{name}\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
