"""Back and Forward of the browser go by what a person did, not by every part of a link that a page sets itself."""

import streamlit as st

from app.web_modules import script

_mount = st.components.v2.component("terrastill.history", html="<span hidden></span>", js=script("history/history.mjs"))


def history() -> None:
    """Takes effect for the whole visit; shows nothing."""
    _mount(key="history")
