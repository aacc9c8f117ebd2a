"""What each colour of a mask means."""

from collections.abc import Sequence

import streamlit as st

from app.services.names import in_html


def legend(classes: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    """A swatch and a name for each class, in a row that wraps."""
    swatch = "display:inline-block;width:0.8rem;height:0.8rem;border-radius:0.2rem;margin-right:0.35rem"
    entries = [
        f'<span><span style="{swatch};background:rgb{colour}"></span>{in_html(name)}</span>' for name, colour in classes
    ]
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:0.25rem 1rem;font-size:0.875rem">{"".join(entries)}</div>')
