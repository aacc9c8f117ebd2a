"""An exported model at work in the visitor's own browser: nothing that is dropped here leaves their machine."""

from typing import Any

import streamlit as st

from app.web_modules import script, styles

_mount = st.components.v2.component(
    "terrastill.in_browser",
    html='<div class="in-browser"></div>',
    css=styles("in_browser/in_browser.css"),
    js=script("in_browser/in_browser.mjs"),
)


def in_browser(payload: dict[str, Any]) -> None:
    """`payload`: what `services.exports.for_browser` gave."""
    _mount(key="in_browser", data=payload)
