"""Runs as a table, and the small words that every view of a run uses."""

import datetime
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import state
from app.components import say
from app.components.forecast import duration
from app.components.guard import plainly
from app.services import runs
from app.services.names import plain
from app.services.runs import Run
from core.losses.catalogue import in_words

STATES: dict[str, tuple[str, say.BadgeColour, str]] = {
    "queued": ("Queued", "gray", ":material/schedule:"),
    "running": ("Running", "blue", ":material/play_circle:"),
    "done": ("Done", "green", ":material/check_circle:"),
    "failed": ("Failed", "red", ":material/error:"),
    "cancelled": ("Cancelled", "orange", ":material/block:"),
}
TICK_SECONDS = 1.5
_TABLE = "runs_table"
_CHOSEN = "runs_table_chosen"
_PICKED = "runs_table_picked"


def run_table(found: Sequence[Run]) -> None:
    """All runs, newest first; drawn again every `TICK_SECONDS` while one is active.

    Choosing a row selects that run for the page: draw the table before the menu of runs. Several rows may be chosen;
    `picked` gives them.
    """
    if (chosen := st.session_state.pop(_CHOSEN, None)) is not None:
        st.session_state[state.RUN] = chosen
    live = any(run.active for run in found)
    st.fragment(run_every=TICK_SECONDS if live else None)(draw_table)(live)


def picked(found: Sequence[Run]) -> list[Run]:
    """The runs whose rows are chosen, as long as they are there."""
    by_id = {run.id: run for run in found}
    return [by_id[run_id] for run_id in st.session_state.get(_PICKED, []) if run_id in by_id]


def draw_table(live: bool) -> None:
    """The runs as they are now. `live` says whether any was active when the page was drawn."""
    with plainly():
        found = runs.list_runs()
        _table(found)
        if live != any(run.active for run in found) or _CHOSEN in st.session_state:
            # The page decides whether this part is drawn again, and what stands below it.
            st.rerun()


def _table(found: Sequence[Run]) -> None:
    ids = [run.id for run in found]

    def choose() -> None:
        before, now = st.session_state.get(_PICKED, []), [ids[row] for row in st.session_state[_TABLE].selection.rows]
        st.session_state[_PICKED] = now
        if now:
            # Of several, the one that was just added is looked at.
            st.session_state[_CHOSEN] = next((run_id for run_id in now if run_id not in before), now[0])

    say.table(
        [_row(run) for run in found],
        hide_index=True,
        key=_TABLE,
        height=min(38 + 35 * len(found), 290),
        on_select=choose,
        selection_mode="multi-row",
        column_config={
            "Run": st.column_config.TextColumn(pinned=True),
            "Pinned": st.column_config.TextColumn(help="A pinned run is never deleted to make room."),
            "mIoU": st.column_config.NumberColumn(format="%.1f %%", help="Best on the validation images."),
        },
        placeholder="–",
        alt="All runs with their state and score",
    )


def state_badge(run: Run) -> None:
    label, colour, icon = STATES[run.state]
    if run.state == "running" and run.cancel_requested:
        label, colour, icon = "Stopping", "orange", ":material/block:"
    st.badge(plain(label), color=colour, icon=icon)


def settings_line(run: Run) -> str:
    """`Compact 4 from teacher · Soft targets · temperature 2 · alpha 0.5 · 12 epochs · samples · seed 0`."""
    parts = [run.student if run.teacher is None else f"{run.student} from {run.teacher}"]
    if run.control_of:
        parts.append("labels only")
    if distill := run.config.distill:
        parts += [in_words(distill.losses), f"temperature {distill.temperature:g}", f"alpha {distill.alpha:g}"]
    if not run.control_of:
        parts.append(f"{run.config.train.epochs} epochs")
    return " · ".join([*parts, run.config.data.dataset, f"seed {run.seed}", run.id])


def run_label(run: Run) -> str:
    """For the menu of runs. It holds nothing that changes: the menu would take a changed title for another entry."""
    return f"{run.name} · {run.id[-4:]}"


def _row(run: Run) -> dict[str, Any]:
    return {
        "Run": run.name,
        "Id": run.id[-4:],
        "State": STATES[run.state][0],
        "mIoU": None if run.best_miou5 is None else 100 * run.best_miou5,
        "Student": run.student,
        "Teacher": run.teacher or "none",
        "Dataset": run.config.data.dataset,
        "Took": _took(run),
        "Created": datetime.datetime.fromtimestamp(run.created_at).strftime("%d %b %H:%M"),
        "Pinned": "Pinned" if run.pinned else "",
    }


def _took(run: Run) -> str:
    """From its start to its end; a run that was cancelled in the queue has no start."""
    if run.finished_at is None:
        return ""
    # A clock that was set back while it ran must not show a time below zero.
    return "–" if run.started_at is None else duration(max(0.0, run.finished_at - run.started_at))
