"""How soon a page answers while a run trains on the same processors, as a ratio within one session.

The run's process is stopped and continued in turns, so that whatever else the machine does weighs on both sides alike.
"""

import os
import signal
import statistics

from playwright.sync_api import Page

from benchmarks.reliability.kit import Figures, open_store, p95, pictures, scratch, tiny
from benchmarks.reliability.service import children, moves, worker


def _reruns(page: Page, count: int) -> list[float]:
    """Seconds from a click on another scene to its drawn viewer; the caches hold both scenes."""
    from benchmarks import ui

    return [ui.go_to(page, 2 - turn % 2) for turn in range(count)]


def reruns(turns: int = 4, *, each: int = 12) -> Figures:
    """Reruns of the first page on cached results, from the click to the drawn viewer, with the run and without."""
    from benchmarks import ui
    from benchmarks.serving import browser, serve

    with scratch() as folder:
        home = folder / "home"
        run = open_store(home).add(tiny(pictures(folder / "pictures"), epochs=10_000)).id
        with worker(home, "--slots", "cpu=1", "--window", "100000", OMP_NUM_THREADS="") as process:
            moves(open_store(home), run)
            (training,) = children(process)
            with browser() as chromium, serve(home, log=home / "server.log") as (address, _):
                page = chromium.new_page(viewport={"width": 1400, "height": 1000})
                page.goto(address)
                page.get_by_text("warm runs").wait_for(timeout=ui.PATIENCE_MS)
                _reruns(page, 2)
                alone: list[float] = []
                beside: list[float] = []
                for _ in range(turns):
                    os.kill(training, signal.SIGSTOP)
                    alone += _reruns(page, each)
                    os.kill(training, signal.SIGCONT)
                    beside += _reruns(page, each)
                page.close()
            open_store(home).request_cancel(run)
    return {
        "reruns on each side": len(alone),
        "alone, s, p50": statistics.median(alone),
        "alone, s, p95": p95(alone),
        "beside a run, s, p50": statistics.median(beside),
        "beside a run, s, p95": p95(beside),
        "ratio of p95": p95(beside) / p95(alone),
        "ratio of p50": statistics.median(beside) / statistics.median(alone),
    }
