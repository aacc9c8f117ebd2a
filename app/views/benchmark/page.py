"""Benchmark: what each model costs to run in each runtime, measured in the background, kept, and compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import caching, state, visitor
from app.components import say
from app.components.benchmark_table import benchmark_table, busy_note, machine_line, result_title
from app.components.empty import empty_state, no_models
from app.components.guard import page, plainly
from app.components.linked import linked_segments, linked_select
from app.components.report_button import report_button
from app.components.sections import sections
from app.components.sign_in import person
from app.services import artifacts, benchmarks, report_contents
from app.services.artifacts import Model
from app.services.benchmarks import Result, Row
from app.services.export_comparison import export_comparison
from app.services.names import plain
from app.services.speeds import KEPT
from app.views.benchmark.form import benchmark_form
from app.views.benchmark.job import benchmark_job
from app.views.benchmark.pareto import AXES, pareto_chart


def main() -> None:
    st.title("Benchmark", anchor=False)
    st.caption("What a model costs to run: time, memory, bytes, and the accuracy of the very file that was timed.")
    models = artifacts.models(visitor.owner())
    if not models:
        no_models()
        return
    found = [*caching.kept_results(models), *benchmarks.found(visitor.owner())]
    going, form, shown, exported = sections(4)
    with going:
        working = benchmark_job()
    with form, st.expander("Measure", icon=":material/speed:", expanded=not found and not working):
        benchmark_form(models, caching.benchmark_choices(), busy=working)
    with shown:
        if found:
            _result(found, models)
        elif not working:
            empty_state("Nothing measured yet", "Choose models and runtimes above, and press Measure.")
    with exported:
        _exports(models)


def _result(found: Sequence[Result], models: Mapping[str, Model]) -> None:
    by_id = {result.id: result for result in found}
    titles = {name: model.label for name, model in models.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = linked_select(
            "Result",
            list(by_id),
            name=state.BENCHMARK,
            always=True,
            gone="That result is gone. The newest one is shown instead.",
            title=lambda result_id: result_title(by_id[result_id]),
            width=340,
        )
        result = by_id[chosen]
        rows = _rows_of(result)
        report_button(
            lambda: report_contents.of_benchmark(result, rows, titles), name=f"benchmark-{result.id}", key="report"
        )
        if result.id != KEPT:
            _delete(result)
    with sections(1)[0]:
        if note := busy_note(result):
            say.warning(note)
    benchmark_table(rows, titles)
    say.caption(machine_line(result))
    _pareto(rows, titles, result)


def _rows_of(result: Result) -> list[Row]:
    """Those of one setting, which can be compared; a menu where there are several."""
    settings = {
        f"{size}-{batch}-{threads}": (size, batch, threads) for size, batch, threads in benchmarks.tried(result)
    }
    key = next(iter(settings))
    if len(settings) > 1:
        key = linked_select("Pictures and threads", list(settings), name=state.SETTING, title=_setting, width=260)
    return [row for row in result.rows if (row.size, row.batch, row.threads) == settings[key]]


def _setting(key: str) -> str:
    size, batch, threads = key.split("-")
    return f"{batch} × {size}², {threads} thread{'s' if threads != '1' else ''}"


def _pareto(rows: Sequence[Row], titles: Mapping[str, str], result: Result) -> None:
    st.subheader("Accuracy against cost", anchor=False)
    if not any(row.miou5 is not None and row.p50_ms is not None for row in rows):
        st.info("This result has no scores. Choose labelled images under Measure to see accuracy against cost.")
        return
    axis = linked_segments("Cost", {name: title.split(" (")[0] for name, title in AXES.items()}, name=state.AXIS)
    event: Any = st.plotly_chart(
        pareto_chart(rows, axis, titles),
        key="pareto",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"mIoU against {AXES[axis]}, a point for each file",
    )
    picked = [point.get("customdata") for point in event.selection.points]
    model = next((name[0] if isinstance(name, list) else name for name in picked if name), None)
    if model is None:
        st.caption("The dotted line joins the files that no other beats on both. Click a point to compare its model.")
    elif st.button(
        plain(f"Compare {titles.get(model, model)}"), icon=":material/compare:", type="primary", key="compare"
    ):
        teacher = result.plan.teacher
        link: dict[str, str | list[str]] = {state.STUDENTS: [model]} if model != teacher else {}
        st.switch_page("views/compare/page.py", query_params={**link, **({state.TEACHER: teacher} if teacher else {})})


def _delete(result: Result) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.write("This removes the result for good.")
        if not st.button("Delete for good", type="primary", key="delete"):
            return
        with plainly():
            benchmarks.delete(result.id, person())
            st.session_state.pop(state.BENCHMARK, None)
            st.query_params.pop(state.BENCHMARK, None)
            st.rerun()


def _exports(models: Mapping[str, Model]) -> None:
    """Every export of one model in one table; nothing where nothing was measured for the weights that are here."""
    found = export_comparison(models)
    if found is None:
        return
    with st.expander("Every export of one model", icon=":material/output:"):
        numbers = {"Processor, ms": "%.1f", "PyTorch's class, %": "%.3f", "mIoU, %": "%.2f"}
        columns = {name: st.column_config.NumberColumn(format=form) for name, form in numbers.items()}
        say.table(found.rows, hide_index=True, column_config=columns, alt="Every export of one model")
        say.caption(found.told)


if __name__ == "__main__":
    page(main)
