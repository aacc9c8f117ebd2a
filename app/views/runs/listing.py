"""Runs as a table that is searched and read page by page, and the small words that every view of a run uses."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from app import state, visitor
from app.components import say
from app.components.forecast import duration
from app.components.guard import plainly
from app.components.linked import linked_segments
from app.services import runs
from app.services.figure_texts import FORMATS
from app.services.names import plain
from app.services.runs import Run, RunList
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
_PAGE = "page"


@dataclass(frozen=True)
class PartOfList:
    """Which part of the list is asked for: words, a state of `services.runs.STATES`, a page from 1."""

    text: str = ""
    state: str = "all"
    page: int = 1

    def read(self) -> RunList:
        return runs.find_runs(self.text, self.state, page=self.page, owner=visitor.owner())


def choose_part() -> PartOfList:
    """Search, states and pages, above the table."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key="find",
            type="search",
            bind="query-params",
            placeholder="Name, id or teacher",
            width=260,
            on_change=_to_first_page,
        )
        titles = {name: title for name, (title, _) in runs.STATES.items()}
        state_name = linked_segments("State", titles, name="state", on_change=_to_first_page)
        wanted = PartOfList(str(text or "").strip(), state_name)
        found = wanted.read()
        if found.pages == 1:
            st.session_state.pop(_PAGE, None)
            return wanted
        if st.session_state.get(_PAGE, 1) > found.pages:
            st.session_state[_PAGE] = found.pages
        return replace(wanted, page=st.pagination(found.pages, key=_PAGE, bind="query-params"))


def _to_first_page() -> None:
    if _PAGE in st.session_state:
        st.session_state[_PAGE] = 1


def run_table(wanted: PartOfList, found: RunList) -> None:
    """One page of runs, newest first; drawn again every `TICK_SECONDS` while one of them is active.

    Choosing a row selects that run for the page: draw the table before the menu of runs. Several rows may be chosen,
    on several pages too; `picked` gives them.
    """
    if (chosen := st.session_state.pop(_CHOSEN, None)) is not None:
        st.session_state[state.RUN] = chosen
    live = any(run.active for run in found.runs)
    st.fragment(run_every=TICK_SECONDS if live else None)(draw_table)(live, wanted)


def picked() -> list[Run]:
    """The runs whose rows are chosen, as long as they are there."""
    return runs.some_runs(st.session_state.get(_PICKED, []), visitor.owner())


def forget_picked() -> None:
    """Let no row be chosen any more."""
    st.session_state[_PICKED] = []


def draw_table(live: bool, wanted: PartOfList) -> None:
    """The runs as they are now. `live` says whether any was active when the page was drawn."""
    with plainly():
        found = wanted.read()
        _table(found.runs, wanted.page)
        if found.total < found.known or found.pages > 1:
            suit = "" if found.total == found.known else f" of {found.known:,}"
            say.caption(
                f"{found.total:,}{suit} runs; {runs.AT_ONCE} on a page." if found.total else "No run suits this."
            )
        if live != any(run.active for run in found.runs) or _CHOSEN in st.session_state:
            # The page decides whether this part is drawn again, and what stands below it.
            st.rerun()


def _table(found: Sequence[Run], page: int) -> None:
    ids = [run.id for run in found]
    key = _TABLE if page == 1 else f"{_TABLE}_{page}"

    def choose() -> None:
        before, now = st.session_state.get(_PICKED, []), [ids[row] for row in st.session_state[key].selection.rows]
        st.session_state[_PICKED] = [run_id for run_id in before if run_id not in ids] + now
        if now:
            # Of several, the one that was just added is shown.
            st.session_state[_CHOSEN] = next((run_id for run_id in now if run_id not in before), now[0])

    chosen = [at for at, run_id in enumerate(ids) if run_id in st.session_state.get(_PICKED, [])]
    say.table(
        [_row(run) for run in found],
        hide_index=True,
        key=key,
        height=min(38 + 35 * max(1, len(found)), 290),
        on_select=choose,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": chosen}} if chosen else None,
        column_config={
            "Run": st.column_config.TextColumn(pinned=True),
            "Pinned": st.column_config.TextColumn(help="A pinned run is never deleted to make room."),
            "mIoU": st.column_config.NumberColumn(format=FORMATS["percent"], help="Best on the validation images."),
        },
        placeholder="–",
        alt="Runs with their state and score",
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
    alone = ["yours alone"] if run.private_to else []
    return " · ".join([*parts, run.config.data.dataset, f"seed {run.seed}", run.id, *alone])


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
