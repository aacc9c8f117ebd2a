"""Cost: time, money and energy to map an area, for teacher and student, from measured speeds."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app import caching, state, visitor
from app.components import say
from app.components.benchmark_table import busy_note, result_title
from app.components.empty import empty_state
from app.components.guard import page, plainly
from app.components.linked import linked_segments, linked_select
from app.components.sections import sections
from app.services import artifacts, benchmarks, costs, speeds, workers
from app.services.artifacts import Model
from app.services.benchmarks import Result, runtime_title
from app.services.scenarios import SCENARIOS
from app.views.cost.table import cost_table, headline, step_table

_ALL = "all"


def main() -> None:
    st.title("Cost", anchor=False)
    st.caption("What a year of mapping costs, from speeds that were measured on this machine.")
    models = artifacts.models(visitor.owner())
    found = _measured(models)
    usual = tuple(models[name] for name in (artifacts.USUAL_TEACHER, *artifacts.USUAL_STUDENTS[:1]) if name in models)
    if not found and len(usual) > 1:
        with plainly(), st.spinner("Measuring both models on this machine, once …"):
            caching.measured_speeds(usual)
        found = _measured(models)
    if not found:
        empty_state("No speeds yet", "Measure a teacher and a student on Benchmark first.", icon=":material/speed:")
        if st.button("Go to Benchmark", icon=":material/speed:", type="primary"):
            st.switch_page("views/benchmark/page.py")
        return
    titles = {name: model.label for name, model in models.items()}
    task = _task()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        result = _choose(found)
        teacher = result.plan.teacher
        same = costs.alike(result.rows, teacher=teacher)
        choices = {**{name: runtime_title(name) for name in same}, _ALL: "Any runtime"}
        runtime = linked_segments(
            "Both sides in", choices, name=state.RUNTIME, help="Like is compared with like where both run in one."
        )
    rows = [row for row in result.rows if runtime == _ALL or row.runtime == runtime]
    shown = costs.costs(task, rows, teacher=teacher)
    with sections(1)[0]:
        if note := busy_note(result):
            say.warning(note)
    headline(shown, teacher, {name: model.title for name, model in models.items()})
    cost_table(shown, titles)
    _steps(result, shown, models)
    _notes(task, result, any(row.kilowatt_hours is not None for row in shown))


def _measured(models: dict[str, Model]) -> list[Result]:
    """What every page shows, then what was measured on Benchmark; without those that have no speeds."""
    found = [*caching.kept_results(models), *benchmarks.found(visitor.owner())]
    return [result for result in found if any(row.megapixels_per_second for row in result.rows)]


def _choose(found: Sequence[Result]) -> Result:
    by_id = {result.id: result for result in found}
    chosen = linked_select(
        "Measured",
        list(by_id),
        name=state.BENCHMARK,
        title=lambda result_id: result_title(by_id[result_id]),
        width=340,
    )
    return by_id[chosen]


def _task() -> costs.AreaToMap:
    usual = costs.AreaToMap()
    first, second, third, fourth, fifth, sixth = st.columns([1.4, 1.2, 1.2, 0.9, 1.2, 0.9])
    with first:
        name = linked_select(
            "Map",
            list(SCENARIOS),
            name=state.SCENARIO,
            title=lambda name: SCENARIOS[name].title,
            on_change=_take_over,
        )
    start = SCENARIOS[name]
    area = second.number_input(
        "Area (km²)", 0.01, 100_000_000.0, float(start.area_km2), key="area", bind="query-params", format="%.6g"
    )
    resolution = third.number_input(
        "Metres a pixel", 0.01, 30.0, start.resolution_m, step=0.05, key="resolution", bind="query-params"
    )
    times = fourth.number_input("Times a year", 1, 366, start.times, key="times", bind="query-params")
    price = fifth.number_input(
        "Price of a machine an hour", 0.0, 1000.0, usual.price_an_hour, step=0.05, key="price", bind="query-params"
    )
    machines = sixth.number_input("Machines", 1, 10_000, usual.machines, key="machines", bind="query-params")
    return costs.AreaToMap(area, resolution, usual.overlap, price, int(machines), int(times))


def _take_over() -> None:
    """Another scenario brings its own numbers; they can be changed afterwards."""
    for name in ("area", "resolution", "times"):
        st.session_state.pop(name, None)
        st.query_params.pop(name, None)


def _steps(result: Result, shown: Sequence[costs.Cost], models: Mapping[str, Model]) -> None:
    """Where the saving comes from, for the cheapest student."""
    teacher = result.plan.teacher
    student = next((row.model for row in shown if row.model != teacher), None)
    if teacher is None or student is None:
        return
    st.subheader("Where the saving comes from", anchor=False)
    titles = {name: model.title for name, model in models.items()}
    found = costs.steps(result.rows, teacher=teacher, student=student, titles=titles)
    step_table(found)
    exported = any(row.runtime == "onnx-int8" and row.model == student for row in result.rows)
    if exported or not {teacher, student} <= models.keys():
        return
    say.caption("Only PyTorch has been measured: exporting and quantising the models comes on top.")
    if st.button("Measure the exported models too", icon=":material/speed:", key="measure_exported"):
        with plainly(), st.spinner("Exporting both models and measuring them, about a minute …"):
            pair = (models[teacher], models[student])
            speeds.measure(pair, benchmarks.usual_runtimes(), training=workers.training())
            caching.kept_speeds.clear()
            st.rerun()


def _notes(task: costs.AreaToMap, result: Result, energy: bool) -> None:
    notes = [
        f"{task.megapixels:,.0f} megapixels a year, what windows of 512² share (64 pixels) included.",
        "Price in the currency that you gave it in, for the models alone: reading and writing images comes on top.",
        f"Speeds: {result.machine.get('processor', 'unknown processor')}, the fastest setting of each runtime.",
    ]
    if not energy:
        notes.append("This machine does not report its energy.")
    say.caption(" ".join(notes))


if __name__ == "__main__":
    page(main)
