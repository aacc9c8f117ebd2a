"""An exported model at work in the visitor's own browser: nothing that is dropped here leaves their machine."""

from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).resolve().parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_mount = st.components.v2.component(
    "terrastill.in_browser",
    html='<div class="in-browser"></div>',
    css=_read("in_browser.css"),
    js=_read("engine.js") + _read("in_browser.js"),
)


def in_browser(payload: dict[str, Any]) -> None:
    """`payload`: what `services.exports.for_browser` gave."""
    _mount(key="in_browser", data=payload)
