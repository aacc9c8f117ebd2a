"""What the worker does, in the sidebar of every page."""

import streamlit as st

from app.components import say
from app.components.guard import plainly
from app.components.sign_in import person
from app.services import workers
from app.services.names import plain, size_text

_WORDS: dict[str, tuple[str, say.BadgeColour, str]] = {
    "working": ("Worker training", "green", ":material/play_circle:"),
    "idle": ("Worker ready", "blue", ":material/check_circle:"),
    "starting": ("Worker starting", "orange", ":material/hourglass_top:"),
    "absent": ("No worker running", "gray", ":material/pause_circle:"),
}


@st.fragment(run_every="4s")
def worker_status() -> None:
    """State, device and queue of the worker; offers to start one when runs wait and none is alive."""
    with plainly():
        found = workers.worker_state(person().folder)
        label, colour, icon = _WORDS[found.state]
        st.badge(plain(label), color=colour, icon=icon)
        say.caption(*_details(found))
        if found.full:
            st.warning("The disk is full: runs wait until there is space. Delete old ones.", icon=":material/warning:")
        waiting = found.queued + found.running
        if found.state == "absent" and waiting and st.button("Start the worker", key="start_worker"):
            workers.start_worker(person())
            st.rerun(scope="fragment")


def _details(found: workers.WorkerState) -> list[str]:
    """One line or two."""
    queue = f"{found.queued} waiting" if found.queued else "queue empty"
    if found.state == "working":
        memory = f" · {size_text(found.memory)}" if found.memory else ""
        return [_current(found), f"{queue.capitalize()} · {_devices(found)}{memory}"]
    if found.state == "absent":
        return ["It starts with the next launch." if not found.queued + found.running else queue.capitalize()]
    return [f"{queue.capitalize()} · {_devices(found)}" if found.device else queue.capitalize()]


def _current(found: workers.WorkerState) -> str:
    """The run under way by its name, or how many there are."""
    return found.current[0] if found.running == 1 else f"{found.running} running"


def _devices(found: workers.WorkerState) -> str:
    """`cuda:0 (2 slots), cpu`"""
    parts = (part.strip().partition("=") for part in found.device.split(","))
    return ", ".join(f"{name} ({slots} slots)" if slots else name for name, _, slots in parts)
