"""The worker as people have it, `python -m core worker`, with real training: clocks that jump, and cancels."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.reliability.kit import Figures, open_store, p95, pictures, scratch, tiny, wait_until
from core import paths
from core.runs.recorder import read_events
from core.runs.store.records import RunState
from core.runs.store.run_store import RunStore

HOUR, DAY = 3600, 86_400
JUMPS = (HOUR, -HOUR, -DAY, 0)
_LONG = 10_000


@contextmanager
def worker(home: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of its own on `home`, ended afterwards with all that it runs."""
    line = [sys.executable, "-m", "core", "worker", *options]
    setting = {**os.environ, "TERRASTILL_HOME": str(home), "OMP_NUM_THREADS": "1", **environment}
    with (home / "worker.log").open("ab") as log:
        process = subprocess.Popen(line, cwd=paths.ROOT, env=setting, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes of the runs that a worker has."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def moves(store: RunStore, run_id: str, *, within: float = 180.0) -> None:
    """Wait until a run makes steps."""
    before = store.get(run_id).progress
    wait_until(lambda: store.get(run_id).progress > before, within=within, what=f"steps of {store.get(run_id)}")


def clocks(*, window: float = 60.0) -> Figures:
    """The date is set forward and back while a run goes on; then, a day back, a run hangs."""
    compiler = shutil.which("cc")
    if compiler is None:
        return {"not shown": "no C compiler for the clock that jumps"}
    with scratch() as folder:
        clock, offset, home = folder / "clock.so", folder / "offset", folder / "home"
        source = Path(__file__).with_name("clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", clock, source, "-ldl"], check=True)
        offset.write_text("0")
        store = open_store(home)
        config = tiny(pictures(folder / "pictures"), epochs=_LONG)
        run = store.add(config).id
        preload = {"LD_PRELOAD": str(clock), "CLOCK_OFFSET": str(offset)}
        with worker(home, "--slots", "cpu=1", "--window", str(window), **preload) as process:
            moves(store, run)
            figures: Figures = {"jumps": len(JUMPS), "jumps that the run saw": 0, "jumps that hid the worker": 0}
            for jump in JUMPS:
                _jump(store, run, offset, jump, figures)
            record = store.get(run)
            figures |= {"runs started again": record.attempt - 1, "restarts": record.restarts}
            figures |= _negative_times(store, run)
            figures |= _hang(store, run, offset, process, window)
            store.request_cancel(run)
            wait_until(lambda: store.get(run).state.final, within=60, what="the end")
        return figures


def _jump(store: RunStore, run: str, offset: Path, jump: int, figures: Figures) -> None:
    before = store.get(run).heartbeat_at or 0.0
    aside = offset.with_suffix(".part")
    aside.write_text(str(jump))
    aside.replace(offset)
    figures["jumps that hid the worker"] += not store.workers()
    moves(store, run)
    time.sleep(6)
    figures["jumps that hid the worker"] += not store.workers()
    figures["jumps that the run saw"] += abs((store.get(run).heartbeat_at or 0.0) - before) > HOUR / 2


def _negative_times(store: RunStore, run: str) -> Figures:
    events, _ = read_events(store.folder(run) / "events.jsonl")
    left = [event["seconds_left"] for event in events if event["type"] == "step"]
    seconds = [event["seconds"] for event in events if event["type"] == "epoch"]
    return {"estimates of the time left": len(left), "negative times": sum(value < 0 for value in [*left, *seconds])}


def _hang(store: RunStore, run: str, offset: Path, process: subprocess.Popen[bytes], window: float) -> Figures:
    """Stop the run's process, a day back, and time until another one makes steps."""
    offset.write_text(str(-DAY))
    moves(store, run)
    attempt, (hung,) = store.get(run).attempt, children(process)
    os.kill(hung, signal.SIGSTOP)
    began = time.monotonic()
    wait_until(lambda: store.get(run).attempt > attempt, within=4 * window, what="the hung run to be started again")
    found = time.monotonic() - began
    moves(store, run)
    return {"window, s": window, "a hung run is started again within, s": found, "windows": found / window}


def cancels(queued: int = 40, running: int = 20) -> Figures:
    """From the click to the state that the page shows, and no process left."""
    with scratch() as folder:
        home, config = folder / "home", tiny(pictures(folder / "pictures"), epochs=_LONG)
        store = open_store(home)
        os.environ["TERRASTILL_HOME"] = str(home)
        from app.services import runs
        from app.services.access import Person

        waiting, active = [], []
        elsewhere = replace(config, train=replace(config.train, device="cuda:7"))
        for _ in range(queued):
            run = store.add(elsewhere).id
            began = time.monotonic()
            runs.cancel(run, Person("this machine"))
            assert store.get(run).state == RunState.CANCELLED
            waiting.append(time.monotonic() - began)
        orphans = 0
        with worker(home, "--slots", "cpu=1") as process:
            for _ in range(running):
                run = store.add(config).id
                moves(store, run)
                pids = children(process)
                began = time.monotonic()
                runs.cancel(run, Person("this machine"))
                wait_until(lambda run=run: store.get(run).state == RunState.CANCELLED, within=60, what="cancelled")  # type: ignore[misc]
                active.append(time.monotonic() - began)
                wait_until(lambda: not children(process), within=60, what="the process to end")
                orphans += sum(Path(f"/proc/{pid}").exists() for pid in pids)
        return {
            "queued": queued,
            "queued, s, p95": p95(waiting),
            "running": running,
            "running, s, p95": p95(active),
            "running, s, at most": max(active),
            "orphans": orphans,
        }
