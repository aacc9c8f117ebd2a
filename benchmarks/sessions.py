"""Many people at once while a run trains: errors, what one sees of another, how long a rerun takes, how memory grows.

    python benchmarks/sessions.py [--sessions 20] [--interactions 50] [--no-training] [--json]

Each session is a page of its own in one headless Chromium; it goes through the pages, chooses scenes and models,
moves sliders, and uploads a picture that carries its own number as its name. A rerun is from the touch until Streamlit
says that the page is at rest. After each interaction the page is searched for the names of the other sessions, for
tracebacks and for errors. Bars: 0 errors, nothing of another session, p95 of a rerun within 1.5 s, +200 MB at most.
"""

import argparse
import io
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image
from playwright.sync_api import Error, Page

from benchmarks.large_image import _children, _resident
from benchmarks.serving import browser, serve

PATIENCE_MS = 120_000
P95_SECONDS, GROWTH_MB = 1.5, 200.0
_AT_REST = """() => !document.querySelector('[data-testid="stStatusWidget"]')
    && document.querySelector('[data-testid="stApp"]')?.getAttribute('data-test-script-state') !== 'running'"""
_BAD = ("Traceback", "unexpected error", "StreamlitAPIException")


def picture(number: int) -> dict[str, Any]:
    """An upload whose name nobody else has."""
    pixels = np.random.default_rng(number).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return {"name": f"private-{number:04d}-{number * 7919:x}.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


class Visitor:
    """One session: what it does at each turn, and what it found wrong."""

    def __init__(self, page: Page, address: str, number: int) -> None:
        self.page, self.address, self.number = page, address, number
        self.seconds: list[float] = []
        self.problems: list[str] = []
        self.random = random.Random(number)
        page.set_default_timeout(PATIENCE_MS)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}/{path}")
        self._rest()

    def upload(self) -> None:
        """To the page for own images; its name must be seen here and nowhere else."""
        self.open("images")
        self.page.locator("input[type=file]").set_input_files(picture(self.number))
        self.page.get_by_text(picture(self.number)["name"].removesuffix(".png")).first.wait_for()

    def turn(self) -> None:
        """One interaction on the page for own images or on Compare, timed."""
        actions = (self._model, self._mirror, self._bands, self._extras)
        started = time.monotonic()
        try:
            self.random.choice(actions)()
            self._rest()
        except Error as error:
            self.problems.append(f"session {self.number}: {str(error).splitlines()[0]}")
        self.seconds.append(time.monotonic() - started)

    def visit(self, others: set[str]) -> None:
        """What stands on the page that must not."""
        text = self.page.locator("body").inner_text()
        self.problems += [f"session {self.number} shows {bad!r}" for bad in _BAD if bad in text]
        self.problems += [f"session {self.number} sees {name}" for name in others if name in text]

    def _model(self) -> None:
        self.page.get_by_role("combobox").first.click()
        options = self.page.get_by_role("option")
        options.first.wait_for()
        options.nth(self.random.randrange(min(3, options.count()))).click()

    def _mirror(self) -> None:
        self._more()
        self.page.get_by_text("Average over mirror images").click()

    def _bands(self) -> None:
        self._more()
        box = self.page.get_by_role("textbox", name="Bands that are red, green and blue")
        box.fill(self.random.choice(["3,2,1", "1", ""]))
        box.press("Enter")

    def _extras(self) -> None:
        self.page.get_by_role("button", name="Remove all").hover()
        self.page.get_by_role("combobox").nth(1).click()
        self.page.get_by_role("option").first.click()

    def _more(self) -> None:
        if not self.page.get_by_text("Average over mirror images").is_visible():
            self.page.get_by_text("More settings").click()
            self.page.get_by_text("Average over mirror images").wait_for()

    def _rest(self) -> None:
        self.page.wait_for_function(_AT_REST, polling=20)


def start_training(home: Path) -> None:
    """A run in the queue; the server starts its worker."""
    from core.config import DataConfig, DistillConfig, RunConfig, TrainConfig
    from core.runs.store.run_store import RunStore

    config = RunConfig(
        data=DataConfig(crop=128, views_per_epoch=512), train=TrainConfig(epochs=500), distill=DistillConfig()
    )
    RunStore(home=home).add(config)


def server_megabytes(home: Path) -> float:
    """The server alone, by the process that is this one's child and runs Streamlit."""
    del home
    import os

    pids = [pid for pid in _children(os.getpid()) if b"streamlit" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return sum(_resident(pid) for pid in pids)


def measure(sessions: int, interactions: int, training: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if training:
            start_training(home)
        with browser() as chromium, serve(home, log=home / "server.log") as (address, _):
            visitors = [
                Visitor(chromium.new_context(viewport={"width": 1200, "height": 900}).new_page(), address, number)
                for number in range(sessions)
            ]
            for visitor in visitors:
                visitor.upload()
            before = server_megabytes(home)
            names = {visitor.number: picture(visitor.number)["name"].removesuffix(".png") for visitor in visitors}
            for _ in range(interactions):
                for visitor in visitors:
                    visitor.turn()
                    visitor.visit({name for number, name in names.items() if number != visitor.number})
            after = server_megabytes(home)
            log = (home / "server.log").read_text(errors="replace")
        seconds = sorted(second for visitor in visitors for second in visitor.seconds)
        problems = [problem for visitor in visitors for problem in visitor.problems]
        problems += ["the server's log holds a traceback"] if "Traceback" in log else []
    return {
        "sessions": sessions, "interactions": len(seconds), "errors": len(problems), "first_errors": problems[:5],
        "p50_s": statistics.median(seconds), "p95_s": seconds[int(0.95 * (len(seconds) - 1))],
        "growth_mb": after - before, "before_mb": before,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--interactions", type=int, default=50)
    parser.add_argument("--no-training", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(args.sessions, args.interactions, not args.no_training)
    print(json.dumps(found) if args.json else "\n".join(f"{key}: {value}" for key, value in found.items()))
    good = not found["errors"] and found["p95_s"] <= P95_SECONDS and found["growth_mb"] <= GROWTH_MB
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
