"""The app on a port of its own, and a headless Chromium before it: for the benchmark and the browser test."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
_GRACE_SECONDS = 5.0
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_QUIET_MS = 300
_SETTLED = """quiet => {
    const app = document.querySelector('[data-testid="stApp"]');
    const waits = '[data-stale="true"], [data-testid="stSkeleton"], [data-testid="stSpinner"]';
    const idle = app?.dataset.testScriptState === 'notRunning' && !document.querySelector(waits);
    if (!idle) window.idleSince = undefined;
    else window.idleSince ??= performance.now();
    return idle && performance.now() - window.idleSince >= quiet;
}"""


@contextmanager
def serve(
    home: Path,
    *,
    log: Path,
    patience: float = 180.0,
    port: int | None = None,
    options: Sequence[str] = (),
    base: str = "",
    speeds: bool = False,
    script: str = "app/main.py",
) -> Iterator[tuple[str, float]]:
    """Start the app with its runs in `home`; gives its address and the `time.monotonic()` of its first answer.

    `port` is any free one where it is not given; `options` are more of Streamlit's, and `base` is the path, if any,
    that they put the app below. `speeds`: pages find speeds of the models and measure none (`keep_speeds`). `script` is
    another page to serve with the same settings.

    The server and a worker that it started are ended afterwards; one that is still measuring something is killed.
    Raises `TimeoutError` when it never answers.
    """
    if speeds:
        keep_speeds(home)
    port = port or free_port()
    address = f"http://localhost:{port}"
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port), *options]
    environment = {**os.environ, "TERRASTILL_HOME": str(home)}
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield address, _first_answer(f"{address}{base}", patience)
        finally:
            _end(server)
            _end_worker(home)


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium that reaches nothing but this machine."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost"]
        )
        yield chromium
        chromium.close()


def settled(page: Page) -> Page:
    """Wait until the page has been drawn whole, and gives it back: before that, a control may be there twice.

    A press reaches the server after a moment, so the page must have been at rest for `_QUIET_MS` milliseconds. Where
    the machine is busy that can be too short: wait for what the press brings first, where there is such.
    """
    page.wait_for_function(_SETTLED, arg=_QUIET_MS, polling=50)
    return page


def keep_speeds(home: Path) -> None:
    """Let `home` hold a speed of each shipped model, which nobody measured: pages then measure none themselves."""
    from app.services import artifacts, speeds
    from core.benchmark import machine, results
    from core.benchmark.plan import Plan

    models = {name: model for name, model in artifacts.models(None).items() if not (model.from_run or model.brought)}
    runtimes = (speeds.USUAL, "onnx")
    rows = tuple(
        results.Row(
            name,
            runtime,
            *(speeds.SIDE, 1, 1, took, took, took, took),
            repeats=8,
            megapixels_per_second=speeds.SIDE**2 / 1000 / took,
            bytes=model.bytes,
            others=0.0,
            weights=artifacts.weights(model),
        )
        for name, model in models.items()
        for runtime in runtimes
        for took in [10 + model.macs_256 / 1e8]
    )
    plan = Plan(tuple(models), teacher=artifacts.USUAL_TEACHER, runtimes=runtimes, sizes=(speeds.SIDE,))
    found = results.Result(results.new_id(), plan, machine.facts(), rows, created_at=time.time(), load_before=0.0)
    results.save(found, into=home / results.FOLDER)


def _first_answer(address: str, patience: float) -> float:
    """An unknown address also answers 200, so the body is looked at."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                if answer.read() == b"ok":
                    return time.monotonic()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.05)
    raise TimeoutError(f"The app did not answer at {address} within {patience:.0f} s.")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _end_worker(home: Path) -> None:
    from core.errors import StoreError
    from core.runs.store.run_store import RunStore

    try:
        workers = RunStore(home=home).workers()
    except StoreError:
        return
    for worker in workers:
        os.kill(worker.pid, signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
