"""Benchmarks: started as a process of their own, followed by what they write, and read back when they are done."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.services import access
from app.services.access import Person
from app.services.artifacts import require_known
from core.benchmark import results
from core.benchmark.plan import Plan
from core.benchmark.results import Result as Result
from core.benchmark.results import Row as Row
from core.benchmark.runtimes import RUNTIMES
from core.config import DataConfig
from core.data.datasets import known
from core.errors import BenchmarkError
from core.events import Progress
from core.runs.worker.processes import start as start_process

SIZES, BATCHES = (256, 512, 1024), (1, 4, 16)
CAREFUL = {"Quick": (0.1, 8, 6.0), "Careful": (0.03, 20, 30.0)}
"""How well a median must be known (half its interval at 95 %), fewest repeats, most seconds a case."""
_children: list[subprocess.Popen[bytes]] = []
"""What this server started; asked from time to time, so that none stays a zombie."""


@dataclass(frozen=True)
class Choices:
    """What this machine offers: runtimes by name with why not (None: it works), thread counts, labelled data."""

    runtimes: dict[str, str | None]
    threads: tuple[int, ...]
    labelled: dict[str, str]


@dataclass(frozen=True)
class Job:
    """A benchmark that is not in the list of results yet: at work, or failed with the last line of its log."""

    id: str
    running: bool
    progress: Progress
    problem: str | None


def choices() -> Choices:
    """What this machine can do is asked once a server; datasets may come and go (`labelled`)."""
    cores = os.cpu_count() or 1
    threads = tuple(sorted({1, *(2**power for power in range(1, 8) if 2**power < cores), cores}))
    return Choices({name: runtime.unavailable("cpu") for name, runtime in RUNTIMES.items()}, threads, labelled())


def labelled() -> dict[str, str]:
    """The titles of the labelled data that is here now, by name, and `none`."""
    found = {"none": "No scores"}
    for name, dataset in known().items():
        if dataset.is_here():
            note = f" ({dataset.note})" if dataset.note else ""
            found[name] = f"{dataset.short_title}{note}, validation images"
    return found


def start(
    who: Person,
    *,
    models: Sequence[str],
    teacher: str,
    runtimes: Sequence[str],
    sizes: Sequence[int],
    batches: Sequence[int],
    threads: Sequence[int],
    labelled: str,
    care: str,
) -> str:
    """Start it in the background and give its id. Raises `BenchmarkError` while another one runs, `ConfigError` and
    `CheckpointError`."""
    require_known(teacher, *models)
    confidence, fewest, seconds = CAREFUL[care]
    plan = Plan(
        models=tuple(models),
        teacher=teacher,
        runtimes=tuple(runtimes),
        sizes=tuple(sizes),
        batches=tuple(batches),
        threads=tuple(threads),
        confidence=confidence,
        fewest=fewest,
        seconds=seconds,
        score=None if labelled == "none" else DataConfig(labelled),
    )
    plan.cases()
    with access.launching(who, 1):
        return _launch(plan)


def _launch(plan: Plan) -> str:
    if (now := job()) is not None and now.running:
        raise BenchmarkError("Another benchmark is running, and two would spoil each other: stop it, or wait for it.")
    _tidy()
    made = results.new_id()
    folder = _jobs() / made
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan.to_json()), encoding="utf-8")
    command = [sys.executable, "-m", "core", "benchmark", "--id", made, "--config", str(folder / "plan.json")]
    try:
        with (folder / "log.txt").open("ab") as log:
            process = start_process([*command, "--progress", str(folder / "progress.json")], log)
        _children.append(process)
    except OSError as error:
        raise BenchmarkError(f"The benchmark could not be started ({error.strerror or error}).") from error
    (folder / "pid").write_text(str(process.pid), encoding="utf-8")
    return made


def job() -> Job | None:
    """The benchmark that was started last, until its result is in the list."""
    folders = sorted(_jobs().glob("*/plan.json"))
    if not folders or (results.folder() / f"{folders[-1].parent.name}.json").is_file():
        return None
    folder = folders[-1].parent
    running = _alive(folder)
    problem = None if running else _last_line(folder / "log.txt")
    return Job(folder.name, running, _progress(folder), problem)


def cancel(job_id: str, who: Person) -> None:
    """Ask it to stop; it does so before its next pass. Raises `RunStateError` when this person may not cancel."""
    access.require(who, "cancel")
    if job_id not in {plan.parent.name for plan in _jobs().glob("*/plan.json")}:
        return
    folder = _jobs() / job_id
    if _alive(folder):
        os.killpg(int((folder / "pid").read_text()), signal.SIGTERM)


def dismiss(who: Person) -> None:
    """Throw away what is left of benchmarks that ended. Raises `RunStateError` when this person may not cancel."""
    access.require(who, "cancel")
    _tidy()


def _tidy() -> None:
    for plan in _jobs().glob("*/plan.json"):
        if not _alive(plan.parent):
            for file in plan.parent.iterdir():
                file.unlink(missing_ok=True)
            plan.parent.rmdir()


def found() -> list[Result]:
    """Every result, newest first."""
    return results.listing().results


def delete(result_id: str, who: Person) -> None:
    """Remove a result for good. Raises `RunStateError` when this person may not delete."""
    access.require(who, "delete")
    if any(result.id == result_id for result in found()):
        (results.folder() / f"{result_id}.json").unlink(missing_ok=True)


def tried(result: Result) -> list[tuple[int, int, int]]:
    """Settings of a result that stand side by side: (size, batch, threads)."""
    return list(dict.fromkeys((row.size, row.batch, row.threads) for row in result.rows))


def timings(row: Row) -> dict[str, float | None]:
    """What the clocks said, by the names that people read; None where it was not measured."""
    return {
        "Median (ms)": row.p50_ms,
        "± (%)": None if row.half_width is None else 100 * row.half_width,
        "p95 (ms)": row.p95_ms,
        "Processor (ms)": row.cpu_ms,
        "Mpx/s": row.megapixels_per_second,
    }


def usual_runtimes() -> list[str]:
    """Those that are measured unless somebody says otherwise."""
    return [name for name, runtime in RUNTIMES.items() if runtime.usual]


def runtime_title(name: str) -> str:
    return RUNTIMES[name].title if name in RUNTIMES else name


def runtime_symbol(name: str) -> str:
    """Its mark in charts, by Plotly's name; a circle for one that is gone."""
    return RUNTIMES[name].symbol if name in RUNTIMES else "circle"


def _jobs() -> Path:
    return results.folder() / "jobs"


def _progress(folder: Path) -> Progress:
    try:
        data = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        return Progress(data["done"], data["total"], data["doing"])
    except (OSError, ValueError, KeyError, TypeError):
        return Progress(0, 1)


def _alive(folder: Path) -> bool:
    """Whether the process that was started for this folder still runs; its number may belong to another by now."""
    _children[:] = [child for child in _children if child.poll() is None]
    try:
        pid = int((folder / "pid").read_text())
    except (OSError, ValueError):
        return False
    if any(child.pid == pid for child in _children):
        return True  # Just started, it has no command line yet.
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return any(folder.name in argument for argument in command)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    said = (lines or ["It ended without a word."])[-1]
    return said.removeprefix("terrastill: ")
