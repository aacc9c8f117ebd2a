"""How soon the app's first page can be used, and how long a rerun on cached results takes.

    python benchmarks/ui.py [--reruns 30] [--json]

First page, from the first answer of a freshly started server: until its controls can be used, and until the masks of
the default models are drawn. Rerun: from a click on a scene that was looked at before until the viewer shows it, and
from a click on a class or the opacity, which never leave the browser, until the next frame.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import Page

from benchmarks.serving import browser, serve

PATIENCE_MS = 180_000
READY = ".viewer[data-ready]"
FIRST_USABLE, RERUN = 3.0, 0.3
"""The bars, in seconds."""


def measure(reruns: int) -> dict[str, float]:
    """All figures in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with browser() as chromium, serve(home, log=home / "server.log") as (address, answered):
            page = chromium.new_page(viewport={"width": 1400, "height": 1000})
            page.goto(address)
            page.get_by_role("combobox").nth(2).wait_for(timeout=PATIENCE_MS)
            usable = time.monotonic() - answered
            page.locator(READY).wait_for(timeout=PATIENCE_MS)
            drawn = time.monotonic() - answered
            page.get_by_text("warm runs").wait_for(timeout=PATIENCE_MS)
            figures = {"first_usable": usable, "first_masks": drawn}
            figures |= _quantiles("rerun", _scene_reruns(page, reruns))
            return figures | _quantiles("opacity", _touches(page, reruns))


def _scene_reruns(page: Page, reruns: int) -> list[float]:
    """Go to and fro between two scenes; the first visit of each is not counted."""
    taken = []
    for turn in range(reruns + 2):
        wanted = f"Scene {2 - turn % 2}"
        before = page.locator(READY).get_attribute("data-scene")
        page.get_by_role("combobox", name="Scene").click()
        option = page.get_by_role("option", name=wanted, exact=True)
        option.wait_for()
        start = time.monotonic()
        option.click()
        page.wait_for_function(
            """id => [...document.querySelectorAll('*')].some(host =>
                host.shadowRoot?.querySelector('.viewer[data-ready]:not([data-scene="' + id + '"])'))""",
            arg=before,
            polling=10,
            timeout=PATIENCE_MS,
        )
        if turn >= 2:
            taken.append(time.monotonic() - start)
        page.get_by_text("warm runs").wait_for(timeout=PATIENCE_MS)
    return taken


def _touches(page: Page, reruns: int) -> list[float]:
    """Move the opacity and wait for the next frame, in the page itself."""
    script = """async slider => {
        const start = performance.now();
        slider.value = (Number(slider.value) + 7) % 100;
        slider.dispatchEvent(new Event('input'));
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        return (performance.now() - start) / 1000;
    }"""
    slider = page.get_by_label("Opacity of the masks")
    return [float(slider.evaluate(script)) for _ in range(reruns)]


def _quantiles(name: str, seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"{name}_p50": statistics.median(ordered), f"{name}_p95": ordered[int(0.95 * (len(ordered) - 1))]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reruns", type=int, default=30, help="how often each rerun is timed (default: 30)")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    args = parser.parse_args()
    figures = {name: round(value, 4) for name, value in measure(args.reruns).items()}
    bars = {"first_usable": FIRST_USABLE, "rerun_p95": RERUN}
    if not args.json:
        print(f"{'':<16}{'seconds':>9}{'bar':>7}")
        for name, value in figures.items():
            print(f"{name:<16}{value:>9.3f}{bars.get(name, ''):>7}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
