"""How long the shipped student takes in a visitor's browser, as the page tells it: headless Chromium, 512 x 512 pixels.

    python benchmarks/in_browser.py [--repeats 6]

Needs `make web` and Debian's Chromium. The picture is a part of a shipped scene; the first pass warms up.
"""

import argparse
import re
import statistics
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.serving import browser, serve
from core import paths

PATIENCE_MS = 240_000
_TOLD = re.compile(r"^(\d+) × (\d+) pixels in ([\d.,]+) (m?s) on this device, in ([^.]*)\.")


def measure(repeats: int) -> tuple[list[float], str]:
    """Milliseconds of each pass after the first, and what the model ran in."""
    taken = []
    engine = ""
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        home = Path(folder)
        with Image.open(paths.SAMPLES / "images" / "scene_01.jpg") as opened:
            scene = opened.convert("RGB")
        # Two heights in turns: the page says another sentence each time, so that no old one is read.
        pictures = {height: home / f"{height}.png" for height in (512, 511)}
        for height, path in pictures.items():
            scene.crop((0, 0, 512, height)).save(path)
        with serve(home / "home", log=home / "server.log") as (address, _):
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"{address}/browser")
            page.locator('.in-browser[data-state="ready"]').wait_for()
            for turn in range(repeats + 1):
                height = 512 - turn % 2
                page.locator(".in-browser input[type=file]").set_input_files(pictures[height])
                told = page.get_by_text(re.compile(rf"^512 × {height} pixels in")).inner_text()
                found = _TOLD.match(told)
                assert found is not None, told
                taken.append(float(found[3].replace(",", "")) * (1 if found[4] == "ms" else 1000))
                engine = found[5]
            page.close()
    return taken[1:], engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=6)
    args = parser.parse_args()
    taken, engine = measure(args.repeats)
    print(f"512 x 512 in {engine}: median {statistics.median(taken):.0f} ms, most {max(taken):.0f} ms (bar 250)")


if __name__ == "__main__":
    main()
