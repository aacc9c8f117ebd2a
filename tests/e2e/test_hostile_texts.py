"""Names and messages of strangers in a real browser; and a run that goes on when the server is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from app.services import launch
from benchmarks.reliability.kit import pictures, tiny
from benchmarks.serving import ROOT, free_port, settled
from core.config import RunConfig
from core.runs.store.records import RunState
from core.runs.store.run_store import RunStore

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

ARTEFACTS = ROOT / "artefacts"
EVIL = (
    "![x](http://localhost:9/x.png) [in](http://evil.example) www.evil.example "
    "<img src=http://localhost:9/y.png> :red[a]"
)
WHY = f"{EVIL} cannot read '/srv/secret place/x.tif' and /srv/other/y.tif"
_LINKS = """() => [...document.querySelectorAll('[data-testid=stMain] a, [data-testid=stSidebar] a')]
    .map(link => link.href).filter(href => !href.startsWith(location.origin) && !href.includes('arxiv.org'))"""


def test_nothing_of_a_run_is_drawn_linked_or_fetched(
    app: tuple[Browser, str], failed_run: Callable[[RunConfig, str], Path]
) -> None:
    chromium, address = app
    folder = failed_run(replace(launch.to_config(launch.Request()), name=EVIL[:80]), WHY)
    (folder / "log.txt").write_text(f'{EVIL}\n  File "/usr/lib/secret/site.py", line 3\n')
    page = chromium.new_page(viewport={"width": 1400, "height": 1200})
    page.set_default_timeout(120_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/runs?run={folder.name}")
    page.get_by_test_id("stAlert").first.wait_for()
    settled(page).get_by_text("Log", exact=True).click()
    page.get_by_text("line 3").wait_for()
    page.screenshot(path=ARTEFACTS / "hostile.png", full_page=True)
    text = page.locator("[data-testid=stMain]").inner_text()
    assert page.evaluate(_LINKS) == []
    assert page.locator("[data-testid=stMain] img").count() == 0
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert "![x](http" in text
    assert "/srv" not in text
    assert "secret" not in text
    page.close()


def test_a_run_goes_on_when_the_server_is_killed(tmp_path: Path) -> None:
    """The worker and the run's process are no children that end with the server."""
    home = tmp_path / "home"
    store = RunStore(home=home)
    run = store.add(tiny(pictures(tmp_path / "pictures"), epochs=10_000))
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(free_port())]
    with (tmp_path / "server.log").open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TERRASTILL_HOME": str(home)}, stdout=output)
    events = store.folder(run.id) / "events.jsonl"

    def wait_for(size: int) -> int:
        deadline = time.monotonic() + 300
        while not events.is_file() or events.stat().st_size <= size:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return events.stat().st_size

    try:
        wait_for(0)
        server.kill()
        server.wait()
        before = events.stat().st_size
        after = wait_for(wait_for(before))
        assert after > before
        assert store.get(run.id).state == RunState.RUNNING
        assert len(store.workers()) == 1
    finally:
        server.kill()
        server.wait()
        store.request_cancel(run.id)
        for worker in store.workers():
            os.kill(worker.pid, signal.SIGTERM)
