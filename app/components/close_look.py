"""A large picture under its mask: all of it at first, and the file's own pixels where somebody zooms in."""

from typing import Any

import streamlit as st

from app.web_modules import script, styles

KEY = "map_close_look"

_mount = st.components.v2.component(
    "terrastill.close_look",
    html='<div class="close-look"></div>',
    css=styles("close_look/close_look.css"),
    js=script("close_look/close_look.mjs"),
)


def asked_part(name: str) -> Any:
    """What the browser last asked for of the picture of this name: a rectangle in its pixels, or None."""
    part = (st.session_state.get(KEY) or {}).get("part")
    return part if isinstance(part, dict) and part.get("of") == name else None


def close_look(payload: bytes) -> Any:
    """Show what `services.map_views.pack` gave."""
    return _mount(key=KEY, data=payload, on_part_change=lambda: None)
