"""Masks over a picture, side by side, composed in the browser: opacity, classes and zoom need no rerun."""

from pathlib import Path
from typing import Any

import streamlit as st

from app import state

_HERE = Path(__file__).resolve().parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_mount = st.components.v2.component(
    "terrastill.viewer",
    html='<div class="viewer"></div>',
    css=_read("viewer.css"),
    js=_read("planes.js") + _read("viewer.js"),
)

_KEY = "viewer"
_INITIAL = "viewer_initial"


@st.fragment
def viewer(payload: dict[str, Any]) -> None:
    """Show what `services.overlays.pack` gave. The link follows what people set in it, without a run of the page."""
    # Read from the link when the viewer appears, then kept: a payload that changed with every touch would travel again.
    if _KEY not in st.session_state or _INITIAL not in st.session_state:
        st.session_state[_INITIAL] = state.viewer_state()
    initial = st.session_state[_INITIAL]
    _mount(key=_KEY, data={**payload, "initial": initial}, on_view_change=_remember)


def _remember() -> None:
    state.remember_viewer(st.session_state[_KEY].get("view"))
