"""Runs: what was launched, how it goes, what came of it, and what to do with it."""

import streamlit as st

from app import state, visitor
from app.components import say
from app.components.empty import empty_state
from app.components.guard import page
from app.components.linked import linked_select
from app.components.sections import sections
from app.services import progress, runs
from app.services.names import public
from app.services.runs import Run, RunList
from app.views.runs.actions import actions
from app.views.runs.comparing import compare_runs
from app.views.runs.listing import choose_part, run_label, run_table
from app.views.runs.live import run_live


def main() -> None:
    st.title("Runs", anchor=False)
    st.caption("What was launched, how it goes, and what came of it. The newest stands first.")
    if not runs.find_runs(most=1, owner=visitor.owner()).known:
        empty_state(
            "No runs yet", "Launch a distillation, and watch it here while it learns.", icon=":material/monitoring:"
        )
        if st.button("Go to Distill", icon=":material/science:", type="primary"):
            st.switch_page("views/distill/page.py")
        return
    wanted = choose_part()
    found = wanted.read()
    table, compared, below = sections(3)
    with table:
        run_table(wanted, found)
    with compared:
        compare_runs(wanted)
    with below:
        _one(_selected(found))


def _one(run: Run) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            say.header(run.name, width="content")
            actions(run)
        run_live(run)
        _log(run)


def _selected(found: RunList) -> Run:
    """The run below the table: of those on this page of the list, or one that the link or an earlier choice names."""
    owner = visitor.owner()
    running = runs.running_run(owner)
    asked = (state.linked(state.RUN), st.session_state.get(state.RUN), state.last(state.RUN, None))
    others = runs.some_runs((str(run_id) for run_id in asked if run_id), owner)
    newest = runs.find_runs(most=1, owner=owner).runs
    by_id = {run.id: run for run in (*found.runs, *others, *([running] if running else []), *newest)}
    return by_id[
        linked_select(
            "Run",
            list(by_id),
            name=state.RUN,
            default=running.id if running else None,
            always=True,
            gone=f"That run is gone. The {'running' if running else 'newest'} one is shown instead.",
            title=lambda run_id: run_label(by_id[run_id]),
            width=420,
        )
    ]


def _log(run: Run) -> None:
    with st.expander("Log", icon=":material/article:"):
        st.code(public(progress.read_log(run.id)) or "Nothing has been logged yet.", language=None, height=320)


if __name__ == "__main__":
    page(main)
