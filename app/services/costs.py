"""What it takes to map a country: pixels, hours, money and energy, from a measured speed. Plain arithmetic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.services.benchmarks import Row, runtime_title
from core.infer.tiling import OVERLAP, TILE


@dataclass(frozen=True)
class AreaToMap:
    """`area_km2` at `resolution_m` metres a pixel, `times` a year; windows share `overlap` of each side (0 to below 1).

    `price_an_hour` of one machine in any currency; `machines` work at once.
    """

    area_km2: float = 1000.0
    resolution_m: float = 0.3
    overlap: float = OVERLAP / TILE
    price_an_hour: float = 0.1
    machines: int = 1
    times: int = 1

    @property
    def megapixels(self) -> float:
        """All that has to go through a model in a year, what windows share counted twice."""
        return self.times * self.area_km2 / self.resolution_m**2 / (1 - self.overlap) ** 2


@dataclass(frozen=True)
class Cost:
    """Of one task, by a model in a runtime. `hours` on the clock; `kilowatt_hours` None where none are reported."""

    model: str
    runtime: str
    hours: float
    price: float
    kilowatt_hours: float | None
    cheaper: float | None
    miou5: float | None


@dataclass(frozen=True)
class Step:
    """One reason why a task costs less: `factor` times less than without it, other things being equal."""

    title: str
    between: str
    factor: float


def alike(rows: Sequence[Row], *, teacher: str | None) -> list[str]:
    """Runtimes in which the teacher and another model were both measured, in the order of the rows."""
    measured = [row for row in rows if row.megapixels_per_second]
    by_teacher = [row.runtime for row in measured if row.model == teacher]
    others = {row.runtime for row in measured if row.model != teacher}
    return [runtime for runtime in dict.fromkeys(by_teacher) if runtime in others]


def steps(rows: Sequence[Row], *, teacher: str, student: str, titles: Mapping[str, str] | None = None) -> list[Step]:
    """What a saving is made of: the smaller network in the same runtime, then the export, then INT8; each where both
    sides of it were measured. The teacher exported and quantised is last: what one gets without distilling. `titles` of
    the models; their names where there are none."""
    speed = {
        (row.model, row.runtime): row.megapixels_per_second for row in rows if row.megapixels_per_second is not None
    }
    wanted = [
        ("Distilling: the smaller network", (teacher, "pytorch"), (student, "pytorch")),
        ("Exporting it to ONNX", (student, "pytorch"), (student, "onnx")),
        ("Quantising it to INT8", (student, "onnx"), (student, "onnx-int8")),
        ("All of it together", (teacher, "pytorch"), (student, "onnx-int8")),
        ("Without distilling: the teacher in INT8", (teacher, "pytorch"), (teacher, "onnx-int8")),
    ]
    return [
        Step(title, _between(one, other, titles or {}), speed[other] / speed[one])
        for title, one, other in wanted
        if speed.get(one) and speed.get(other)
    ]


def _between(one: tuple[str, str], other: tuple[str, str], titles: Mapping[str, str]) -> str:
    """What changes from one model in its runtime to another, and what stays: `teacher → student, PyTorch`."""
    models = [titles.get(model, model) for model, _ in (one, other)]
    runtimes = [runtime_title(runtime) for _, runtime in (one, other)]
    if one[1] == other[1]:
        return f"{' → '.join(models)}, {runtimes[0]}"
    if one[0] == other[0]:
        return f"{models[0]}, {' → '.join(runtimes)}"
    return " → ".join(f"{model}, {runtime}" for model, runtime in zip(models, runtimes, strict=True))


def cost(task: AreaToMap, row: Row) -> tuple[float, float, float | None]:
    """Hours on the clock, price, kilowatt hours. `row` must have been measured."""
    assert row.megapixels_per_second
    machine_hours = task.megapixels / row.megapixels_per_second / 3600
    energy = None if row.joules_per_megapixel is None else row.joules_per_megapixel * task.megapixels / 3.6e6
    return machine_hours / task.machines, machine_hours * task.price_an_hour, energy


def costs(task: AreaToMap, rows: Sequence[Row], *, teacher: str | None) -> list[Cost]:
    """One for each model in its fastest setting of each runtime, the cheapest first; ratios to the teacher in its first
    runtime."""
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row.megapixels_per_second:
            kept = best.get((row.model, row.runtime))
            if kept is None or row.megapixels_per_second > (kept.megapixels_per_second or 0):
                best[row.model, row.runtime] = row
    reference = next((cost(task, row)[1] for row in best.values() if row.model == teacher), None)
    found = []
    for row in best.values():
        hours, price, energy = cost(task, row)
        cheaper = reference / price if reference and price else None
        found.append(Cost(row.model, runtime_title(row.runtime), hours, price, energy, cheaper, row.miou5))
    return sorted(found, key=lambda item: item.hours)
