"""What temperature does to a teacher's answers, pixel by pixel, worked out in the browser."""

from typing import Any

import streamlit as st

from app.web_modules import script, styles

KEY = "temperature_view"

_mount = st.components.v2.component(
    "terrastill.temperature",
    html='<div class="temperature"></div>',
    css=styles("temperature/temperature.css"),
    js=script("temperature/temperature.mjs"),
)


def softener(payload: bytes) -> Any:
    """Show what `services.softening.pack` gave: `.place` is where to look next, `.temperature` what was set."""
    return _mount(key=KEY, data=payload, on_place_change=lambda: None, on_temperature_change=lambda: None)
