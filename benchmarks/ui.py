"""What the app costs a visitor: how soon a page can be used, how long a rerun takes, how smoothly the viewer moves.

    python benchmarks/ui.py [--reruns 30] [--comparisons 200] [--side 4096] [--json]

Which stage is under way is said on the error stream.
First page, from the first answer of a freshly started server: until its controls can be used, and until the masks of
the default models are drawn; `payload_kb` is the message that they wait for, `shares_kb` what is fetched afterwards.
First paint: a new visitor, whose window has been open for two seconds, opens what the server has looked at before, from
the call of the address until the masks are drawn; `first_title_s` is when Streamlit shows the page's title in the same
visits, before anything of the viewer is asked for, and `paint_again_s` the first paint of somebody whose browser has
been there before. `empty_page_s` and `empty_again_s` are the same for an app of one title with the same settings of
Streamlit: the floor below which no page of ours can come, `over_empty_s` what the first paint takes above it, and
`paint_cpu_x` the processor's time of browser and server for a first paint, divided by that for the empty page: other
work on the machine hardly changes that ratio. Rerun: from a click on a scene that was looked at before until the viewer
shows it, the page being at rest before; `beside_training_x` is the p95 beside a training run, divided by the p95 alone;
`rerun_server_s` is the server's time of the processor for one. `usable_s`: a visit as for the first paint, until its
menu of pictures is open. Gallery: from the press on Compare until the first card. Runs: reading the first page of 1,000
runs.
Opacity: from a touch of it, which never leaves the
browser, until the next frame. Frames: a wheel turned without a pause over four panels of `--side`² pixels; `idle` is
how often the same browser calls back with nothing to draw. Memory: of the server after a round of all scenes, and after
`--comparisons`. The bars are for an idle machine; the load beside the figures tells what to make of a miss.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
from playwright.sync_api import Browser, BrowserContext, Page, Response

from benchmarks.serving import browser, serve
from benchmarks.viewer_page import make_world, open_viewer
from core.config import DistillConfig, RunConfig, TrainConfig
from core.runs.store.records import RunQuery
from core.runs.store.run_store import RunStore

PATIENCE_MS = 300_000
READY = ".viewer[data-ready]"
_COUNTED = ".viewer .numbers[data-where] .where"
SCENES = 12
BARS = {
    "first_usable_s": 3.0,
    "first_paint_s": 1.0,
    "usable_s": 2.5,
    "rerun_p95_s": 0.3,
    "beside_training_x": 1.2,
    "gallery_card_s": 2.0,
    "runs_1000_s": 0.2,
    "frames_per_s": 20,
    "memory_growth_mb": 50,
}
_MANY_RUNS = 1000
_WARM = 4
_VISITORS = 3

# Told by the viewer itself: asking again and again would take the browser's time.
_NEXT_SCENE = """before => {
    const roots = () => [
        document.querySelector('.viewer'),
        ...[...document.querySelectorAll('*')].map((host) => host.shadowRoot?.querySelector('.viewer')),
    ].filter((found) => found);
    const other = (root) => root.dataset.ready && root.dataset.scene !== before;
    const promise = new Promise((resolve) => {
        const end = () => { watch.disconnect(); clearInterval(again); resolve(); };
        const watch = new MutationObserver(([{ target }]) => other(target) && end());
        const seen = { attributes: true, attributeFilter: ['data-scene', 'data-ready'] };
        for (const root of roots()) watch.observe(root, seen);
        // A page that draws the viewer anew puts another in its place, which nobody watches.
        const again = setInterval(() => roots().some(other) && end(), 100);
    });
    return { promise };
}"""
_TOUCH = """async slider => {
    const start = performance.now();
    slider.value = (Number(slider.value) + 7) % 100;
    slider.dispatchEvent(new Event('input'));
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return (performance.now() - start) / 1000;
}"""
_ROLL = """async ([seconds, roll]) => {
    const root = document.querySelector('.viewer');
    const canvas = root.querySelector('.frame > canvas');
    const box = canvas.getBoundingClientRect();
    const drawn = () => Number(root.dataset.frames);
    const [before, start] = [drawn(), performance.now()];
    let turns = 0;
    for (; performance.now() - start < 1000 * seconds; turns++) {
        const deltaY = turns % 40 < 20 ? -25 : 25;
        const at = { clientX: box.left + box.width / 3, clientY: box.top + box.height / 3 };
        if (roll) canvas.dispatchEvent(new WheelEvent('wheel', { deltaY, ...at, cancelable: true }));
        await new Promise(requestAnimationFrame);
    }
    const took = (performance.now() - start) / 1000;
    return (roll ? drawn() - before : turns) / took;
}"""


def measure(*, reruns: int, comparisons: int, side: int) -> dict[str, float]:
    """Every figure, its unit at the end of its name."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _stage("the server starts, and its first visitor comes")
        with browser() as chromium, serve(home, log=home / "server.log") as (address, answered):
            page = chromium.new_page(viewport={"width": 1400, "height": 1000})
            sizes: list[int] = []
            page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sizes.append(len(frame))))
            fetched: list[int] = []
            page.on("response", lambda answer: fetched.append(_length(answer) if "/deferred/" in answer.url else 0))
            page.goto(address, timeout=PATIENCE_MS)
            page.get_by_role("button", name="Image and models").wait_for(timeout=PATIENCE_MS)
            figures = {"first_usable_s": time.monotonic() - answered}
            page.locator(READY).wait_for(timeout=PATIENCE_MS)
            figures |= {"first_masks_s": time.monotonic() - answered, "payload_kb": max(sizes) / 1000}
            page.get_by_text("warm runs").wait_for(timeout=PATIENCE_MS)
            figures["shares_kb"] = max(fetched) / 1000
            figures |= _first_paints(chromium, address, home)
            figures |= _rerun_figures(page, home, reruns)
            _stage("Gallery's first card, and a list of 1,000 runs")
            figures |= {"gallery_card_s": _first_card(chromium, address), "runs_1000_s": _list_runs(home / "many")}
            _stage("opacity")
            slider = page.get_by_label("Opacity of the masks")
            figures |= _quantiles("opacity", [float(slider.evaluate(_TOUCH)) for _ in range(reruns)])
            _stage(f"memory over {comparisons} comparisons")
            figures |= _memory(page, comparisons)
            page.close()
            _stage("frames")
            return figures | _frames(chromium, side)


def _stage(name: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {name} …", file=sys.stderr, flush=True)


def _rerun_figures(page: Page, home: Path, reruns: int) -> dict[str, float]:
    _stage(f"{reruns} reruns")
    _reruns(page, _WARM)
    before = _server_seconds()
    figures = _quantiles("rerun", _reruns(page, reruns))
    figures["rerun_server_s"] = (_server_seconds() - before) / reruns
    _stage(f"{reruns} reruns beside a training run")
    figures["beside_training_x"] = _beside_training(page, home, reruns) / figures["rerun_p95_s"]
    return figures


def _reruns(page: Page, count: int) -> list[float]:
    return [go_to(page, 2 - turn % 2) for turn in range(count)]


def _beside_training(page: Page, home: Path, reruns: int) -> float:
    """The p95 of reruns while the worker trains, in seconds. The run is cancelled afterwards."""
    store = RunStore(home=home)
    run = store.add(RunConfig(kind="train", name="Beside", train=TrainConfig(epochs=10_000)))
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while store.get(run.id).progress == 0:
        if time.monotonic() > deadline:
            raise TimeoutError("The training run did not begin.")
        time.sleep(0.5)
    taken = _quantiles("beside", _reruns(page, reruns))["beside_p95_s"]
    store.request_cancel(run.id)
    return taken


def _first_card(chromium: Browser, address: str) -> float:
    page = chromium.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.goto(f"{address}/gallery?set=samples", timeout=PATIENCE_MS)
    button = page.get_by_role("button", name="Compare on")
    button.wait_for(timeout=PATIENCE_MS)
    start = time.monotonic()
    button.click()
    page.locator("[class*='st-key-card_'] img").first.wait_for(timeout=PATIENCE_MS)
    taken = time.monotonic() - start
    page.context.close()
    return taken


def _list_runs(home: Path) -> float:
    """Median seconds for the first page of many runs, as Runs reads it for every visitor."""
    store = RunStore(home=home)
    taught = RunConfig(kind="distill", distill=DistillConfig(teacher="teacher"))
    store.add_all([replace(taught, name=f"Run {number}") for number in range(_MANY_RUNS)])
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        assert len(store.page(RunQuery()).records) == RunQuery().most
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _length(answer: Response) -> int:
    return int(answer.headers.get("content-length", 0))


def _first_paints(chromium: Browser, address: str, home: Path) -> dict[str, float]:
    """Of the app and of an empty page, in turns: medians of three new visitors, each with an empty cache, and of three
    more visits of each."""
    _stage("first paints, beside those of an empty page")
    empty_script = home / "empty.py"
    empty_script.write_text('import streamlit\n\nstreamlit.title("Compare")\n', encoding="utf-8")
    new: dict[str, list[Visit]] = {"ours": [], "empty": []}
    again: dict[str, list[Visit]] = {"ours": [], "empty": []}
    with serve(home, log=home / "empty.log", script=str(empty_script)) as (empty_address, _):
        for _ in range(_VISITORS):
            for which, where in (("ours", address), ("empty", empty_address)):
                visitor = chromium.new_context(viewport={"width": 1400, "height": 1000})
                new[which].append(_visit(visitor, where, empty=which == "empty"))
                # Chromium keeps compiled scripts from the second visit on.
                _visit(visitor, where, empty=which == "empty")
                again[which].append(_visit(visitor, where, empty=which == "empty"))
                visitor.close()

    def median(visits: list[Visit], name: str) -> float:
        return statistics.median(getattr(visit, name) for visit in visits)

    paint, floor = median(new["ours"], "paint"), median(new["empty"], "title")
    return {
        "first_paint_s": paint,
        "first_title_s": median(new["ours"], "title"),
        "usable_s": median(new["ours"], "usable"),
        "paint_again_s": median(again["ours"], "paint"),
        "empty_page_s": floor,
        "empty_again_s": median(again["empty"], "title"),
        "over_empty_s": paint - floor,
        "paint_cpu_x": median(new["ours"], "processor") / median(new["empty"], "processor"),
    }


@dataclass(frozen=True)
class Visit:
    """Seconds from calling the address until the title, until the masks, and until a menu has opened; and those of the
    processor until the masks, of everything that was started here. An empty page has its title alone."""

    title: float
    paint: float
    usable: float
    processor: float


def _visit(context: BrowserContext, address: str, *, empty: bool = False) -> Visit:
    page = context.new_page()
    # Chromium opens a window of its own for each visitor, and draws its frame meanwhile.
    page.wait_for_timeout(2000)
    begun, start = _seconds_of_all(), time.monotonic()
    page.goto(address, wait_until="commit", timeout=PATIENCE_MS)
    page.get_by_role("heading", name="Compare").wait_for(timeout=PATIENCE_MS)
    title = paint = usable = time.monotonic() - start
    if not empty:
        page.locator(READY).wait_for(timeout=PATIENCE_MS)
        paint = time.monotonic() - start
    processor = _seconds_of_all() - begun
    if not empty:
        page.get_by_role("button", name="Image and models").click()
        page.get_by_role("combobox", name="Scene").wait_for(timeout=PATIENCE_MS)
        usable = time.monotonic() - start
    page.close()
    return Visit(title, paint, usable, processor)


def go_to(page: Page, scene: int) -> float:
    """Seconds from the click on a scene until the viewer shows it; waits for the rest of the page afterwards."""
    before = page.locator(READY).get_attribute("data-scene")
    menu = page.get_by_role("combobox", name="Scene")
    if not menu.is_visible():
        page.get_by_role("button", name="Image and models").click()
    menu.click()
    option = page.get_by_role("option", name=f"Scene {scene}", exact=True)
    option.wait_for(timeout=PATIENCE_MS)
    shown = page.evaluate_handle(_NEXT_SCENE, before)
    start = time.monotonic()
    option.click()
    shown.evaluate("next => next.promise")
    taken = time.monotonic() - start
    page.locator('[data-test-script-state="notRunning"]').wait_for(timeout=PATIENCE_MS)
    page.locator(_COUNTED).wait_for(timeout=PATIENCE_MS)
    return taken


def _memory(page: Page, comparisons: int) -> dict[str, float]:
    """Of the server, in megabytes: once every scene is in its caches, and after going round and round."""
    if not comparisons:
        return {}
    for scene in range(SCENES, 0, -1):
        go_to(page, scene)
    start = _server_memory()
    for turn in range(1, comparisons + 1):
        go_to(page, 1 + turn % SCENES)
    return {"memory_mb": start, "memory_growth_mb": _server_memory() - start}


def _server() -> psutil.Process:
    return next(child for child in psutil.Process().children() if "app/main.py" in child.cmdline())


def _server_seconds() -> float:
    spent = _server().cpu_times()
    return float(spent.user + spent.system)


def _seconds_of_all() -> float:
    """Of the processor, by browsers and servers alike."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent = child.cpu_times()
            total += spent.user + spent.system
    return total


def _server_memory() -> float:
    return int(_server().memory_info().rss) / 1e6


def _frames(chromium: Browser, side: int) -> dict[str, float]:
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    open_viewer(page, make_world(side, side))
    idle = page.evaluate(_ROLL, [3, False])
    return {"frames_per_s": page.evaluate(_ROLL, [5, True]), "idle_frames_per_s": idle}


def _quantiles(name: str, seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"{name}_p50_s": statistics.median(ordered), f"{name}_p95_s": ordered[int(0.95 * (len(ordered) - 1))]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reruns", type=int, default=30, help="how often each rerun is timed (default: 30)")
    parser.add_argument("--comparisons", type=int, default=200, help="how many before memory is read again; 0: none")
    parser.add_argument("--side", type=int, default=4096, help="pixels along the picture that is moved (default: 4096)")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    args = parser.parse_args()
    found = measure(reruns=args.reruns, comparisons=args.comparisons, side=args.side)
    figures = {name: round(value, 4) for name, value in found.items()}
    figures["load"] = round(os.getloadavg()[0], 2)
    if not args.json:
        print(f"{'':<20}{'figure':>12}{'bar':>8}")
        for name, value in figures.items():
            print(f"{name:<20}{value:>12.3f}{BARS.get(name, ''):>8}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
