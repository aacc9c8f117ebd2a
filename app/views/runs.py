"""Runs: what was launched, how it goes, what came of it, and what to do with it."""

from collections.abc import Sequence

import streamlit as st

from app import state
from app.components import say
from app.components.empty import empty_state
from app.components.guard import page, plainly
from app.components.linked import linked_select
from app.components.report_button import report_button
from app.components.run_live import run_live
from app.components.run_table import picked, run_label, run_table
from app.components.sign_in import person
from app.services import artifacts, progress, report_contents, runs, waiting_runs, workers
from app.services.names import plain, public, stem
from app.services.runs import Run


def main() -> None:
    st.title("Runs", anchor=False)
    found = runs.list_runs()
    if not found:
        empty_state(
            "No runs yet", "Launch a distillation, and watch it here while it learns.", icon=":material/monitoring:"
        )
        if st.button("Go to Distill", icon=":material/science:", type="primary"):
            st.switch_page("views/distill/page.py")
        return
    run_table(found)
    _compare_picked(picked(found))
    run = _selected(found)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            say.header(run.name, width="content")
            _actions(run)
        run_live(run)
        _log(run)


def _selected(found: Sequence[Run]) -> Run:
    by_id = {run.id: run for run in found}
    running = next((run.id for run in found if run.state == "running"), None)
    return by_id[
        linked_select(
            "Run",
            list(by_id),
            name=state.RUN,
            default=running,
            always=True,
            gone=f"That run is gone. The {'running' if running else 'newest'} one is shown instead.",
            title=lambda run_id: run_label(by_id[run_id]),
            width=420,
        )
    ]


def _actions(run: Run) -> None:
    """Only what fits the run's state is offered."""
    with st.container(horizontal=True, width="content"), plainly():
        if run.active and not run.cancel_requested and st.button("Cancel", icon=":material/block:", key="cancel"):
            runs.cancel(run.id, person())
            st.rerun()
        if run.state in ("failed", "cancelled") and st.button("Retry", icon=":material/replay:", key="retry"):
            runs.retry(run.id, person())
            workers.start_worker(person())
            st.rerun()
        if run.state == "done":
            _use_student(run)
            shown = state.shown()
            report_button(
                lambda: report_contents.of_run(run, palette=shown.palette), name=f"run-{run.id}", key="report"
            )
        if run.state == "queued" and st.button("Run next", icon=":material/vertical_align_top:", key="first"):
            waiting_runs.move_to_front(run.id, person())
            st.rerun()
        if run.copyable and st.button("Edit a copy", icon=":material/edit:", key="copy"):
            _edit_copy(run)
        label = "Unpin" if run.pinned else "Pin"
        if st.button(
            plain(label), icon=":material/keep:", key="pin", help="A pinned run is never deleted to make room."
        ):
            runs.pin(run.id, not run.pinned, person())
            st.rerun()
        if run.state != "running":
            _delete(run)


def _edit_copy(run: Run) -> None:
    """Open Distill with these settings; launching there makes a new run."""
    known = {other.id: other for other in runs.list_runs()}
    original = known.get(run.control_of or "", run)
    link: dict[str, str | list[str]] = {**waiting_runs.copy_link(run.id)}
    link[state.LOSSES] = state.weights_for_link(original.config.distill.losses if original.config.distill else {})
    st.switch_page("views/distill/page.py", query_params=link)


def _compare_picked(chosen: Sequence[Run]) -> None:
    """Students of several rows side by side; Compare takes three."""
    if len(chosen) < 2:
        return
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


def _use_student(run: Run) -> None:
    if st.button("Compare", icon=":material/compare:", key="compare", type="primary"):
        # A picture of an earlier comparison may be one that this student trained on; Compare has a test scene.
        state.forget(state.SOURCE, state.SCENE)
        st.switch_page("views/compare/page.py", query_params=_comparison(run))
    st.download_button(
        "Download student",
        data=lambda: artifacts.student_archive(run.id),
        file_name=f"student-{stem(run.id)}.zip",
        mime="application/zip",
        icon=":material/download:",
        on_click="ignore",
        key="download",
    )


def _comparison(run: Run) -> dict[str, str | list[str]]:
    """The link to Compare with this student, its control and its teacher."""
    students = [run.id]
    known = {other.id: other for other in runs.list_runs()}
    partner = known.get(run.control or run.control_of or "")
    if partner is not None and partner.state == "done":
        students.append(partner.id)
    link: dict[str, str | list[str]] = {state.STUDENTS: students}
    if teacher := run.teacher or (partner.teacher if partner else None):
        link[state.TEACHER] = teacher
    return link


def _delete(run: Run) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.write("This removes the run, its curves and its student for good.")
        if st.button("Delete for good", type="primary", key="delete"):
            runs.delete(run.id, person())
            st.session_state.pop(state.RUN, None)
            st.query_params.pop(state.RUN, None)
            st.rerun()


def _log(run: Run) -> None:
    with st.expander("Log", icon=":material/article:"):
        st.code(public(progress.read_log(run.id)) or "Nothing has been logged yet.", language=None, height=320)


page(main)
