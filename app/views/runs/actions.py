"""What can be done with a run: only what fits its state is offered."""

import streamlit as st

from app import state
from app.components.guard import plainly
from app.components.report_button import report_button
from app.components.sign_in import person
from app.services import artifacts, report_contents, runs, waiting_runs, workers
from app.services.names import plain, stem
from app.services.runs import Run


def actions(run: Run) -> None:
    """Draw the buttons."""
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
            shown, owner = state.shown(), person().folder
            report_button(
                lambda: report_contents.of_run(run, palette=shown.palette, owner=owner),
                name=f"run-{run.id}",
                key="report",
            )
        if run.state == "queued" and st.button("Run next", icon=":material/vertical_align_top:", key="first"):
            waiting_runs.move_to_front(run.id, person())
            st.rerun()
        if run.copyable and st.button("Edit a copy", icon=":material/edit:", key="copy"):
            _edit_copy(run)
        if run.owner and run.owner == person().folder:
            label, icon = ("Make private", ":material/lock:") if run.shared else ("Share", ":material/group:")
            if st.button(
                plain(label),
                icon=icon,
                key="share",
                help="It learnt from a model of yours: yours alone, or everybody's.",
            ):
                runs.share(run, not run.shared, person())
                st.rerun()
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
    original = next(iter(runs.some_runs([run.control_of or run.id], person().folder)), run)
    link: dict[str, str | list[str]] = {**waiting_runs.copy_link(run.id, person().folder)}
    distill = original.config.distill
    link[state.LOSSES] = state.weights_for_link(distill.losses if distill else {})
    if distill and distill.map_classes:
        link[state.STANDS] = state.pairs_for_link(distill.map_classes)
    st.switch_page("views/distill/page.py", query_params=link)


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
    partner = next(iter(runs.some_runs([run.control or run.control_of or ""], person().folder)), None)
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
