"""Cost: time, money and energy to map an area, for teacher and student, from measured speeds."""

from collections.abc import Sequence

import streamlit as st

from app import state
from app.components import say
from app.components.benchmark_table import busy_note, result_title
from app.components.cost_table import cost_table, headline
from app.components.empty import empty_state
from app.components.guard import page
from app.components.linked import linked_select
from app.services import artifacts, benchmarks, costs
from app.services.benchmarks import Result


def main() -> None:
    st.title("Cost", anchor=False)
    st.caption("What it takes to map an area, from speeds that were measured on this machine.")
    found = [result for result in benchmarks.found() if any(row.megapixels_per_second for row in result.rows)]
    if not found:
        empty_state("No speeds yet", "Measure a teacher and a student on Benchmark first.", icon=":material/speed:")
        if st.button("Go to Benchmark", icon=":material/speed:", type="primary"):
            st.switch_page("views/benchmark.py")
        return
    result = _choose(found)
    task = _task()
    rows = costs.costs(task, result.rows, teacher=result.plan.teacher)
    titles = {name: model.label for name, model in artifacts.models().items()}
    if note := busy_note(result):
        say.warning(note)
    headline(rows, result.plan.teacher, titles)
    cost_table(rows, titles)
    _notes(task, result, any(row.kilowatt_hours is not None for row in rows))


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
    first, second, third, fourth = st.columns(4)
    area = first.number_input(
        "Area (km²)", 0.01, 100_000_000.0, usual.area_km2, key="area", bind="query-params", format="%.6g"
    )
    resolution = second.number_input(
        "Ground resolution (m/pixel)", 0.01, 30.0, usual.resolution_m, step=0.05, key="resolution", bind="query-params"
    )
    price = third.number_input(
        "Price of a machine an hour", 0.0, 1000.0, usual.price_an_hour, step=0.05, key="price", bind="query-params"
    )
    machines = fourth.number_input("Machines", 1, 10_000, usual.machines, key="machines", bind="query-params")
    return costs.AreaToMap(area, resolution, usual.overlap, price, int(machines))


def _notes(task: costs.AreaToMap, result: Result, energy: bool) -> None:
    notes = [
        f"{task.megapixels:,.0f} megapixels, what windows of 512² share (64 pixels) included.",
        "Price in the currency that you gave it in, for the models alone: reading and writing images comes on top.",
        f"Speeds: {result.machine.get('processor', 'unknown processor')}, the fastest setting of each runtime.",
    ]
    if not energy:
        notes.append("This machine does not report its energy.")
    say.caption(" ".join(notes))


page(main)
