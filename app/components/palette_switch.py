"""The one switch between the colours of classes, for pages without the viewer, which has it in its legend."""

import streamlit as st

from app import state
from app.services.palettes import Palette


def palette_switch(*, key: str) -> Palette:
    """Draw it, and give what is chosen. Every page of the session shows the same, and so does every download."""
    held = state.shown()
    # What another page chose goes before what this widget held.
    st.session_state[key] = held.palette == "colour"
    st.toggle(
        "Dataset's colours",
        key=key,
        on_change=_choose,
        args=(key,),
        help="Off: colours that stay apart for people with colour-vision deficiencies. Downloads have the same.",
    )
    state.choose_palette(held.palette)
    return held.palette


def _choose(key: str) -> None:
    state.choose_palette("colour" if st.session_state[key] else "safe")
