"""What temperature does to a teacher's answers, pixel by pixel, worked out in the browser."""

from typing import Any

import streamlit as st

from app.components.bundle import bundle, read

MODULES = ("web/dom.mjs", "viewer/layers.mjs", "temperature/soft.mjs", "temperature/temperature.mjs")
KEY = "temperature_view"

_mount = st.components.v2.component(
    "terrastill.temperature",
    html='<div class="temperature"></div>',
    css=read("temperature/temperature.css"),
    js=bundle(MODULES),
)


def softener(payload: bytes) -> Any:
    """Show what `services.softening.pack` gave: `.place` is where to look next, `.temperature` what was set."""
    return _mount(key=KEY, data=payload, on_place_change=lambda: None, on_temperature_change=lambda: None)
