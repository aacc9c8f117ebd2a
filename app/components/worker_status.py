"""What the worker does, in the sidebar of every page."""

import streamlit as st

from app.components.guard import plainly
from app.services import workers

_WORDS = {
    "working": ("Worker training", "green", ":material/play_circle:"),
    "idle": ("Worker ready", "blue", ":material/check_circle:"),
    "starting": ("Worker starting", "orange", ":material/hourglass_top:"),
    "absent": ("No worker running", "gray", ":material/pause_circle:"),
}


@st.fragment(run_every="4s")
def worker_status() -> None:
    """State, device and queue of the worker; offers to start one when runs wait and none is alive."""
    with plainly():
        found = workers.worker_state()
        label, colour, icon = _WORDS[found.state]
        st.badge(label, color=colour, icon=icon)
        st.caption(_details(found))
        waiting = found.queued + found.running
        if found.state == "absent" and waiting and st.button("Start the worker", key="start_worker"):
            workers.ensure_worker()
            st.rerun(scope="fragment")


def _details(found: workers.WorkerState) -> str:
    queue = f"{found.queued} waiting" if found.queued else "queue empty"
    if found.state == "working":
        return f"{found.running} running, {queue} · {found.device}"
    if found.state == "absent":
        return "It starts with the next launch." if not found.queued + found.running else queue.capitalize()
    return f"{queue.capitalize()} · {found.device}" if found.device else queue.capitalize()
