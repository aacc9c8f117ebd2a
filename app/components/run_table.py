"""Runs as a table, and the small words that every view of a run uses."""

import datetime
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import state
from app.components.forecast import duration
from app.services.runs import Run
from app.services.ways import in_words

STATES = {
    "queued": ("Queued", "gray", ":material/schedule:"),
    "running": ("Running", "blue", ":material/play_circle:"),
    "done": ("Done", "green", ":material/check_circle:"),
    "failed": ("Failed", "red", ":material/error:"),
    "cancelled": ("Cancelled", "orange", ":material/block:"),
}
_TABLE = "runs_table"


def run_table(runs: Sequence[Run]) -> None:
    """All runs, newest first; choosing a row selects that run for the page."""
    ids = [run.id for run in runs]

    def choose() -> None:
        if rows := st.session_state[_TABLE].selection.rows:
            st.session_state[state.RUN] = ids[rows[0]]

    st.dataframe(
        [_row(run) for run in runs],
        hide_index=True,
        key=_TABLE,
        height=min(38 + 35 * len(runs), 290),
        on_select=choose,
        selection_mode="single-row",
        column_config={
            "Run": st.column_config.TextColumn(pinned=True),
            "mIoU": st.column_config.NumberColumn(format="%.1f %%", help="Best on the validation images."),
        },
        placeholder="–",
        alt="All runs with their state and score",
    )


def state_badge(run: Run) -> None:
    label, colour, icon = STATES[run.state]
    if run.state == "running" and run.cancel_requested:
        label, colour, icon = "Stopping", "orange", ":material/block:"
    st.badge(label, color=colour, icon=icon)


def settings_line(run: Run) -> str:
    """`U-Net 4 from teacher · Soft targets · temperature 2 · alpha 0.5 · 12 epochs · samples · seed 0`."""
    parts = [run.student if run.teacher is None else f"{run.student} from {run.teacher}"]
    if run.control_of:
        parts.append("labels only")
    if run.temperature is not None and run.alpha is not None:
        parts += [in_words(run.losses), f"temperature {run.temperature:g}", f"alpha {run.alpha:g}"]
    if not run.control_of:
        parts.append(f"{run.epochs} epochs")
    return " · ".join([*parts, run.dataset, f"seed {run.seed}", run.id])


def run_label(run: Run) -> str:
    """For the menu of runs. It holds nothing that changes: the menu would take a changed title for another entry."""
    return f"{run.name} · {run.id[-4:]}"


def _row(run: Run) -> dict[str, Any]:
    started = run.started_at or run.created_at
    seconds = (run.finished_at or started) - started
    return {
        "Run": run.name,
        "State": STATES[run.state][0],
        "mIoU": None if run.best_miou5 is None else 100 * run.best_miou5,
        "Student": run.student,
        "Teacher": run.teacher or "none",
        "Dataset": run.dataset,
        "Took": duration(seconds) if run.finished_at else "",
        "Created": datetime.datetime.fromtimestamp(run.created_at).strftime("%d %b %H:%M"),
    }
