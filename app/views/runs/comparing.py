"""Several runs beside each other: their masks on Compare, or their settings against their results."""

from collections.abc import Sequence

import streamlit as st

from app import state, visitor
from app.components import say
from app.components.charts import parallel_chart
from app.services import artifacts, run_comparison, runs
from app.services.names import plain
from app.services.run_comparison import SCORE
from app.services.runs import Run
from app.views.runs.listing import PartOfList, forget_picked, picked

_MOST = 5000


def compare_runs(wanted: PartOfList) -> None:
    """The buttons for what is selected, and where it is asked for, settings against results."""
    chosen = picked()
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(chosen) > 1:
            _masks(chosen)
        if chosen:
            label = "Clear the selection" if len(chosen) == 1 else f"Clear the selection of {len(chosen)}"
            st.button(plain(label), key="clear_picked", icon=":material/deselect:", on_click=forget_picked)
        shown = st.toggle(
            "Settings against results",
            key="lines",
            bind="query-params",
            help="The selected runs; where fewer than two are selected, all that are done of those listed.",
        )
    if shown:
        with st.spinner("Reading the runs …"):
            _settings(chosen if len(chosen) > 1 else _done(wanted))


def _done(wanted: PartOfList) -> list[Run]:
    found = runs.find_runs(wanted.text, wanted.state, most=_MOST, owner=visitor.owner())
    return [run for run in found.runs if run.state == "done"]


def _masks(chosen: Sequence[Run]) -> None:
    """Students of several rows side by side; Compare takes three."""
    done = [run for run in chosen if run.state == "done"]
    why = None
    if len(chosen) > artifacts.MOST_STUDENTS:
        why = f"Compare shows {artifacts.MOST_STUDENTS} students at a time: choose fewer rows."
    elif len(done) < len(chosen):
        why = "Only runs that are done have a student: choose other rows."
    label = f"Compare the {len(chosen)} selected"
    if st.button(
        plain(label), icon=":material/compare:", key="compare_picked", disabled=why is not None, help=plain(why or "")
    ):
        link: dict[str, str | list[str]] = {state.STUDENTS: [run.id for run in chosen]}
        if teacher := next((run.teacher for run in chosen if run.teacher), None):
            link[state.TEACHER] = teacher
        st.switch_page("views/compare/page.py", query_params=link)


def _settings(found: Sequence[Run]) -> None:
    """One line a run through the settings that differ, and a table of the same, the best first."""
    if len(found) < 2:
        st.caption("Two runs or more are needed: select rows, or search for more.")
        return
    ordered = run_comparison.best_first(found)
    scored = [run for run in ordered if run.best_miou5 is not None]
    columns = run_comparison.columns(scored)
    complete = [column for column in columns if None not in column.values]
    if len(scored) > 1 and len(complete) > 1:
        lines = [(column.title, column.values) for column in complete]
        score = next(column.values for column in complete if column.title == SCORE)
        st.plotly_chart(
            parallel_chart(lines, [run.name for run in scored], score),
            key="runs_lines",
            config={"displayModeBar": False},
            alt="One line a run across its settings and its score; the table below holds the same",
        )
        st.caption("Settings that are the same in all are left out.")
    rows = [{"Run": run.name, "Id": run.id[-4:], "State": run.state.capitalize()} for run in ordered]
    for column in run_comparison.columns(ordered):
        for row, value in zip(rows, column.values, strict=True):
            row[column.title] = value
    say.table(
        rows,
        hide_index=True,
        key="runs_settings",
        height=min(38 + 35 * len(rows), 290),
        placeholder="–",
        column_config={"Run": st.column_config.TextColumn(pinned=True)},
        alt="The same runs with their settings and results, the best first",
    )
