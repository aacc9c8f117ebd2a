"""What a student costs, known before it is trained: its size, and how long its exported file takes on this machine."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.benchmark import machine, turns
from core.benchmark.plan import Plan
from core.benchmark.runtimes import RUNTIMES
from core.config import ModelConfig, RunConfig
from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.search.space import model_of
from core.search.study_plan import GOALS, LIMITED, SearchPlan, StudentLimits

FIGURES_FILE = "figures.json"
"""What was measured of the students, in the folder of the search."""
_CALIBRATION_TILES = 8
_QUIET = 0.25
"""With so many cores kept busy by others, or fewer, a machine counts as idle."""
_UNITS = {"latency": "ms", "parameters": "parameters", "bytes": "MB", "memory": "MB", "macs": "MACs"}


@dataclass(frozen=True)
class Figures:
    """Of one student: `macs` at 256², `megabytes` of the file that the runtime reads, `latency_ms` the median of
    `repeats` passes with half its 95 % interval as a share of it, `memory_mb` of a fresh process. None: not asked for.
    `disturbed`: others kept the machine busy meanwhile, so `latency_ms` is the processor's time for a pass on one
    thread, which waiting for them does not lengthen.
    """

    parameters: int
    macs: int
    megabytes: float | None = None
    latency_ms: float | None = None
    half_width: float | None = None
    repeats: int = 0
    memory_mb: float | None = None
    machine: str = ""
    disturbed: bool = False

    def value(self, goal: str) -> float | None:
        """What counts for one of `GOALS`; None for accuracy, and for what was not measured."""
        known: Mapping[str, float | None] = {
            "latency": self.latency_ms,
            "parameters": self.parameters,
            "bytes": self.megabytes,
            "memory": self.memory_mb,
            "macs": self.macs,
        }
        return known.get(goal)

    def over(self, limits: StudentLimits) -> list[str]:
        """Each limit that this student does not meet, in words: `31.4 ms of at most 20`."""
        found = []
        for goal, name in LIMITED.items():
            most, value = getattr(limits, name), self.value(goal)
            if most is not None and value is not None and value > most:
                found.append(f"{_above(value, most)} {_UNITS[goal]} of at most {_number(most)}")
        return found


Measure = Callable[..., dict[str, Figures]]
"""`measure_sizes`, or a test's own."""


def measure_sizes(
    plan: SearchPlan,
    *,
    emit: OnProgress = lambda _: None,
    cancelled: Cancelled = lambda: False,
    known: Mapping[str, Figures] | None = None,
) -> dict[str, Figures]:
    """The figures of every size of a plan, each worked out or measured once; those in `known` are taken over.

    Latency is that of a fresh network of that size: what its weights are does not change it. Raises `ExportError`,
    `ModelError` and `CancelledError`.
    """
    from core.data.datasets import dataset_of

    outputs = dataset_of(plan.config.data).classes.outputs
    found = dict(known or {})
    missing = [size for size in plan.sizes if size not in found or not _known(found[size], plan)]
    for at, size in enumerate(missing):
        if cancelled():
            raise CancelledError
        emit(Progress(at, len(missing), f"Measuring {size}"))
        found[size] = _measure(_model(plan.config, size), plan, outputs)
    return {size: found[size] for size in plan.sizes}


def _known(figures: Figures, plan: SearchPlan) -> bool:
    """Whether all that the plan asks of a student was measured: a limit can be added when a search is continued."""
    return all(figures.value(goal) is not None for goal in plan.needed)


def _model(base: RunConfig, size: str) -> ModelConfig:
    return base.model if size == base.model.architecture else model_of(size)


def _measure(config: ModelConfig, plan: SearchPlan, outputs: int) -> Figures:
    from core.models import build_model, count_macs, count_parameters, without_pretraining

    model = build_model(without_pretraining(config), outputs=outputs).eval()
    plain: dict[str, Any] = {"parameters": count_parameters(model), "macs": count_macs(model)}
    if not {"latency", "bytes", "memory"} & set(plan.needed):
        return Figures(**plain)
    with tempfile.TemporaryDirectory() as folder:
        file = _file(model, config, plan, outputs, Path(folder))
        more: dict[str, Any] = {"megabytes": file.stat().st_size / 1e6, "machine": machine.processor()}
        if "latency" in plan.needed:
            more |= _latency(file, plan)
        if "memory" in plan.needed:
            from core.benchmark import cold

            started = cold.measure(runtime=plan.runtime, file=file, threads=plan.threads, size=plan.side, device="cpu")
            more["memory_mb"] = started.peak_memory_mb
        return Figures(**plain, **more)


def _file(model: Any, config: ModelConfig, plan: SearchPlan, outputs: int, folder: Path) -> Path:
    """The file that the runtime of the plan reads, of this network."""
    from core import checkpoint
    from core.cards import ModelCard
    from core.data.datasets import dataset_of
    from core.models import without_pretraining
    from core.models.pretrained import LITE_MEAN, LITE_STD

    del outputs
    classes = dataset_of(plan.config.data).classes
    card = ModelCard("student", without_pretraining(config), classes, LITE_MEAN, LITE_STD, parameters=0, macs_256=0)
    kind = RUNTIMES[plan.runtime].file
    if kind == "checkpoint":
        checkpoint.save(folder / "student", model, card)
        return folder / "student.safetensors"
    from core.export.graph import to_onnx

    made = to_onnx(model, card)
    if kind == "int8":
        from core.export.parity import training_tiles
        from core.export.quantise import quantise

        made = quantise(made, training_tiles(plan.config.data, count=_CALIBRATION_TILES))
    file = folder / "student.onnx"
    file.write_bytes(made.SerializeToString())
    return file


def _latency(file: Path, plan: SearchPlan) -> dict[str, Any]:
    run = RUNTIMES[plan.runtime].open(file, plan.threads, "cpu")
    picture = np.random.default_rng(0).integers(0, 256, (1, plan.side, plan.side, 3), dtype=np.uint8)
    care = Plan(models=("student",), confidence=0.05, fewest=8, most=100, seconds=6.0)
    timed = turns.take_turns({"student": lambda: run(picture)}, care)["student"]
    found = {"latency_ms": timed.spread.p50_ms, "half_width": timed.spread.half_width, "repeats": timed.spread.repeats}
    if timed.others <= _QUIET or plan.threads > 1:
        return found
    return {**found, "latency_ms": min(timed.spread.p50_ms, timed.cpu_ms), "disturbed": True}


def to_json(figures: Mapping[str, Figures]) -> str:
    return json.dumps({size: asdict(one) for size, one in figures.items()}, indent=2)


def from_json(text: str) -> dict[str, Figures]:
    """What `to_json` wrote; nothing where it cannot be read, so that it is measured again."""
    try:
        return {size: Figures(**values) for size, values in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def allowed(figures: Mapping[str, Figures], limits: StudentLimits) -> list[str]:
    """The sizes that meet every limit that is known before training."""
    return [size for size, one in figures.items() if not one.over(limits)]


def none_fits(figures: Mapping[str, Figures], limits: StudentLimits) -> str:
    """What to say where no size meets the limits: which comes nearest, and what to change."""
    size, nearest = min(figures.items(), key=lambda item: (len(item[1].over(limits)), item[1].macs))
    reasons = ", ".join(nearest.over(limits))
    who = f"None of {len(figures)} students meets" if len(figures) > 1 else "The one student does not meet"
    return (
        f"{who} the limits: {size} comes nearest with {reasons}. Raise the limit or name smaller ones, then continue."
    )


def in_words(goal: str, value: float | None) -> str:
    """`14.2 ms`; a dash where it is not known. Accuracy is a fraction."""
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if GOALS[goal].more else f"{_number(value)} {_UNITS[goal]}"


def _number(value: float) -> str:
    if value >= 999.5 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.2e}"


def _above(value: float, most: float) -> str:
    """A value that is over a limit, with as many digits as show that it is."""
    if _number(value) != _number(most):
        return _number(value)
    return next((text for digits in range(4, 17) if float(text := f"{value:.{digits}g}") > most), repr(value))
