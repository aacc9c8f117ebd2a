"""Benchmarks: queued as runs of their own kind, followed, and read back when they are done."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.services import access, own_datasets, own_models, progress, workers
from app.services.access import Person
from app.services.artifacts import require_known
from app.services.stores import is_shown, open_store
from core.benchmark import results
from core.benchmark.plan import Plan
from core.benchmark.results import Result as Result
from core.benchmark.results import Row as Row
from core.benchmark.runtimes import RUNTIMES
from core.config import DataConfig
from core.errors import CheckpointError
from core.events import Progress
from core.runs.store.records import JobRequest, RunKind, RunState

SIZES, BATCHES = (256, 512, 1024), (1, 4, 16)
CAREFUL = {"Quick": (0.1, 8, 6.0), "Careful": (0.03, 20, 30.0)}
"""How well a median must be known (half its interval at 95 %), fewest repeats, most seconds a case."""
_KIND = (RunKind.BENCHMARK,)
_STOPPED = "The benchmark was stopped before it was finished; nothing was kept."


@dataclass(frozen=True)
class Choices:
    """What this machine offers: runtimes by name with why not (None: it works), thread counts, labelled data."""

    runtimes: dict[str, str | None]
    threads: tuple[int, ...]
    labelled: dict[str, str]


@dataclass(frozen=True)
class Job:
    """A benchmark that is not in the list of results yet: at work, or ended with a problem."""

    id: str
    running: bool
    progress: Progress
    problem: str | None


def choices() -> Choices:
    """What this machine can do is asked once a server; datasets may come and go (`labelled`)."""
    cores = os.cpu_count() or 1
    threads = tuple(sorted({1, *(2**power for power in range(1, 8) if 2**power < cores), cores}))
    return Choices({name: runtime.unavailable("cpu") for name, runtime in RUNTIMES.items()}, threads, labelled())


def labelled(owner: str | None = None) -> dict[str, str]:
    """The titles of the labelled data that is here now and that this visitor may use, by name, and `none`."""
    found = {"none": "No scores"}
    for name, dataset in own_datasets.visible(owner).items():
        if dataset.classes.outputs and dataset.is_here():
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
    """Queue it and give its id. Raises `RunStateError` while another one runs, `ConfigError` and `CheckpointError`."""
    require_known(teacher, *models, owner=who.folder)
    if labelled != "none":
        own_datasets.require_visible(labelled, who.folder)
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
        return _launch(plan, who)


def _launch(plan: Plan, who: Person) -> str:
    _tidy()
    private = not all(map(own_models.is_shared, plan.everyone))
    settings = {"plan": plan.to_json(), "owner": who.folder if private else ""}
    job = JobRequest(RunKind.BENCHMARK, settings, "Benchmark")
    made = open_store().add_job(job, most=1, launched_by=who.key)
    workers.ensure_worker()
    return made.id


def job(owner: str | None = None) -> Job | None:
    """The benchmark that was started last, until its result is in the list. Raises `StoreError`.

    What another's private one does is not told, nor its problem (`stores.is_shown`).
    """
    store = open_store()
    record = next(iter(store.list(kinds=_KIND)), None)
    if record is None or record.state == RunState.DONE:
        return None
    problem = _STOPPED if record.state == RunState.CANCELLED else record.error
    running = not record.state.final
    now = progress.read_job(record.id).progress
    if not is_shown(record, owner):
        now = replace(now, doing="Another visitor's models")
        problem = problem and "A benchmark of another visitor's models ended without a result."
    return Job(record.id, running, now, None if running else problem)


def cancel(job_id: str, who: Person) -> None:
    """Ask it to stop; it does so before its next pass. Raises `RunStateError` when this person may not cancel."""
    record = next((one for one in open_store().list(kinds=_KIND) if one.id == job_id), None)
    access.require(who, "cancel", launched_by=record.launched_by if record else "")
    if record is not None and not record.state.final:
        open_store().request_cancel(job_id)


def dismiss(who: Person) -> None:
    """Throw away what is left of benchmarks that ended. Raises `RunStateError` when this person may not cancel."""
    access.require(who, "cancel")
    _tidy()


def _tidy() -> None:
    """Remove the runs of benchmarks that ended; their results stay."""
    for record in open_store().list(kinds=_KIND):
        if record.state.final:
            open_store().delete(record.id)


def found(owner: str | None = None) -> list[Result]:
    """Every result, newest first, but those of models that are another's alone than `owner`'s."""
    return [one for one in results.listing().results if _may_see(one, owner)]


def _may_see(result: Result, owner: str | None) -> bool:
    """One of private models is its visitor's, until all of these are shared."""
    if result.owner in ("", owner):
        return True
    try:
        require_known(*result.plan.everyone, owner=owner)
    except CheckpointError:
        return False
    return True


def delete(result_id: str, who: Person) -> None:
    """Remove a result for good. Raises `RunStateError` when this person may not delete."""
    access.require(who, "delete")
    if any(result.id == result_id for result in found(who.folder)):
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
