"""What a page says while it has nothing to show: what is missing, and what to do."""

import streamlit as st

from app.components import say


def empty_state(title: str, advice: str, *, icon: str = ":material/info:") -> None:
    with st.container(border=True):
        say.titled(title, mark=icon)
        say.own_markup(advice)


def no_models() -> None:
    """What a page says that needs a model, and finds none."""
    empty_state(
        "No models yet",
        "Shipped models lie in `checkpoints/`. Put them back, or train one with `python -m core train`.",
    )
