"""Sections of a page that stay where they are, whatever comes and goes in the others."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def sections(count: int) -> list[DeltaGenerator]:
    """Containers below each other, `count` of them; an empty one takes no room.

    Streamlit knows a part of a page by its position, and keeps what stood there until the page has been drawn whole.
    Where something comes or goes above a control, the control is shown twice meanwhile: at its old position and at its
    new one. What may be there or not has a section of its own, so that all others keep their positions.
    """
    return [st.container() for _ in range(count)]
