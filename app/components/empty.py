"""What a page says while it has nothing to show: what is missing, and what to do."""

import streamlit as st


def empty_state(title: str, advice: str, *, icon: str = ":material/info:") -> None:
    with st.container(border=True):
        st.markdown(f"{icon} **{title}**")
        st.markdown(advice)
