"""How long a model takes on this machine: measured once for each runtime, kept, and the same on every page.

The kept figure of a model is a row of a benchmark (`core.benchmark.results`): one picture of `SIDE`² from its bytes to
its logits, on one thread of the processor. Every benchmark of that setting adds to the choice, whoever started it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.services.artifacts import Model, weights
from app.services.benchmarks import Result, Row, runtime_title
from core import paths
from core.benchmark import machine, results
from core.benchmark.plan import Plan
from core.errors import BenchmarkError

SIDE = 512
USUAL = "pytorch"
QUIET = 0.25
"""With so many cores kept busy by others, or fewer, a figure counts as measured on an idle machine."""
_PATIENCE_SECONDS = 300.0
_AGAIN_SECONDS = 1800.0
# One at a time: two would disturb each other. The second finds what the first has kept.
_MEASURING = threading.Lock()
_tried: dict[tuple[str, ...], float] = {}


@dataclass(frozen=True)
class Speed:
    """The figure that pages show, of `repeats` passes in milliseconds; `row` is where it stands in a benchmark.

    `half_width` is half the 95 % interval of the median, as a share of it. `disturbed`: others worked on the machine
    meanwhile, or nobody knows.
    """

    runtime: str
    latency_ms: float
    half_width: float
    p95_ms: float
    megapixels_per_second: float
    processor: str
    repeats: int
    disturbed: bool
    row: Row

    @property
    def where(self) -> str:
        """`PyTorch, one thread of Intel Xeon`."""
        return f"{runtime_title(self.runtime)}, one thread of {_short(self.processor)}"

    @property
    def within(self) -> str:
        """`± 3 %`."""
        return f"± {max(1, round(100 * self.half_width))} %"


def _short(processor: str) -> str:
    """`Intel(R) Xeon(R) CPU @ 2.20GHz` → `Intel Xeon`."""
    plain = re.sub(r"\((?:R|TM)\)|(?:\bCPU )?@.*|\b\d+-Core\b|\bProcessor\b", "", processor)
    return " ".join(plain.split()) or processor


def speed_of(row: Row, result: Result) -> Speed | None:
    """What a row of a benchmark says of a model; None where it is not of the setting that pages show."""
    if (row.size, row.batch, row.threads, result.plan.device) != (SIDE, 1, 1, "cpu") or row.p50_ms is None:
        return None
    # The load beforehand tells where a benchmark did not yet count what others did meanwhile.
    others = result.load_before if row.others is None else row.others
    return Speed(
        runtime=row.runtime,
        latency_ms=row.p50_ms,
        half_width=row.half_width or 0.0,
        p95_ms=row.p95_ms or row.p50_ms,
        megapixels_per_second=row.megapixels_per_second or 0.0,
        processor=str(result.machine.get("processor", "an unknown processor")),
        repeats=row.repeats,
        disturbed=others is None or others > QUIET,
        row=row,
    )


def kept(model: Model) -> dict[str, Speed]:
    """The figures of a model by runtime: measured on an idle machine where there are such, the newest of those."""
    digest, found = weights(model), dict[str, Speed]()
    if not digest:
        return found
    here = machine.processor()
    for result in results.listing().results:
        if result.machine.get("processor") != here:
            continue
        for row in result.rows:
            speed = speed_of(row, result) if row.weights == digest else None
            if speed is None:
                continue
            before = found.get(row.runtime)
            if before is None or (before.disturbed and not speed.disturbed):
                found[row.runtime] = speed
    return found


KEPT = "kept"


def kept_result(found: Sequence[tuple[Model, dict[str, Speed]]]) -> Result | None:
    """What pages show of these models, as one result of id `KEPT`; None where nothing was measured.

    Ratios refer to the first model in its first runtime.
    """
    measured = [speed.row for _, by_runtime in found for _, speed in sorted(by_runtime.items())]
    if not measured:
        return None
    teacher = found[0][0].name
    first = next((row for row in measured if row.model == teacher and row.runtime == USUAL), None)
    rows = tuple(_against(row, first) for row in measured)
    busy = any(speed.disturbed for _, by_runtime in found for speed in by_runtime.values())
    names = tuple(dict.fromkeys(row.model for row in rows))
    plan = Plan(names, teacher=teacher if first else None, sizes=(SIDE,))
    return Result(KEPT, plan, machine.facts(), rows, load_before=1.0 if busy else 0.0)


def _against(row: Row, first: Row | None) -> Row:
    if first is None or not first.p50_ms or not row.p50_ms:
        return replace(row, faster=None, smaller=None)
    return replace(row, faster=first.p50_ms / row.p50_ms, smaller=first.bytes / row.bytes if row.bytes else None)


def measure(models: Sequence[Model], runtimes: Sequence[str] = (USUAL,), *, training: bool = False) -> None:
    """Measure, in a process of its own, what has no kept figure yet, and what was disturbed when it was measured.

    The models take turns. While a run trains (`training`), or for half an hour after a disturbed try, what is there
    is good enough. Raises `BenchmarkError`.
    """
    with _MEASURING:
        found = {model.name: kept(model) for model in models}
        if not due(models, runtimes, found=found, training=lambda: training):
            return
        _tried[_asked(models, runtimes)] = time.monotonic()
        _run([model.name for model in models], runtimes)


def due(
    models: Sequence[Model],
    runtimes: Sequence[str],
    *,
    found: Mapping[str, Mapping[str, Speed]],
    training: Callable[[], bool],
) -> bool:
    """Whether `measure` would measure, given what `found` holds by model and runtime. Reads no file."""
    wanted = [found[model.name].get(name) for model in models for name in runtimes]
    if None in wanted:
        return True
    waited = time.monotonic() - _tried.get(_asked(models, runtimes), float("-inf")) > _AGAIN_SECONDS
    disturbed = any(one is not None and one.disturbed for one in wanted)
    return disturbed and waited and _idle() and not training()


def _asked(models: Sequence[Model], runtimes: Sequence[str]) -> tuple[str, ...]:
    return (*(model.identity for model in models), *runtimes)


def _run(models: Sequence[str], runtimes: Sequence[str]) -> None:
    careful: dict[str, Any] = {"confidence": 0.05, "fewest": 8, "seconds": 8.0}
    plan = Plan(models=tuple(models), runtimes=tuple(runtimes), sizes=(SIDE,), cold=False, **careful)
    with tempfile.TemporaryDirectory() as folder:
        order = Path(folder) / "plan.json"
        order.write_text(json.dumps(plan.to_json()), encoding="utf-8")
        command = [sys.executable, "-m", "core", "benchmark", "--config", str(order)]
        environment = {**os.environ, "TERRASTILL_HOME": str(paths.home())}
        try:
            done = subprocess.run(
                command, cwd=paths.ROOT, env=environment, capture_output=True, text=True, timeout=_PATIENCE_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(
                "Measuring the speed took too long: try again when the machine is less busy."
            ) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["It ended without a word."])[-1]
        raise BenchmarkError(f"The speed could not be measured: {said.removeprefix('terrastill: ')}")


def _idle() -> bool:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return load < 2 * QUIET
