"""A plan → its result: artefacts made and checked, timed in turns, started cold, scored."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core import checkpoint
from core.band_set import BandSet
from core.benchmark import cold, machine, turns
from core.benchmark.artefacts import Artefact, Workshop, score, weights_digest
from core.benchmark.plan import Case, Plan
from core.benchmark.results import Result, Row, new_id
from core.benchmark.runtimes import Pictures
from core.data import open_split
from core.data.scene import Scene
from core.errors import ConfigError, TerrastillError
from core.events import Cancelled, CancelledError, OnProgress, Progress

_ENERGY_SECONDS = 1.0


class _Job:
    """One plan being carried out."""

    def __init__(self, plan: Plan, folder: Path, emit: OnProgress, cancelled: Cancelled) -> None:
        self.plan, self.emit, self.cancelled = plan, emit, cancelled
        self.workshop = Workshop(folder, device=plan.device, calibration=plan.calibration)
        self.cases = plan.cases()
        self.artefacts: dict[tuple[str, str, int], Artefact] = {}
        self.problems: dict[tuple[str, str], str] = {}
        kinds = list(dict.fromkeys(case.artefact for case in self.cases))
        self.groups = [
            (setting, list(group))
            for setting, group in itertools.groupby(self.cases, key=lambda case: (case.size, case.batch, case.threads))
        ]
        self.kinds = kinds
        extra = (len(kinds) if plan.cold else 0) + (len(kinds) if plan.score else 0)
        self.total = len(kinds) + len(self.groups) + extra
        self.done = 0

    def step(self, doing: str) -> None:
        """Say what comes next."""
        if self.cancelled():
            raise CancelledError
        self.emit(Progress(self.done, self.total, doing))
        self.done += 1

    def make(self) -> None:
        """Every artefact, for each number of threads; what cannot be made is noted and left out."""
        for model, runtime in self.kinds:
            self.step(f"Preparing {model} in {runtime}")
            try:
                for threads in self.plan.threads:
                    self.artefacts[model, runtime, threads] = self.workshop.make(model, runtime, threads)
            except TerrastillError as error:
                self.problems[model, runtime] = str(error)

    def time(self) -> dict[Case, tuple[turns.Timed, float | None]]:
        """The spread of every case that could be made, and its joules a megapixel where they can be read."""
        found: dict[Case, tuple[turns.Timed, float | None]] = {}
        for (size, batch, threads), group in self.groups:
            self.step(f"Timing {batch} × {size}² on {threads} thread{'s' if threads > 1 else ''}")
            ready = {case: self.artefacts[(*case.artefact, threads)] for case in group if self._made(case)}
            pictures = {case: _pictures(size, batch, artefact.card.bands) for case, artefact in ready.items()}
            work = {case: _pass(artefact, pictures[case]) for case, artefact in ready.items()}
            for case, timed in turns.take_turns(work, self.plan, cancelled=self.cancelled).items():
                found[case] = (timed, _joules_per_megapixel(work[case], pictures[case]))
        return found

    def start_cold(self) -> dict[tuple[str, str], cold.ColdStart]:
        found = {}
        for kind in self.kinds if self.plan.cold else []:
            self.step(f"Starting {kind[0]} in {kind[1]} in a fresh process")
            if artefact := self.artefacts.get((*kind, self.plan.threads[0])):
                try:
                    found[kind] = cold.measure(
                        runtime=artefact.runtime,
                        file=artefact.file,
                        threads=artefact.threads,
                        size=self.plan.sizes[0],
                        device=self.plan.device,
                        bands=artefact.card.bands,
                    )
                except TerrastillError as error:
                    self.problems[kind] = str(error)
        return found

    def score(self, scenes: Sequence[Scene], names: tuple[str, ...]) -> dict[tuple[str, str], float]:
        """The mean over the classes of each artefact whose model tells the classes of these names apart."""
        found = {}
        for kind in self.kinds if scenes else []:
            self.step(f"Scoring {kind[0]} in {kind[1]} on {len(scenes)} pictures")
            if not (artefact := self.artefacts.get((*kind, self.plan.threads[0]))):
                continue
            if artefact.card.classes.scored_names != names:
                self.problems[kind] = f"{kind[0]} knows other classes than the labels, so it has no score on them."
            else:
                found[kind] = score(artefact, scenes).scores.miou5
        return found

    def _made(self, case: Case) -> bool:
        return (*case.artefact, case.threads) in self.artefacts


def run(
    plan: Plan,
    *,
    folder: Path,
    emit: OnProgress = lambda _: None,
    cancelled: Cancelled = lambda: False,
    benchmark_id: str | None = None,
) -> Result:
    """Measure everything in `plan`. Exported files go to `folder`, and are taken from there when they are there.

    Raises `ConfigError` for a plan that cannot be, `CheckpointError` for a model that is not there, what the data
    raises that is scored on, and `CancelledError`.
    """
    begun, load = time.time(), machine.load()
    for name in dict.fromkeys(case.model for case in plan.cases()):
        checkpoint.load_card(checkpoint.resolve(name))
    job = _Job(plan, folder, emit, cancelled)
    scenes, scored_on, names = scored_scenes(plan)
    job.make()
    timed = job.time()
    started = job.start_cold()
    miou5 = job.score(scenes, names)
    rows = [
        _row(job, case, timed.get(case), started.get(case.artefact), miou5.get(case.artefact)) for case in job.cases
    ]
    emit(Progress(job.total, job.total, "Done"))
    return Result(
        id=benchmark_id or new_id(),
        plan=plan,
        machine=machine.facts(),
        rows=tuple(_with_ratios(rows, plan)),
        created_at=begun,
        seconds=time.time() - begun,
        load_before=load,
        scored_on=scored_on,
    )


def scored_scenes(plan: Plan) -> tuple[list[Scene], str, tuple[str, ...]]:
    """The labelled scenes that a plan scores on, what to call them, and their classes. Raises as `open_split` does."""
    if plan.score is None:
        return [], "", ()
    data, split = open_split(plan.score)
    if plan.score_split not in ("train", "val", "test"):
        raise ConfigError(f"There is no split {plan.score_split}: choose train, val or test.")
    scenes: list[Scene] = getattr(split, plan.score_split)
    if not scenes:
        raise ConfigError(f"The split {plan.score_split} of {data.dataset.name} is empty: choose another one.")
    told = f"{data.dataset.name}, {plan.score_split}: {len(scenes)} pictures"
    return scenes, told, data.dataset.classes.scored_names


def _pictures(size: int, batch: int, bands: BandSet) -> Pictures:
    drawn = np.random.default_rng(0).integers(0, 256, (batch, size, size, len(bands)), dtype=np.uint8)
    return drawn.astype(bands.depth, copy=False)


def _pass(artefact: Artefact, pictures: Pictures) -> Callable[[], object]:
    return lambda: artefact.run(pictures)


def _joules_per_megapixel(run: Callable[[], object], pictures: Pictures) -> float | None:
    """Of the whole processor, while this alone is repeated for a second."""
    before = machine.read_energy()
    if before is None:
        return None
    begun, passes = time.perf_counter(), 0
    while time.perf_counter() - begun < _ENERGY_SECONDS:
        run()
        passes += 1
    spent = machine.joules(before, machine.read_energy())
    return None if spent is None else spent / (passes * pictures[..., 0].size / 1e6)


def _row(
    job: _Job,
    case: Case,
    timed: tuple[turns.Timed, float | None] | None,
    started: cold.ColdStart | None,
    miou5: float | None,
) -> Row:
    known: dict[str, Any] = {"problem": job.problems.get(case.artefact)}
    artefact = job.artefacts.get((*case.artefact, case.threads))
    if artefact is not None:
        macs = round(artefact.card.macs_256 * case.batch * (case.size / 256) ** 2)
        known |= {"parameters": artefact.card.parameters, "macs": macs, "bytes": artefact.bytes}
        known |= {"weights": weights_digest(artefact.model)}
    if timed is not None:
        spread, joules = timed[0].spread, timed[1]
        pixels = case.batch * case.size**2 / 1e6
        known |= {"p50_ms": spread.p50_ms, "p95_ms": spread.p95_ms, "low_ms": spread.low_ms, "high_ms": spread.high_ms}
        known |= {"repeats": spread.repeats, "cpu_ms": timed[0].cpu_ms, "joules_per_megapixel": joules}
        known |= {"others": timed[0].others}
        known |= {"megapixels_per_second": pixels / max(spread.p50_ms / 1000, 1e-9)}
    if started is not None and case.size == job.plan.sizes[0]:
        known |= {"cold_ms": started.cold_ms, "peak_memory_mb": started.peak_memory_mb}
        known |= {"device_memory_mb": started.device_memory_mb}
    if miou5 is not None and miou5 == miou5:
        known["miou5"] = miou5
    return Row(case.model, case.runtime, case.size, case.batch, case.threads, **known)


def _with_ratios(rows: Sequence[Row], plan: Plan) -> list[Row]:
    """Each row with the teacher's latency and bytes over its own: the teacher in the plan's first runtime."""
    reference = {
        (row.size, row.batch, row.threads): row
        for row in rows
        if row.model == plan.teacher and row.runtime == plan.runtimes[0]
    }
    found = []
    for row in rows:
        other = reference.get((row.size, row.batch, row.threads))
        faster = other.p50_ms / row.p50_ms if other and other.p50_ms and row.p50_ms else None
        smaller = other.bytes / row.bytes if other and other.bytes and row.bytes else None
        found.append(replace(row, faster=faster, smaller=smaller))
    return found
